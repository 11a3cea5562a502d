"""Scalers that are fitted on the training part only and saved with the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from .series import SeriesSet, parts
from .splits import Split
from .storage import IN_MEMORY, Storage

# values that are scaled at once; all at once would take the memory of the data twice
_CHUNK = 1 << 22
_SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler}


@dataclass(frozen=True)
class Scalers:
    """One fitted Darts ``Scaler`` per role, each with parameters per series; None: no scaling.

    ``names`` are those of the series that the scalers were fitted on, in their order.
    """

    names: list[str]
    targets: Scaler | None
    past_covariates: Scaler | None
    future_covariates: Scaler | None

    def transform(self, data: SeriesSet, storage: Storage = IN_MEMORY) -> SeriesSet:
        """Return the scaled series as float32, the precision that the model trains in.

        The values of all series of a role are parts of one array, made by ``storage``.
        """

        def scale(role: str) -> list[TimeSeries] | None:
            group = getattr(data, role)
            return group and _transform(getattr(self, role), group, positions, storage, role)

        positions = [self._position(name) for name in data.names]

        return SeriesSet(
            names=data.names,
            targets=scale("targets") or [],
            past_covariates=scale("past_covariates"),
            future_covariates=scale("future_covariates"),
        )

    def inverse(self, values: NDArray[np.floating], name: str) -> NDArray[np.float64]:
        """Bring forecasts of one series back to the original scale.

        Args:
            values: scaled target values, shape ``(..., components)``.
            name: of the series.
        """
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        if self.targets is not None:
            scaled = TimeSeries.from_values(flat)
            position = self._position(name)
            flat = self.targets.inverse_transform(scaled, series_idx=position).values()
        return flat.reshape(values.shape)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def _position(self, name: str) -> int:
        """Return the place of a series; a single one may have another name, from another file."""
        return 0 if len(self.names) == 1 else self._places[name]


def fit_scalers(data: SeriesSet, split: Split, kind: str) -> Scalers:
    """Fit scalers on what lies before the end of the training part of every series.

    Args:
        data: unscaled series.
        split: the division whose training part may be looked at.
        kind: ``standard``, ``minmax`` or ``none``.
    """
    if kind == "none":
        return Scalers(data.names, None, None, None)
    train = split.train(data.targets)

    def fit(group: list[TimeSeries] | None) -> Scaler | None:
        if group is None:
            return None
        ends = [
            int(series.time_index.searchsorted(target.end_time(), side="right"))
            for series, target in zip(group, train, strict=True)
        ]
        return Scaler(_SCALERS[kind]()).fit(parts(group, [0] * len(group), ends))

    return Scalers(
        names=data.names,
        targets=fit(data.targets),
        past_covariates=fit(data.past_covariates),
        future_covariates=fit(data.future_covariates),
    )


def _transform(
    scaler: Scaler | None,
    group: list[TimeSeries],
    positions: list[int],
    storage: Storage,
    name: str,
) -> list[TimeSeries]:
    rows = sum(len(series) for series in group)
    values = storage.array(name, rows, group[0].n_components, np.float32)
    first = 0
    for chunk in _chunks(group):
        scaled = [group[number] for number in chunk]
        if scaler is not None:
            places = [positions[number] for number in chunk]
            scaled = scaler.transform(scaled, series_idx=places)
        for series in scaled:
            values[first : first + len(series)] = series.values(copy=False)
            first += len(series)
    lengths = [len(series) for series in group]
    flat = np.split(storage.finish(values), np.cumsum(lengths)[:-1])
    return parts(group, [0] * len(group), lengths, flat)


def _chunks(group: list[TimeSeries]) -> Iterator[list[int]]:
    """Yield positions of series that together have about ``_CHUNK`` values."""
    chunk, size = [], 0
    for number, series in enumerate(group):
        chunk.append(number)
        size += len(series) * series.n_components
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
