"""The series of a run: one array for each role, and one time axis for all of them."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import polars as pl
from darts import TimeSeries
from darts.utils.utils import generate_index
from numpy.typing import DTypeLike, NDArray

from ..errors import UserError

Steps = NDArray[np.int64]
# float32 or float64
Array = NDArray[Any]

ROLES = ("targets", "past_covariates", "future_covariates", "sample_weight")
# values that are processed at once; all at once would multiply the memory of the data
BATCH = 1 << 19


class Storage:
    """Makes the arrays that hold the values of many series; this one keeps them in memory."""

    @contextmanager
    def open(self, folder: Path) -> Iterator["Storage"]:
        """Yield the storage, whose files, if it has any, lie in ``folder``."""
        yield self

    def array(self, name: str, rows: int, width: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a new array of shape (rows, width) to write to."""
        return np.empty((rows, width), dtype)

    def finish(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array that was written to, now for reading only."""
        array.flags.writeable = False
        return array


IN_MEMORY = Storage()


@dataclass(frozen=True)
class SeriesArray:
    """The series of one role in one array. Cutting and selecting series copies no values.

    Attributes:
        values: float32 or float64, shape (rows, components).
        first: row of the first step of each series, shape (series,).
        length: steps of each series, shape (series,).
        start: position of the first step of each series on the time axis, shape (series,).
        components: their names.
        filled: where values were missing and have been filled, shaped as ``values``; None if no
            value was.
    """

    values: Array
    first: Steps
    length: Steps
    start: Steps
    components: list[str]
    filled: NDArray[np.bool_] | None = None

    @property
    def stop(self) -> Steps:
        """Position after the last step of each series on the time axis, shape (series,)."""
        return self.start + self.length

    def select(self, numbers: Sequence[int] | Steps) -> "SeriesArray":
        """Return some of the series, by their numbers."""
        index = np.asarray(numbers, dtype=np.int64)
        return replace(
            self, first=self.first[index], length=self.length[index], start=self.start[index]
        )

    def between(self, start: Steps | int, stop: Steps | int) -> "SeriesArray":
        """Return the steps at positions from ``start`` to before ``stop`` on the time axis."""
        begin = np.clip(start, self.start, self.stop)
        length = np.clip(stop, begin, self.stop) - begin
        return replace(self, first=self.first + begin - self.start, length=length, start=begin)

    def of(self, number: int) -> Array:
        """Return the values of one series, shape (steps, components)."""
        first = int(self.first[number])
        return self.values[first : first + int(self.length[number])]

    def observed(self, rows: slice | Steps) -> Array:
        """Return the values in some rows, with NaN in place of those that were filled."""
        values = self.values[rows]
        return values if self.filled is None else np.where(self.filled[rows], np.nan, values)

    def as_one_series(self) -> "SeriesArray":
        """Return the values of all series, one after the other, as those of a single one."""
        values = np.concatenate([self.of(number) for number in range(len(self.length))])
        zero = np.array([0])
        return SeriesArray(values, zero, np.array([len(values)]), zero, self.components)

    def batches(self) -> Iterator[tuple[Steps, Array]]:
        """Yield numbers of series that are equally long, and their values.

        The values have the shape (series, steps, components). Series without steps are left out.
        """
        order = np.argsort(self.length, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(self.length[order])) + 1):
            length = int(self.length[group[0]])
            size = max(1, BATCH // max(1, length * self.values.shape[1]))
            for numbers in np.split(group, range(size, len(group), size)) if length else ():
                yield numbers, self.values[self.rows(numbers)].reshape(len(numbers), length, -1)

    def rows(self, numbers: Steps) -> slice | Steps:
        """Return the rows of some series that are equally long, as a slice if possible."""
        first, length = self.first[numbers], int(self.length[numbers[0]])
        if (np.diff(first) == length).all():
            return slice(int(first[0]), int(first[-1]) + length)
        rows: Steps = (first[:, None] + np.arange(length)).ravel()
        return rows

    def map(
        self,
        function: Callable[[Steps, Array], Array],
        components: list[str],
        dtype: DTypeLike,
        storage: Storage,
        name: str,
    ) -> "SeriesArray":
        """Return the results of a function of ``batches``, in a new array of ``storage``."""
        width = len(components)
        array = storage.array(name, int(self.length.sum()), width, dtype)
        first = np.cumsum(self.length) - self.length
        new = replace(self, values=array, first=first, components=components)
        for numbers, values in self.batches():
            array[new.rows(numbers)] = function(numbers, values).reshape(-1, width)
        return replace(new, values=storage.finish(array), filled=None)


@dataclass(frozen=True)
class Panel:
    """Target series with their covariates: series ``i`` of every role belongs to ``names[i]``.

    All series have the time steps of one axis. Covariates may start earlier and end later than
    their targets.

    Attributes:
        names: of the series.
        times: the time axis, dates with a frequency or whole numbers with a step.
        targets: what is forecast.
        past_covariates: known until the present.
        future_covariates: known in advance.
        sample_weight: weight of each time step in the training loss.
        static_covariates: a row for each series, or for each of its components.
        keys: the columns of the source that name the series, a row for each; None: there are none.
        time_column: name and type of the times in the source; None: it has no column of times.
        zone: the time zone that ``data.time_zone`` sets, while ``times`` are UTC; None: there is
            none, or the steps are days or longer.
    """

    names: list[str]
    times: pd.Index
    targets: SeriesArray
    past_covariates: SeriesArray | None = None
    future_covariates: SeriesArray | None = None
    sample_weight: SeriesArray | None = None
    static_covariates: pd.DataFrame | None = None
    keys: pl.DataFrame | None = None
    time_column: pl.Field | None = None
    zone: str | None = None

    @classmethod
    def from_series(
        cls,
        targets: TimeSeries | Sequence[TimeSeries],
        names: Sequence[str] | None = None,
        past_covariates: Sequence[TimeSeries] | None = None,
        future_covariates: Sequence[TimeSeries] | None = None,
        sample_weight: Sequence[TimeSeries] | None = None,
    ) -> "Panel":
        """Make a panel of Darts series, whose values are copied.

        Without ``names``, one series is named after its first component, several are numbered.

        Raises:
            UserError: if the series have different frequencies or components.
        """
        series = [targets] if isinstance(targets, TimeSeries) else list(targets)
        if names is None:
            numbered = [f"series_{number:04d}" for number in range(len(series))]
            names = numbered if len(series) > 1 else [str(series[0].components[0])]
        groups = zip(
            ROLES, (series, past_covariates, future_covariates, sample_weight), strict=True
        )
        given = {role: list(group) for role, group in groups if group is not None}
        everyone = [one for group in given.values() for one in group]
        freq = series[0].freq
        for other in everyone:
            if other.freq != freq:
                raise UserError(
                    f"Series have different frequencies: {series[0].freq_str} and "
                    f"{other.freq_str}. Resample them to one."
                )
        first = min(one.start_time() for one in everyone)
        times = generate_index(first, end=max(one.end_time() for one in everyone), freq=freq)
        arrays: dict[str, Any] = {
            role: _concatenate(group, times, names, role) for role, group in given.items()
        }
        static = [one.static_covariates for one in series if one.static_covariates is not None]
        table = pd.concat(static, ignore_index=True) if len(static) == len(series) else None
        return cls(list(names), times, **arrays, static_covariates=table)

    @property
    def roles(self) -> dict[str, SeriesArray]:
        """The roles that have series."""
        return {role: found for role in ROLES if (found := getattr(self, role)) is not None}

    @property
    def static_rows(self) -> int:
        """Rows of static covariates for each series."""
        table = self.static_covariates
        return 0 if table is None else len(table) // len(self.names)

    @property
    def labels(self) -> list[str]:
        """The columns of the source that name series and times."""
        keys = [] if self.keys is None else self.keys.columns
        return keys if self.time_column is None else [*keys, self.time_column.name]

    def with_roles(self, arrays: Mapping[str, SeriesArray]) -> "Panel":
        """Return the panel with other arrays for some roles."""
        return replace(self, **dict[str, Any](arrays))

    def select(self, numbers: Sequence[int] | Steps) -> "Panel":
        """Return the series with these numbers, in this order."""
        index, static = np.asarray(numbers, dtype=np.int64), self.static_covariates
        if static is not None:
            rows = index[:, None] * self.static_rows + np.arange(self.static_rows)
            static = static.iloc[rows.ravel()].reset_index(drop=True)
        names = [self.names[number] for number in index]
        keys = None if self.keys is None else self.keys[index]
        selected = {role: array.select(index) for role, array in self.roles.items()}
        found = replace(self, names=names, static_covariates=static, keys=keys)
        return found.with_roles(selected)

    def series(self, name: str, role: str = "targets") -> TimeSeries:
        """Return one series, whose values are not copied."""
        return self.select([self.names.index(name)]).to_series(role)[0]

    def to_series(self, role: str = "targets") -> list[TimeSeries]:
        """Return all series of a role, whose values are not copied."""
        array: SeriesArray = getattr(self, role)
        static = self.static_covariates if role == "targets" else None
        # as objects: Darts iterates over them, which is slow with pandas' strings
        components = pd.Index(array.components, dtype=object)
        # slicing an index is slow, and many series share their times
        times_between = cache(lambda start, stop: self.times[start:stop])
        found = []
        for number, place in enumerate(zip(array.start, array.stop, strict=True)):
            times, own = times_between(*place), None
            if static is not None:
                row = number * self.static_rows
                own = static[row : row + self.static_rows].reset_index(drop=True)
            values = array.of(number)
            found.append(
                TimeSeries(times, values, components=components, static_covariates=own, copy=False)
            )
        return found

    def position(self, time: str | int, key: str, side: Literal["left", "right"] = "left") -> int:
        """Return the first position on the axis at or after a time, or after it (``right``).

        Raises:
            UserError: naming the setting ``key`` if its ``time`` is not of the data's type.
        """
        dates = isinstance(self.times, pd.DatetimeIndex)
        try:
            value = self._instant(str(time)) if dates else int(time)
        except ValueError as error:
            wanted = "a date" if dates else "a whole number"
            raise UserError(
                f"{key}: {time!r} is not {wanted}. Set it to {wanted}, like the times of the data."
            ) from error
        return int(self.times.searchsorted(value, side=side))

    def _instant(self, text: str) -> pd.Timestamp:
        time = pd.Timestamp(text)
        if time.tzinfo is None and self.zone is not None:
            time = time.tz_localize(self.zone, ambiguous=True, nonexistent="shift_forward")
        return time if time.tzinfo is None else time.tz_convert(None)

    def local(self, times: pd.Index) -> pd.Index:
        """Return times of the axis in the zone of the data, if it has one."""
        return times if self.zone is None else times.tz_localize("UTC").tz_convert(self.zone)

    def extended(self, length: int) -> pd.Index:
        """Return the time axis, continued until it has at least ``length`` steps."""
        length = max(length, len(self.times))
        freq = self.times.freq if isinstance(self.times, pd.DatetimeIndex) else self.times.step
        return generate_index(self.times[0], length=length, freq=freq)


def fingerprint(panel: Panel) -> str:
    """Return a SHA-256 over names, components, times, values and static covariates of all series.

    Equal data has equal fingerprints on every platform. Values are hashed as float64.
    """
    digest = hashlib.sha256(repr(panel.names).encode())
    for role, array in panel.roles.items():
        digest.update(f"{role}|{array.components}".encode())
        for positions in array.start, array.stop - 1:
            times = panel.times.to_numpy()[positions]
            kind = "<M8[us]" if times.dtype.kind == "M" else "<i8"
            digest.update(times.astype(kind).tobytes())
        for _, values in array.batches():
            digest.update(np.ascontiguousarray(values, dtype="<f8").data)
    if panel.static_covariates is not None:
        digest.update(panel.static_covariates.to_csv(lineterminator="\n").encode())
    if panel.zone is not None:
        digest.update(repr(panel.zone).encode())
    return digest.hexdigest()


def show_time(time: object) -> str:
    """Return a time as text, without the zeros of midnight."""
    return str(time).removesuffix(" 00:00:00")


def _concatenate(
    group: list[TimeSeries], times: pd.Index, names: Sequence[str], role: str
) -> SeriesArray:
    components, role = [str(name) for name in group[0].components], role.replace("_", " ")
    for other in group:
        if other.n_components != len(components):
            raise UserError(
                f"{role}: all series must have the same components, not {components} and "
                f"{list(other.components)}."
            )
    start = times.get_indexer([one.start_time() for one in group])
    for number in np.flatnonzero(start < 0)[:1]:
        raise UserError(
            f"{role} of {names[number]!r}: the time steps ({group[number].start_time()}, every "
            f"{group[number].freq_str}) are not aligned with the other series, which start at "
            f"{times[0]}. Give all series the same time steps."
        )
    length = np.array([len(one) for one in group])
    values = np.concatenate([one.values(copy=False) for one in group])
    if values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    return SeriesArray(values, np.cumsum(length) - length, length, start, components)
