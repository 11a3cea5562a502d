"""One CSV file, checked: every problem is reported with its column, line and remedy."""

from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries

from ..errors import UserError
from ..settings import CsvSettings
from .series import SeriesSet
from .tables import check_columns, regular_table


def read_csv(settings: CsvSettings) -> SeriesSet:
    """Read series from a wide or, with ``series_column``, a long CSV file.

    Rows after the last target value keep their future covariates, so a file may carry the known
    future of, say, a holiday calendar.

    Raises:
        UserError: naming the file and, where there is one, the column and line at fault.
    """
    frame = _read(settings)
    # a column may have several roles
    columns = list(
        dict.fromkeys(
            settings.target_columns
            + settings.past_covariates_columns
            + settings.future_covariates_columns
        )
    )
    keys = [settings.series_column] if settings.series_column else []
    check_columns(frame.columns, [settings.time_column, *keys, *columns], settings.path)
    frame = frame[[settings.time_column, *keys, *columns]].copy()
    frame[settings.time_column] = _times(frame[settings.time_column], settings)
    for column in columns:
        frame[column] = _numbers(frame[column], settings)

    groups: list[tuple[str, pd.DataFrame]] = [(Path(settings.path).stem, frame)]
    if settings.series_column:
        key = frame[settings.series_column]
        _refuse(key, key.isna(), "is no name of a series", settings, "Name it or remove the line")
        groups = [(str(key), part) for key, part in frame.groupby(settings.series_column)]
    names, targets, past, future = [], [], [], []
    for name, group in groups:
        table = regular_table(group.set_index(settings.time_column)[columns], name, settings)
        names.append(name)
        targets.append(_series(table, settings.target_columns))
        past.append(_series(table, settings.past_covariates_columns))
        future.append(_series(table, settings.future_covariates_columns))
    return SeriesSet(
        names=names,
        targets=targets,
        past_covariates=past if settings.past_covariates_columns else None,
        future_covariates=future if settings.future_covariates_columns else None,
    )


def _read(settings: CsvSettings) -> pd.DataFrame:
    path = Path(settings.path)
    if not path.is_file():
        raise UserError(f"data.path: there is no file '{path}' (looked in {Path.cwd()}).")
    try:
        frame = pd.read_csv(path, sep=settings.separator)
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{path}: the file is empty.") from error
    except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
        raise UserError(
            f"{path}: not readable as CSV ({error}). Check the file, its encoding (UTF-8) and "
            f"data.separator={settings.separator!r}."
        ) from error
    if frame.empty:
        raise UserError(f"{path}: the file has a header but no rows.")
    return frame


def _times(column: pd.Series, settings: CsvSettings) -> pd.Series:
    """Return whole numbers as they are, and dates without a time zone, in UTC if they had one."""
    if pd.api.types.is_integer_dtype(column) and settings.time_format is None:
        return column
    form = settings.time_format or "ISO8601"
    # as text, for pandas would take numbers for nanoseconds since 1970
    texts = column.astype(str).where(column.notna())
    times = pd.to_datetime(texts, format=form, errors="coerce", utc=True).dt.tz_localize(None)
    remedy = "Correct the line, or set data.time_format (such as %d/%m/%Y)"
    _refuse(column, times.isna(), f"is no date of the format {form}", settings, remedy)
    return times


def _numbers(column: pd.Series, settings: CsvSettings) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = numbers.isna() & column.notna()
    _refuse(column, wrong, "is not a number", settings, "Correct it or leave the cell empty")
    return numbers.astype(np.float64)


def _refuse(
    column: pd.Series, wrong: pd.Series, what: str, settings: CsvSettings, remedy: str
) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{settings.path}, line {row + 2}, column {column.name!r}: '{column.iloc[row]}' {what} "
            f"({int(wrong.sum())} such lines). {remedy}."
        )


def _series(table: pd.DataFrame, columns: list[str]) -> TimeSeries:
    return TimeSeries.from_dataframe(table, value_cols=columns) if columns else None
