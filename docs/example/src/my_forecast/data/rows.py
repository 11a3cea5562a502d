"""Checks of the rows of a file, one cell at a time, with pandera."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from .columns import Columns
from .report import EXAMPLES, Report

# stands in for a wrong value until the file is refused, so that it is not also called missing
STAND_IN = 0.0


@dataclass(frozen=True)
class Rule:
    """What the cells of a column must be."""

    problem: str
    remedy: str
    # returns for every cell whether it is right
    holds: Callable[[pd.Series], pd.Series]
    allows_empty: bool = True


def check_rows(
    frame: pd.DataFrame,
    columns: Columns,
    time_format: str | None,
    place: str,
    report: Report,
) -> pd.DataFrame:
    """Return rows with times as times and values as numbers, and report the cells that are neither.

    Args:
        frame: rows as they are in the file; the index numbers them.
        columns: that are read.
        time_format: how dates are written as text, None for ISO 8601.
        place: what a row is called, such as "line" or "b.csv, line".
        report: where problems are added.

    Returns:
        The same rows; a wrong time is missing, a wrong value is ``STAND_IN``.
    """
    rules = _rules(columns, frame[columns.time], time_format)
    schema = pa.DataFrameSchema(
        {
            column: pa.Column(
                checks=[
                    pa.Check(rule.holds, error=rule.problem, ignore_na=rule.allows_empty)
                    for rule in its_rules
                ],
                nullable=column not in (*columns.keys, *columns.static),
            )
            for column, its_rules in rules.items()
        }
    )
    wrong: dict[str, list[NDArray[np.int64]]] = {}
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases.sort_values("index", kind="stable")
        for (column, problem), found in cases.groupby(["column", "check"], sort=False):
            empty = _NAMED if column in columns.keys else _GIVEN
            rule = next((rule for rule in rules[column] if rule.problem == problem), empty)
            rows = found["index"].to_numpy()
            wrong.setdefault(column, []).append(rows)
            report.add(
                f"column {column!r}: {rule.problem}",
                rule.remedy,
                unit="row",
                series=columns.names(frame.loc[rows]),
                examples=[
                    f"{_shown(frame.at[row, column])} in {place} {row}" for row in rows[:EXAMPLES]
                ],
                count=len(rows),
            )
    checked = frame.assign(
        **{
            columns.time: read_times(frame[columns.time], time_format),
            **{column: _numbers(frame[column]) for column in columns.values},
        }
    )
    for column in columns.values:
        for rows in wrong.get(column, []):
            checked.loc[rows, column] = STAND_IN
    return checked


def read_times(column: pd.Series, time_format: str | None) -> pd.Series:
    """Return whole numbers and times as they are, text as times in UTC without a zone.

    What is no time is missing. Times with different offsets, as those of a zone with summer time
    have, become times of one zone that way.
    """
    if pd.api.types.is_datetime64_dtype(column):
        return column
    if are_numbers(column, time_format):
        return column.where(column == column.round())
    # as text, for pandas would take numbers for nanoseconds since 1970
    texts = column.astype(str).where(column.notna())
    form = time_format or "ISO8601"
    times = pd.to_datetime(texts, format=form, errors="coerce", utc=True)
    return times.dt.tz_localize(None).astype("datetime64[us]")


def are_numbers(column: pd.Series, time_format: str | None) -> bool:
    """Tell whether the times of a column are numbers, and no dates."""
    types = pd.api.types
    return (
        time_format is None
        and bool(types.is_numeric_dtype(column))
        and not types.is_bool_dtype(column)
    )


def _rules(columns: Columns, times: pd.Series, time_format: str | None) -> dict[str, list[Rule]]:
    """Return the rules of every column."""
    rules: dict[str, list[Rule]] = {column: [] for column in columns.all}
    remedy = "Correct it or remove the row."
    if are_numbers(times, time_format):
        problem = "no whole number"
    elif pd.api.types.is_datetime64_dtype(times):
        problem = "no time"
    else:
        problem = f"no date of the format {time_format or 'ISO 8601'}"
        remedy = "Correct it, or set data.time_format (such as %d/%m/%Y)."
    rules[columns.time].append(
        Rule(
            problem,
            remedy,
            lambda column: read_times(column, time_format).notna(),
            allows_empty=False,
        )
    )
    for column in columns.values:
        rules[column] += [_NUMBER, _FINITE]
    for column in columns.roles.get("sample_weight", []):
        rules[column].append(_NOT_NEGATIVE)
    return rules


def _shown(value: object) -> str:
    """Return the text of a cell in quotes."""
    return "nothing" if pd.isna(value) else repr(str(value))


def _numbers(column: pd.Series) -> pd.Series:
    if pd.api.types.is_float_dtype(column):
        return column
    return pd.to_numeric(column, errors="coerce").astype(np.float64)


# the next two are what pandera checks by itself for columns that are not nullable
_NAMED = Rule(
    "no name of a series",
    "Name it or remove the row.",
    pd.Series.notna,
    allows_empty=False,
)
_GIVEN = Rule(
    "no value",
    "A static covariate has one in every row.",
    pd.Series.notna,
    allows_empty=False,
)
_NOT_NEGATIVE = Rule(
    "a negative weight",
    "Give it a weight of 0 or more.",
    lambda column: ~(_numbers(column) < 0),
)
_NUMBER = Rule(
    "no number",
    "Correct the cell, leave it empty, or set data.decimal.",
    lambda column: _numbers(column).notna(),
)
_FINITE = Rule(
    "an infinite number",
    "Replace it by a number or leave the cell empty.",
    lambda column: ~np.isinf(_numbers(column)),
)
