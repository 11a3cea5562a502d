"""The time axis: the regular steps on which the rows of all files are placed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..errors import UserError
from .checks import PLACES, Problems
from .panel import SeriesArray, Steps, Storage, show_time

# number of a series, position of a time, or row of the panel: there is none
NOWHERE = -1
# rows of the shortest time series
FEWEST = 3
NO_ROWS = np.empty(0, np.int64)
# share of the steps of a series that must have a row: below it, one of its times is wrong
LEAST = 0.01
# steps of the longest time axis
LONGEST = 100_000_000
# whole numbers whose differences are int64, and years, of datetime64[ns] as well
NUMBERS = -(2**62), 2**62
YEARS = {"us": (1, 9000), "ns": (1678, 2261)}
# series from which a frequency is inferred, if it cannot be from all of them together
CANDIDATES = 20
# of usual frequencies below a day
SECONDS = {"h": 3600, "min": 60, "s": 1}
# rows that are placed at once
ROWS = 1 << 20


class Timeline:
    """The regular times of all series, and the row of the panel for each row of the files.

    Attributes:
        axis: all times, with a frequency.
        start: position on the axis of the first step of each series, shape (series,).
        length: steps of each series; 0 if a time is not on the axis, or almost all are missing.
        first: row of its first step in the panel.
        dropped: whether a series is left out because it has too few rows, shape (series,).
        merged: number of rows of the files beyond the first one at their time.
    """

    def __init__(
        self,
        series: NDArray[np.int32],
        times: NDArray[Any],
        count: int,
        frequency: str | None,
        key: str,
        short_series: str,
        storage: Storage,
    ) -> None:
        """Find the axis, and place the rows on it.

        Args:
            series: number of the series of each row, or ``NOWHERE``, shape (rows,).
            times: datetime64 or int64, shape (rows,).
            count: number of series.
            frequency: of the axis; None: it is inferred.
            key: the setting that holds it, for messages.
            short_series: ``drop`` leaves out series of too few rows, unless all of them have few.
            storage: makes the array for the position of each row on the axis.

        Raises:
            UserError: if ``frequency`` is not a frequency of these times.
        """
        self._series, self._frequency, self._key = series, frequency, key
        ticks = times.view(np.int64)
        parts = [slice(row, row + ROWS) for row in range(0, len(ticks), ROWS)]
        # polars' unique is as fast, but keeps the memory of all parts
        some = [pd.unique(ticks[part][series[part] != NOWHERE]) for part in parts]
        distinct = np.unique(np.concatenate(some))
        index = self._distinct = pd.Index(distinct.view(times.dtype))
        self.axis = _find_axis(index, frequency, series, times)
        on_axis = self.axis.get_indexer(index)
        kind = np.int32 if len(self.axis) < 2**31 else np.int64
        positions = self._positions = storage.array("positions", len(ticks), 1, kind)[:, 0]

        self.start, last = np.full(count, len(self.axis)), np.full(count, NOWHERE)
        # rows of each series, and those of them that are on the axis
        self._count, self._placed = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for part in parts:
            known = series[part] != NOWHERE
            self._count += np.bincount(series[part][known], minlength=count)
            found = np.full(len(known), NOWHERE)
            found[known] = on_axis[np.searchsorted(distinct, ticks[part][known])]
            positions[part] = found
            on = found != NOWHERE
            own, placed = series[part][on], found[on]
            np.minimum.at(self.start, own, placed)
            np.maximum.at(last, own, placed)
            self._placed += np.bincount(own, minlength=count)
        self.length = np.maximum(last - self.start + 1, 0)
        self.length[(self._placed < self._count) | (self._placed < LEAST * self.length)] = 0
        self.first = np.cumsum(self.length) - self.length

        taken = np.zeros(int(self.length.sum()) + 1, bool)
        for part in parts:
            taken[self.rows(part)] = True
        # steps of each series that have rows
        self._held = np.zeros(count, np.int64)
        steps = SeriesArray(taken[:, None], self.first, self.length, self.start, [])
        for numbers, values in steps.batches():
            self._held[numbers] = values.sum(axis=(1, 2))
        few = self._count < FEWEST
        self.dropped = few & (short_series == "drop" and not few.all())
        self.merged = int((self._placed - self._held)[self.length > 0].sum())

    def rows(self, part: slice) -> Steps:
        """Return the row of the panel for some rows of the files, or ``NOWHERE``."""
        own, positions = self._series[part], self._positions[part]
        placed = (positions != NOWHERE) & (self.length[own] > 0)
        return np.where(placed, (self.first - self.start)[own] + positions, NOWHERE)

    def choose_rows(self, keep: str) -> Steps:
        """Keep one of the rows that have the same time.

        Args:
            keep: the ``first`` or the ``last`` row; ``mean`` keeps all of them.

        Returns:
            The rows of the panel for which several rows are left.
        """
        found = self.rows(slice(None))
        order = np.argsort(found, kind="stable")
        rows = found[order]
        again = np.flatnonzero((rows[1:] == rows[:-1]) & (rows[1:] != NOWHERE))
        if keep == "mean":
            return np.unique(rows[again])
        self._positions[order[again if keep == "last" else again + 1]] = NOWHERE
        return NO_ROWS

    def check(
        self,
        times: NDArray[Any],
        names: Sequence[str],
        incomplete: set[int],
        duplicates: str,
        problems: Problems,
    ) -> None:
        """Add the problems of series whose ``times`` are not regular.

        ``incomplete`` are the series of which some rows have no time, with ``NOWHERE`` if some rows
        have no series: only times that are there twice are a problem of these. Those that are
        dropped have none.
        """
        usable = self._held if duplicates == "refuse" else self._placed
        wrong = (self._held < FEWEST) | (self._count > usable)
        if self._frequency is None:
            wrong |= self._held < self.length
        wrong &= ~self.dropped
        rows = np.flatnonzero(np.isin(self._series, np.flatnonzero(wrong)))
        for number, group in pd.Series(times[rows]).groupby(self._series[rows]):
            own = pd.Index(group).sort_values()
            twice = own[own.duplicated()]
            if duplicates == "refuse" and len(twice):
                problems.add(
                    "duplicate time",
                    "Keep one row for each time, set data.duplicates=first, last or mean, set "
                    "data.resample=D to aggregate events, or set data.series_column to the column "
                    "that names the series.",
                    count=len(twice),
                    series=[names[number]] * len(twice),
                    places=[show_time(time) for time in twice[:PLACES]],
                )
            elif not incomplete & {number, NOWHERE}:
                self._report(own.unique(), names[number], problems)

    def _report(self, times: pd.Index, name: str, problems: Problems) -> None:
        """Add the problem of the distinct times of one series."""
        positions = self.axis.get_indexer(times)
        outside = times[positions == NOWHERE]
        subject, count = f"{self._key}={self._frequency}", 0
        if len(times) < FEWEST:
            subject, what = "", "too few rows for a time series"
            remedy = f"Add rows (at least {FEWEST}), or remove the series (data.short_series=drop)."
            places = [f"{len(times)} row{'s' if len(times) > 1 else ''}"]
        elif self._frequency is None:
            subject, what = "", "irregular step"
            dates = isinstance(self.axis, pd.DatetimeIndex)
            hint = "" if dates else " If these are dates, set data.time_format, such as %Y%m%d."
            # one for all series
            fitting = f"={_fitting_frequency(self._distinct)}" if dates else ""
            remedy = (
                f"Set data.frequency{fitting} to insert the missing times as gaps, or a longer "
                f"step as data.resample to aggregate the rows.{hint}"
            )
            usual = (self.axis[1:] - self.axis[:-1]).unique()
            if len(usual) == 1:
                odd, expected = np.asarray((times[1:] - times[:-1]) != usual[0]), usual[0]
            else:  # months, quarters, ...
                odd, expected = np.diff(positions) != 1, self.axis.freqstr
            if not odd.any():
                what = "times between those of other series"
                remedy = "Give all series the same time steps."
            count, at = int(odd.sum()), int(odd.argmax())
            step = f"{show_time(times[at])} to {show_time(times[at + 1])}"
            places = [f"{step} instead of {_show_step(expected)}" if count else step]
        elif len(outside):
            what, count = "unexpected time", len(outside)
            remedy = "Correct these times, or set another frequency."
            places = [show_time(time) for time in outside[:PLACES]]
        else:
            what = "almost all times are missing"
            remedy = "Correct the first or the last time, or set a longer step."
            steps = positions[-1] - positions[0] + 1
            first, last = show_time(times[0]), show_time(times[-1])
            places = [f"{len(times)} rows for {steps} steps from {first} to {last}"]
        series = [name] * max(count, 1)
        problems.add(what, remedy, subject=subject, count=count, series=series, places=places)


def to_utc(times: NDArray[Any], series: NDArray[np.int32], zone: str) -> NDArray[Any]:
    """Return local times as UTC, and NaT for those that the zone skips when summer time begins.

    The hour that comes twice when summer time ends is summer time in the first row of a series, and
    winter time in the second.

    Args:
        times: datetime64, shape (rows,).
        series: number of the series of each row, shape (rows,).
        zone: such as America/New_York.
    """
    summer = ~pd.DataFrame({"series": series, "time": times}).duplicated().to_numpy()
    found = pd.DatetimeIndex(times).tz_localize(zone, ambiguous=summer, nonexistent="NaT")
    utc: NDArray[Any] = found.tz_convert(None).to_numpy(times.dtype)
    return utc


def to_local(times: NDArray[Any], zone: str) -> pd.DatetimeIndex:
    """Return times in UTC as local times of a zone."""
    return pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone).tz_localize(None)


def are_days(times: pd.DatetimeIndex) -> bool:
    """Return whether all times are midnights."""
    return bool((times == times.normalize()).all())


def resampled(times: NDArray[Any], frequency: str, zone: str | None = None) -> NDArray[Any]:
    """Return the step of every time, labelled as by ``pandas.DataFrame.resample``.

    Args:
        times: datetime64 or int64, shape (rows,).
        frequency: of pandas, such as h, D, W-MON or MS; for numbers, a number of units.
        zone: in which days begin, if the times are UTC.

    Raises:
        UserError: if it is not a frequency of these times.
    """
    distinct, inverse = np.unique(times, return_inverse=True)
    try:
        if times.dtype == np.int64:
            return times // int(frequency) * int(frequency)
        _check_length(pd.Timestamp(distinct[0]), pd.Timestamp(distinct[-1]), frequency)
        index = pd.DatetimeIndex(distinct).tz_localize("UTC").tz_convert(zone or "UTC")
        counts = pd.Series(0, index=index).resample(frequency).count()
    except ValueError as error:
        raise _invalid("data.resample", frequency, times.dtype != np.int64) from error
    steps = counts.index.tz_convert(None).to_numpy(times.dtype)
    return np.repeat(steps, counts)[inverse]


def _find_axis(
    distinct: pd.Index, frequency: str | None, series: NDArray[np.int32], times: NDArray[Any]
) -> pd.Index:
    """Return a time axis from the first to the last of all distinct times."""
    if distinct.empty:
        return distinct
    first, last, dates = distinct[0], distinct[-1], isinstance(distinct, pd.DatetimeIndex)
    step: Any = frequency or _infer_step(distinct, series, times)
    try:
        if not dates:
            return pd.RangeIndex(int(first), int(last) + 1, int(step))
        _check_length(first, last, step)
        return pd.date_range(first, last, freq=step)
    except ValueError as error:
        raise _invalid("data.frequency", str(frequency), dates) from error


def _check_length(first: pd.Timestamp, last: pd.Timestamp, step: str) -> None:
    second = pd.date_range(first, periods=2, freq=step)[1]
    if (steps := (last - first) / (second - first)) > LONGEST:
        raise UserError(
            f"data: the times from {first} to {last} are {steps:.0f} steps of {step}, but at most "
            f"{LONGEST} are allowed. Correct the first or the last time, or set a longer step."
        )


def _invalid(key: str, frequency: str, dates: bool) -> UserError:
    wanted = "a frequency such as D, h, W-SUN or MS" if dates else "a whole number of steps"
    return UserError(f"{key}: {frequency!r} is not valid. Set {wanted}.")


def _infer_step(distinct: pd.Index, series: NDArray[np.int32], times: NDArray[Any]) -> Any:
    """Return the step of all series together, or of a regular one, or the most frequent step."""
    if (step := _regular_step(distinct)) is not None:
        return step
    largest = np.argsort(-np.bincount(series[series != NOWHERE]), kind="stable")[:CANDIDATES]
    candidates = [pd.Index(np.unique(times[series == number])) for number in largest]
    for own in candidates:
        if (step := _regular_step(own)) is not None:
            return step
    own = candidates[0] if len(candidates[0]) > 1 else distinct
    steps = pd.Series(own[1:] - own[:-1])
    return steps.mode()[0] if len(steps) else "D" if isinstance(own, pd.DatetimeIndex) else 1


def _regular_step(times: pd.Index) -> Any:
    """Return the frequency of dates, or the step of numbers; None if they are not regular."""
    if len(times) < 3:
        return None
    if isinstance(times, pd.DatetimeIndex):
        return pd.infer_freq(times)
    steps = np.diff(times)
    return steps[0] if (steps == steps[0]).all() else None


def _fitting_frequency(times: pd.DatetimeIndex) -> str:
    """Return the longest of the usual frequencies that has a step at each of these times."""
    seconds = (times - times[0]).total_seconds().to_numpy()
    if (seconds % 86_400).any():
        fitting = [step for step, length in SECONDS.items() if not (seconds % length).any()]
        return fitting[0] if fitting else "ms"
    if (times.day == 1).all():
        return "MS"
    if times.dayofweek.nunique() == 1:
        return f"W-{times[0].day_name()[:3].upper()}"
    return "B" if (times.dayofweek < 5).all() else "D"


def _show_step(step: object) -> str:
    text = str(step).removesuffix(" 00:00:00").removeprefix("0 days ")
    return "1 day" if text == "1 days" else text
