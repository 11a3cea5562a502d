"""The container that travels from the data to the model."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from darts import TimeSeries
from numpy.typing import NDArray

from ..errors import UserError

# rows whose fingerprint is taken at once; all at once would take the memory of the data twice
_ROWS = 1 << 16


@dataclass(frozen=True)
class SeriesSet:
    """Target series with their covariates, in the same order.

    Every target has the same components and static covariates, if any; ``past_covariates``,
    ``future_covariates`` and ``sample_weight`` (of each time step in the training) are ``None`` or
    as long as ``targets``. They may start earlier and end later.
    """

    names: list[str]
    targets: list[TimeSeries]
    past_covariates: list[TimeSeries] | None = None
    future_covariates: list[TimeSeries] | None = None
    sample_weight: list[TimeSeries] | None = None

    def select(self, positions: list[int]) -> "SeriesSet":
        """Return the series at ``positions``, in their order."""

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

        What is left is no training part, so it has no weights.
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
    """Return the steps from start to before stop of every series, without copying values.

    A slice of Darts' is a copy.

    Args:
        group: the series.
        starts: one position a series.
        stops: one position a series.
        values: of shape (stop - start, components), in place of those of the series.
    """
    # the series of a panel share their times, and cutting those is what takes long
    times: dict[tuple[object, ...], pd.Index] = {}
    found = []
    for number, (series, start, stop) in enumerate(zip(group, starts, stops, strict=True)):
        key = series.start_time(), series.freq, start, min(stop, len(series))
        if key not in times:
            times[key] = series.time_index[start:stop]
        own = series.values(copy=False)[start:stop]
        found.append(
            TimeSeries(
                times=times[key],
                values=own if values is None else values[number],
                components=series.components,
                static_covariates=series.static_covariates,
                hierarchy=series.hierarchy,
                metadata=series.metadata,
                copy=False,
            )
        )
    return found


def position(
    series: TimeSeries, time: str, key: str, side: Literal["left", "right"] = "left"
) -> int:
    """Return the first position of a series at or after a time, or after it (``right``).

    Args:
        series: with dates or whole numbers as times.
        time: a date such as 2018-02-20T23:00, or a number.
        key: the setting that holds it, for messages.
        side: as in ``numpy.searchsorted``.

    Raises:
        UserError: when ``time`` is no time of the kind that the series has.
    """
    try:
        value = pd.Timestamp(time) if series.has_datetime_index else int(time)
    except ValueError as error:
        kind = "date" if series.has_datetime_index else "whole number"
        raise UserError(
            f"{key}: {time!r} is no {kind}, which the times of the data are."
        ) from error
    return int(series.time_index.searchsorted(value, side=side))


def fingerprint(data: SeriesSet) -> str:
    """Return a SHA-256 over names, components, time indices and float64 values of all series.

    Static covariates and weights are part of it.

    Equal data gives equal fingerprints on every platform.
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
