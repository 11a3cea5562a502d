"""What all data files must have: the columns that were named, and regular times."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from ..errors import UserError
from ..settings import FileSettings


def check_columns(present: Iterable[str], columns: Sequence[str], path: str) -> None:
    """Refuse a file that lacks one of ``columns``.

    Raises:
        UserError: naming the column, those that there are, and the closest of them.
    """
    available = [str(name) for name in present]
    for column in columns:
        if column not in available:
            close = difflib.get_close_matches(column, available, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise UserError(
                f"{path}: no column {column!r}; there are {', '.join(available)}.{hint} "
                "Columns are named by data.time_column, data.target_columns and so on."
            )


def regular_table(table: pd.DataFrame, name: str, settings: FileSettings) -> pd.DataFrame:
    """Return ``table`` with a regular, increasing time index.

    Args:
        table: the values of one series; its index holds the times.
        name: of the series, for messages.
        settings: ``frequency`` inserts missing times as rows of NaN.

    Raises:
        UserError: naming the file, the series and the first time at fault.
    """
    where = f"{settings.path}, series {name!r}"
    index = table.index
    if index.has_duplicates:
        double = index[index.duplicated()]
        raise UserError(
            f"{where}: {len(double)} duplicate timestamps, the first is {double[0]}. Keep one line "
            "each, or name the series with data.series_column if the file holds several."
        )
    if not index.is_monotonic_increasing:
        first = index[1:][index[1:] < index[:-1]][0]
        raise UserError(f"{where}: times are not sorted, {first} comes too late. Sort the lines.")
    if len(index) < 3:
        raise UserError(f"{where}: {len(index)} lines are too few for a time series.")
    if settings.frequency is not None:
        return _with_frequency(table, settings.frequency, where)
    if isinstance(index, pd.DatetimeIndex):
        frequency = pd.infer_freq(index)
        if frequency is not None:
            return table.asfreq(frequency)
    steps = pd.Series(index[1:] - index[:-1])
    usual = steps.mode()[0]
    odd = np.flatnonzero(steps != usual)
    if len(odd) == 0:
        return table
    raise UserError(
        f"{where}: irregular times. The usual step is {usual}, but {index[odd[0]]} is followed by "
        f"{index[odd[0] + 1]} ({len(odd)} such steps). Set data.frequency (D, h, W-SUN, MS, ... or "
        "a number) to insert the missing times as gaps."
    )


def _with_frequency(table: pd.DataFrame, frequency: str, where: str) -> pd.DataFrame:
    index = table.index
    try:
        if isinstance(index, pd.DatetimeIndex):
            full: pd.Index = pd.date_range(index[0], index[-1], freq=frequency)
        else:
            full = pd.RangeIndex(int(index[0]), int(index[-1]) + 1, int(frequency))
    except ValueError as error:
        raise UserError(f"data.frequency: {frequency!r} is no frequency ({error}).") from error
    outside = index.difference(full)
    if len(outside):
        raise UserError(
            f"{where}: {len(outside)} times do not fit data.frequency={frequency}, the first is "
            f"{outside[0]}."
        )
    return table.reindex(full)
