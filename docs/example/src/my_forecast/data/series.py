"""The container that travels from the data to the model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from darts import TimeSeries
from numpy.typing import NDArray

from ..errors import UserError

# rows that are hashed at once; converting all of them would double the memory of the data
_ROWS = 1 << 16


@dataclass(frozen=True)
class SeriesSet:
    """Target series with their covariates, in the same order.

    All targets have the same components and static covariates. ``past_covariates``,
    ``future_covariates`` and ``sample_weight`` (the weight of each time step in the training loss)
    are ``None`` or as long as ``targets``. They may start earlier and end later than the targets.
    """

    names: list[str]
    targets: list[TimeSeries]
    past_covariates: list[TimeSeries] | None = None
    future_covariates: list[TimeSeries] | None = None
    sample_weight: list[TimeSeries] | None = None

    @classmethod
    def from_series(cls, found: Any, source: str) -> "SeriesSet":
        """Make a set of a ``TimeSeries``, a list of them, or a ``SeriesSet``.

        One series is named after its first component, several are numbered.

        Raises:
            UserError: naming ``source`` if ``found`` is something else.
        """
        if isinstance(found, SeriesSet):
            return found
        series = list(found) if isinstance(found, Sequence) else [found]
        if not series or not all(isinstance(one, TimeSeries) for one in series):
            raise UserError(
                f"{source}: returned {type(found).__name__}. Return a SeriesSet, a TimeSeries or a "
                "list of TimeSeries."
            )
        if len(series) == 1:
            return cls([str(series[0].components[0])], series)
        return cls([f"series_{number:04d}" for number in range(len(series))], series)

    def select(self, positions: list[int]) -> "SeriesSet":
        """Return the series at ``positions``, in this order."""

        def pick(group: list[TimeSeries] | None) -> list[TimeSeries] | None:
            return None if group is None else [group[i] for i in positions]

        return SeriesSet(
            names=[self.names[i] for i in positions],
            targets=[self.targets[i] for i in positions],
            past_covariates=pick(self.past_covariates),
            future_covariates=pick(self.future_covariates),
            sample_weight=pick(self.sample_weight),
        )

    def since(self, positions: list[int]) -> "SeriesSet":
        """Return every target from its position on, with its covariates from that time on.

        The result is meant for forecasting, so it has no weights.
        """
        targets = parts(self.targets, positions, [len(series) for series in self.targets])

        def cut(group: list[TimeSeries] | None) -> list[TimeSeries] | None:
            if group is None:
                return None
            starts = [
                int(series.time_index.searchsorted(target.start_time()))
                for series, target in zip(group, targets, strict=True)
            ]
            return parts(group, starts, [len(series) for series in group])

        return SeriesSet(
            self.names, targets, cut(self.past_covariates), cut(self.future_covariates)
        )


def parts(
    group: Sequence[TimeSeries],
    starts: Sequence[int],
    stops: Sequence[int],
    values: Sequence[NDArray[np.floating]] | None = None,
) -> list[TimeSeries]:
    """Return the steps of every series from start to before stop, without copying values.

    Slicing a ``TimeSeries`` copies.

    Args:
        group: the series.
        starts: one position for each series.
        stops: one position for each series.
        values: replace those of the series; each of shape (stop - start, components).
    """
    # the series of a panel share their times, and slicing an index is slow
    times: dict[tuple[object, ...], pd.Index] = {}
    found = []
    for number, (series, start, stop) in enumerate(zip(group, starts, stops, strict=True)):
        key = series.start_time(), series.freq, start, min(stop, len(series))
        if key not in times:
            times[key] = series.time_index[start:stop]
        own = series.values(copy=False)[start:stop]
        kept = own if values is None else values[number]
        found.append(rebuild(series, times[key], kept, series.static_covariates))
    return found


def rebuild(
    series: TimeSeries,
    times: pd.Index,
    values: NDArray[np.floating],
    static_covariates: pd.DataFrame | None,
) -> TimeSeries:
    """Return a series with other content, which is not copied; the rest is that of ``series``.

    Args:
        series: gives components, hierarchy and metadata.
        times: shape (time,).
        values: shape (time, components).
        static_covariates: one row, or one for each component.
    """
    return TimeSeries(
        times=times,
        values=values,
        components=series.components,
        static_covariates=static_covariates,
        hierarchy=series.hierarchy,
        metadata=series.metadata,
        copy=False,
    )


def with_static(
    targets: Sequence[TimeSeries], covariates: Sequence[pd.DataFrame | None]
) -> list[TimeSeries]:
    """Return ``targets`` with these static covariates; unlike Darts' method, without copying."""
    return [
        rebuild(series, series.time_index, series.values(copy=False), table)
        for series, table in zip(targets, covariates, strict=True)
    ]


def position(
    series: TimeSeries, time: str | int, key: str, side: Literal["left", "right"] = "left"
) -> int:
    """Return the first position of a series at or after a time, or after it (``right``).

    Args:
        series: with dates or whole numbers as times.
        time: a date such as 2018-02-20T23:00, or a number.
        key: the setting that holds ``time``, for messages.
        side: as in ``numpy.searchsorted``.

    Raises:
        UserError: if ``time`` is not a time of the series' type.
    """
    try:
        value = pd.Timestamp(str(time)) if series.has_datetime_index else int(time)
    except ValueError as error:
        wanted = "a date" if series.has_datetime_index else "a whole number"
        raise UserError(
            f"{key}: {time!r} is not {wanted}. Set it to {wanted}, like the times of the data."
        ) from error
    return int(series.time_index.searchsorted(value, side=side))


def show_time(time: object) -> str:
    """Return a time as text, without the zeros of midnight."""
    return str(time).removesuffix(" 00:00:00")


def fingerprint(data: SeriesSet) -> str:
    """Return a SHA-256 over names, components, times, values and static covariates of all series.

    Equal data has equal fingerprints on every platform. Values are hashed as float64.
    """
    digest = hashlib.sha256()
    roles = data.targets, data.past_covariates, data.future_covariates, data.sample_weight
    for group in filter(None, roles):
        for name, series in zip(data.names, group, strict=True):
            header = f"{name}|{list(series.components)}|{series.start_time()}|{series.freq_str}"
            digest.update(header.encode())
            if series.has_static_covariates:
                digest.update(series.static_covariates.to_csv(lineterminator="\n").encode())
            values = series.values(copy=False)
            for start in range(0, len(values), _ROWS):
                rows = np.ascontiguousarray(values[start : start + _ROWS], dtype="<f8")
                digest.update(rows.tobytes())
    return digest.hexdigest()
