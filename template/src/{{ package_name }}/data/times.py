"""Regular times: what Darts needs of every series, and what files do not always have."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import UserError
from ..settings import FileSettings
from .report import Report

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Regular:
    """Regular, increasing times, and the rows that belong to them.

    Attributes:
        index: the times.
        rows: for each time the row that has its values, -1 for none; None: they are the same.
        labels: for each row the number of its time, where those of one time are to be averaged.
        unsorted: whether rows came too late.
        duplicates: rows whose time another row has, too.
    """

    index: pd.Index
    rows: Rows | None = None
    labels: Rows | None = None
    unsorted: bool = False
    duplicates: int = 0

    def arrange(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return ``values``, of shape (rows, components), for each of the times; else NaN."""
        if self.rows is None:
            return values
        if self.labels is not None:
            values = pd.DataFrame(values).groupby(self.labels).mean().to_numpy(values.dtype)
        arranged = values[self.rows]
        arranged[self.rows < 0] = np.nan
        return arranged


def regular_times(
    times: pd.Index, name: str, settings: FileSettings, report: Report, complete: bool = True
) -> Regular | None:
    """Sort times, merge duplicates and insert missing ones, as far as settings allow.

    Args:
        times: of the rows of one series.
        name: of the series.
        settings: ``duplicates`` says what becomes of rows of the same time; ``frequency`` inserts
            missing times.
        report: where problems are added.
        complete: whether these are all rows of the series; else duplicates are all that is found.

    Returns:
        The times, None when they cannot be used.
    """
    unsorted = not times.is_monotonic_increasing
    rows = np.argsort(times, kind="stable") if unsorted else np.arange(len(times))
    ordered = times[rows] if unsorted else times
    double = ordered.duplicated()
    labels = None
    if double.any():
        if settings.duplicates == "refuse":
            report.add(
                "duplicate times",
                "Keep one row each, set data.duplicates=first, last or mean, or name the column "
                "that tells series apart with data.series_column.",
                unit="row",
                series=[name],
                examples=[show_time(time) for time in ordered[double][:3]],
                count=int(double.sum()),
            )
            return None
        if settings.duplicates == "mean":
            labels = np.empty(len(times), np.intp)
            labels[rows] = np.cumsum(~double) - 1
            rows = np.arange(int((~double).sum()))
        else:
            rows = rows[~ordered.duplicated(keep=settings.duplicates)]
        ordered = ordered[~double]
    if not complete:
        return None
    if len(ordered) < 3:
        report.add(
            "too few rows for a time series",
            "Give it at least three, or remove it.",
            series=[name],
            examples=[f"{len(ordered)} row{'s' if len(ordered) > 1 else ''}"],
        )
        return None
    index = _regular(ordered, name, settings, report)
    if index is None:
        return None
    unchanged = not unsorted and not double.any() and len(index) == len(times)
    return Regular(
        index=index,
        rows=None if unchanged else _positions(rows, ordered, index),
        labels=labels,
        unsorted=unsorted,
        duplicates=int(double.sum()),
    )


def show_time(time: object) -> str:
    """Return a time without the zeros of midnight."""
    return str(time).removesuffix(" 00:00:00")


def _positions(rows: Rows, times: pd.Index, index: pd.Index) -> Rows:
    """Return the row of each time of ``index``, -1 where ``times`` lack it."""
    found = times.get_indexer(index)
    return np.where(found < 0, -1, rows[found])


def _regular(times: pd.Index, name: str, settings: FileSettings, report: Report) -> pd.Index | None:
    """Return increasing times with their frequency."""
    if settings.frequency is not None:
        return _with_frequency(times, settings.frequency, name, report)
    if isinstance(times, pd.DatetimeIndex):
        frequency = pd.infer_freq(times)
        if frequency is not None:
            return pd.DatetimeIndex(times, freq=frequency)
    steps = pd.Series(times[1:] - times[:-1])
    usual = steps.mode()[0]
    odd = np.flatnonzero(steps != usual)
    if len(odd) == 0:
        return times
    dates = isinstance(times, pd.DatetimeIndex)
    kinds = "D, h, W-SUN, MS ..." if dates else "a number"
    hint = "" if dates else " If these are dates, set data.time_format, such as %Y%m%d."
    report.add(
        "irregular times",
        f"Set data.frequency ({kinds}) to insert the missing times as gaps.{hint}",
        series=[name],
        examples=[
            f"the usual step is {_show_step(usual)}, but {show_time(times[odd[0]])} is followed by "
            f"{show_time(times[odd[0] + 1])} ({len(odd)} such step{'s' if len(odd) > 1 else ''})"
        ],
    )
    return None


def _with_frequency(times: pd.Index, frequency: str, name: str, report: Report) -> pd.Index | None:
    dates = isinstance(times, pd.DatetimeIndex)
    try:
        if dates:
            full: pd.Index = pd.date_range(times[0], times[-1], freq=frequency)
        else:
            full = pd.RangeIndex(int(times[0]), int(times[-1]) + 1, int(frequency))
    except ValueError as error:
        kind = "frequency, such as D, h, W-SUN or MS" if dates else "step of times that are numbers"
        raise UserError(f"data.frequency: {frequency!r} is no {kind}.") from error
    outside = times.difference(full)
    if len(outside) == 0:
        return full
    report.add(
        f"times that do not fit data.frequency={frequency}",
        "Correct them, or state another frequency.",
        unit="row",
        series=[name],
        examples=[show_time(time) for time in outside[:3]],
        count=len(outside),
    )
    return None


def _show_step(step: object) -> str:
    text = str(step).removesuffix(" 00:00:00").removeprefix("0 days ")
    return "1 day" if text == "1 days" else text
