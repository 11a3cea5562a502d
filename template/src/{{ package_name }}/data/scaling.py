"""Scalers that are fitted on the training part only and saved with the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from ..errors import UserError
from ..functions import expm1, log1p
from .series import SeriesSet, parts
from .splits import Split
from .static import encode_static, fit_static
from .storage import IN_MEMORY, Storage

# values that are scaled at once; all at once would take the memory of the data twice
_CHUNK = 1 << 22
_SCALERS: dict[str, Any] = {
    "standard": StandardScaler(),
    "minmax": MinMaxScaler(),
    "robust": RobustScaler(),
    # values are standardised after the logarithm and after the power
    "log": make_pipeline(FunctionTransformer(log1p, expm1), StandardScaler()),
    "box_cox": PowerTransformer("box-cox"),
    "yeo_johnson": PowerTransformer("yeo-johnson"),
}
# what values must be above, and what covariates, of which some are not, are scaled by instead
_ABOVE = {"log": -1, "box_cox": 0}
_FOR_COVARIATES = {"log": "standard", "box_cox": "standard", "yeo_johnson": "standard"}


@dataclass(frozen=True)
class Scalers:
    """One fitted Darts ``Scaler`` per role; None: no scaling.

    ``names`` are those of the series that the scalers were fitted on, in their order. ``fit`` tells
    whether each has parameters of its own (``series``), or all have the same (``global``).
    ``static_covariates`` encodes those, None where there are none.
    """

    names: list[str]
    targets: Scaler | None
    past_covariates: Scaler | None
    future_covariates: Scaler | None
    kind: str = "standard"
    fit: str = "series"
    static_covariates: ColumnTransformer | None = None

    @property
    def take_any_series(self) -> bool:
        """Tell whether series can be scaled that the scalers were not fitted on."""
        return self.targets is None or self.fit == "global"

    def transform(self, data: SeriesSet, storage: Storage = IN_MEMORY) -> SeriesSet:
        """Return the scaled series as float32, the precision that the model trains in.

        The values of all series of a role are parts of one array, made by ``storage``.

        Raises:
            UserError: when values are too small for a logarithm or a power.
        """

        def scale(role: str) -> list[TimeSeries] | None:
            group = getattr(data, role)
            return group and _transform(getattr(self, role), group, positions, storage, role)

        _check_range(data, self.kind)
        positions = [self._position(name) for name in data.names]

        targets = scale("targets") or []
        if self.static_covariates is not None:
            targets = encode_static(self.static_covariates, targets)
        return SeriesSet(
            names=data.names,
            targets=targets,
            past_covariates=scale("past_covariates"),
            future_covariates=scale("future_covariates"),
            sample_weight=data.sample_weight
            and _transform(None, data.sample_weight, positions, storage, "sample_weight"),
        )

    def inverse(self, values: NDArray[np.floating], name: str) -> NDArray[np.float64]:
        """Bring forecasts of one series back to the original scale.

        Args:
            values: scaled target values, shape ``(..., components)``.
            name: of the series.

        Raises:
            UserError: when a forecast is outside of what a power can be undone for.
        """
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        if self.targets is not None:
            scaled = TimeSeries.from_values(flat)
            position = self._position(name)
            flat = self.targets.inverse_transform(scaled, series_idx=position).values()
            if np.isnan(flat).any() and not np.isnan(values).any():
                raise UserError(
                    f"{name}: forecasts leave the range of data.scaler={self.kind}. Train with "
                    "another one, such as log or standard."
                )
        return flat.reshape(values.shape)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    def _position(self, name: str) -> int:
        """Return the place of a series; a single one may have another name, from another file."""
        return 0 if len(self.names) == 1 or self.take_any_series else self._places[name]


def fit_scalers(
    data: SeriesSet,
    split: Split,
    kind: str,
    fit: str = "series",
    static_encoding: str = "onehot",
) -> Scalers:
    """Fit scalers on what lies before the end of the training part of every series.

    Args:
        data: unscaled series.
        split: the division whose training part may be looked at.
        kind: one of ``settings.SCALERS``; those that take a logarithm or a power standardise
            afterwards, and covariates are only standardised.
        fit: ``series`` for parameters of each series, ``global`` for the same for all.
        static_encoding: of static covariates that are text, ``onehot`` or ``ordinal``.

    Raises:
        UserError: when values are too small for a logarithm or a power.
    """
    static = fit_static(data.targets, static_encoding)
    if kind == "none":
        return Scalers(data.names, None, None, None, kind, fit, static)
    _check_range(data, kind)
    train = split.train(data.targets)

    def fitted(group: list[TimeSeries] | None, kind: str) -> Scaler | None:
        if group is None:
            return None
        ends = [
            int(series.time_index.searchsorted(target.end_time(), side="right"))
            for series, target in zip(group, train, strict=True)
        ]
        scaler = Scaler(_SCALERS[kind], global_fit=fit == "global")
        return scaler.fit(parts(group, [0] * len(group), ends))

    for_covariates = _FOR_COVARIATES.get(kind, kind)
    return Scalers(
        names=data.names,
        targets=fitted(data.targets, kind),
        past_covariates=fitted(data.past_covariates, for_covariates),
        future_covariates=fitted(data.future_covariates, for_covariates),
        kind=kind,
        fit=fit,
        static_covariates=static,
    )


def _check_range(data: SeriesSet, kind: str) -> None:
    if kind not in _ABOVE:
        return
    for name, series in zip(data.names, data.targets, strict=True):
        smallest = series.values(copy=False).min()
        if smallest <= _ABOVE[kind]:
            raise UserError(
                f"{name}: data.scaler={kind} needs values above {_ABOVE[kind]}, the smallest is "
                f"{smallest:g}. data.scaler=yeo_johnson takes all values."
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
