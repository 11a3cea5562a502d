"""Which columns of a file are read, and what each is for."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from ..settings import AUTO, FileSettings, listed
from .report import Report

# the column that tells series apart where data.series_column=auto
SERIES = "unique_id"
# names of columns that a message lists
SHOWN = 20
# of columns, other than a comma
SEPARATORS = ";\t|"


@dataclass(frozen=True)
class Columns:
    """The names of the columns that are read.

    Attributes:
        time: holds the times.
        keys: tell series apart; none: a file is one series.
        static: have one value for each series, a number or a text.
        roles: columns of targets, past_covariates, future_covariates and sample_weight, where
            there are any.
    """

    time: str
    keys: list[str]
    static: list[str]
    roles: dict[str, list[str]]

    @property
    def values(self) -> list[str]:
        """Return the columns with numbers, each once, for a column may have several roles."""
        return list(dict.fromkeys(column for group in self.roles.values() for column in group))

    @property
    def all(self) -> list[str]:
        """Return all columns, each once."""
        return list(dict.fromkeys([self.time, *self.keys, *self.static, *self.values]))

    def without(self, unusable: Sequence[str]) -> "Columns":
        """Return the columns but those of values that are ``unusable``."""
        static = [column for column in self.static if column not in unusable]
        roles = {
            role: [column for column in group if column not in unusable]
            for role, group in self.roles.items()
        }
        roles = {role: group for role, group in roles.items() if group}
        return replace(self, static=static, roles=roles)

    def known_ahead(self) -> "Columns":
        """Return the columns that a file with the future of the covariates has."""
        roles = {role: group for role, group in self.roles.items() if role == "future_covariates"}
        return replace(self, static=[], roles=roles)

    def names(self, rows: pd.DataFrame) -> list[str]:
        """Return the name of the series of every row; none without ``keys``."""
        if not self.keys:
            return []
        return series_names(rows[self.keys])


def series_names(keys: pd.DataFrame) -> list[str]:
    """Return a name for every row of keys, empty where a key is missing."""
    texts = keys.astype(str).where(keys.notna(), "").to_numpy()
    return ["/".join(row) if all(row) else "" for row in texts]


def key_columns(settings: FileSettings) -> list[str]:
    """Return the columns that tell series apart, if a file has them."""
    return [SERIES] if settings.series_column == AUTO else listed(settings.series_column)


def choose_columns(settings: FileSettings, present: Sequence[str]) -> Columns:
    """Return the columns to read from files of which the first has those that are ``present``."""
    keys = key_columns(settings)
    roles = {
        "targets": settings.target_columns,
        "past_covariates": settings.past_covariates_columns,
        "future_covariates": settings.future_covariates_columns,
        "sample_weight": listed(settings.sample_weight_column),
    }
    return Columns(
        time=settings.time_column,
        keys=[] if settings.series_column == AUTO and keys[0] not in present else keys,
        static=list(settings.static_covariates_columns),
        roles={role: list(group) for role, group in roles.items() if group},
    )


def check_columns(columns: Columns, present: Sequence[str], file: str, report: Report) -> list[str]:
    """Report the columns that a file lacks, with those that it has and the closest of them.

    Args:
        columns: that are needed.
        present: that there are.
        file: opens the problem where there are several files, else empty.
        report: where the problem is added.

    Returns:
        The columns that it lacks.
    """
    missing = [column for column in columns.all if column not in present]
    if not missing:
        return []
    close = {column: difflib.get_close_matches(column, present, n=1) for column in missing}
    hints = [f" Did you mean {match[0]!r}?" for match in close.values() if match]
    if len(present) == 1 and (other := set(SEPARATORS) & set(present[0])):
        hints = [f" Set data.separator={other.pop()!r}."]
    listed = ", ".join(present[:SHOWN])
    rest = f" and {len(present) - SHOWN} more" if len(present) > SHOWN else ""
    report.add(
        f"{file}no column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}",
        f"There are {listed}{rest}.{''.join(hints)} Columns are named by data.time_column, "
        "data.target_columns and so on.",
    )
    return missing
