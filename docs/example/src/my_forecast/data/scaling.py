"""Scalers, and encoders of static covariates, fitted on the training part only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from ..errors import UserError
from ..functions import expm1, log1p
from .series import SeriesSet, parts, with_static
from .split import Split
from .storage import IN_MEMORY, Storage

# values that are scaled at once; scaling all at once would double the memory of the data
_CHUNK = 1 << 22
_CATEGORIES = "categories"


@dataclass(frozen=True)
class ScalerKind:
    """A value of ``data.scaler``.

    Attributes:
        transformer: of scikit-learn; None: values stay as they are.
        above: what target values must be above.
        covariates: the kind that scales covariates, which may hold any values; None: this one.
    """

    transformer: Any
    above: float | None = None
    covariates: str | None = None


SCALERS = {
    "standard": ScalerKind(StandardScaler()),
    "minmax": ScalerKind(MinMaxScaler()),
    "robust": ScalerKind(RobustScaler()),
    # the last three standardise after the logarithm or the power
    "log": ScalerKind(
        make_pipeline(FunctionTransformer(log1p, expm1), StandardScaler()), -1, "standard"
    ),
    "box_cox": ScalerKind(PowerTransformer("box-cox"), 0, "standard"),
    "yeo_johnson": ScalerKind(PowerTransformer("yeo-johnson"), None, "standard"),
    "none": ScalerKind(None),
}


@dataclass(frozen=True)
class Scalers:
    """One fitted Darts ``Scaler`` for each role; None: no scaling.

    Attributes:
        names: of the series that the scalers were fitted on, in their order.
        targets: scales targets.
        past_covariates: scales past covariates.
        future_covariates: scales future covariates.
        kind: a key of ``SCALERS``.
        fit: ``series`` if each series has parameters of its own, ``global`` if all share them.
        static_covariates: encodes static covariates, None if there are none.
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
        """Return whether series can be scaled that the scalers were not fitted on."""
        return self.targets is None or self.fit == "global"

    def transform(self, data: SeriesSet, storage: Storage = IN_MEMORY) -> SeriesSet:
        """Return the scaled series as float32, the precision that the model trains in.

        The values of all series of a role are parts of one array, made by ``storage``.

        Raises:
            UserError: if values are too small for a logarithm or a power, or the encoder of static
                covariates does not know a category.
        """

        def scale(role: str) -> list[TimeSeries] | None:
            group = getattr(data, role)
            return group and _transform(getattr(self, role, None), group, positions, storage, role)

        _check_range(data, self.kind)
        positions = [self._position(name) for name in data.names]
        targets = scale("targets") or []
        if self.static_covariates is not None:
            targets = _encode_static(self.static_covariates, targets)
        return SeriesSet(
            names=data.names,
            targets=targets,
            past_covariates=scale("past_covariates"),
            future_covariates=scale("future_covariates"),
            sample_weight=scale("sample_weight"),
        )

    def inverse(self, values: NDArray[np.floating], name: str) -> NDArray[np.float64]:
        """Bring forecasts of one series back to the original scale.

        Args:
            values: scaled target values, shape ``(..., components)``.
            name: of the series.

        Raises:
            UserError: if the inverse of a forecast does not exist, as a power may not.
        """
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        if self.targets is not None:
            scaled = TimeSeries.from_values(flat)
            position = self._position(name)
            flat = self.targets.inverse_transform(scaled, series_idx=position).values()
            if np.isnan(flat).any() and not np.isnan(values).any():
                raise UserError(
                    f"{name}: forecasts leave the range of data.scaler={self.kind}. Train with "
                    "another scaler, such as log or standard."
                )
        return flat.reshape(values.shape)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.names)}

    def _position(self, name: str) -> int:
        """Return the position of a series; a single one may have another name in another file."""
        return 0 if len(self.names) == 1 or self.take_any_series else self._positions[name]


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
        kind: a key of ``SCALERS``.
        fit: ``series`` for parameters of each series, ``global`` for shared ones.
        static_encoding: of static covariates that are text: ``onehot``, a column of 0 and 1 for
            each category, or ``ordinal``, its number. Those that are numbers are standardised.

    Raises:
        UserError: if values are too small for a logarithm or a power.
    """
    static = _fit_static(data.targets, static_encoding)
    if SCALERS[kind].transformer is None:
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
        scaler = Scaler(SCALERS[kind].transformer, global_fit=fit == "global")
        return scaler.fit(parts(group, [0] * len(group), ends))

    for_covariates = SCALERS[kind].covariates or kind
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
    above = SCALERS[kind].above
    if above is None:
        return
    for name, series in zip(data.names, data.targets, strict=True):
        smallest = series.values(copy=False).min()
        if smallest <= above:
            raise UserError(
                f"{name}: data.scaler={kind} needs values above {above}, but the smallest is "
                f"{smallest:g}. Set data.scaler=yeo_johnson, which takes all values."
            )


def _transform(
    scaler: Scaler | None,
    group: list[TimeSeries],
    positions: list[int],
    storage: Storage,
    role: str,
) -> list[TimeSeries]:
    rows = sum(len(series) for series in group)
    values = storage.array(role, rows, group[0].n_components, np.float32)
    first = 0
    for chunk in _chunks(group):
        scaled = [group[number] for number in chunk]
        if scaler is not None:
            own = [positions[number] for number in chunk]
            scaled = scaler.transform(scaled, series_idx=own)
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


def _fit_static(targets: Sequence[TimeSeries], encoding: str) -> ColumnTransformer | None:
    if targets[0].static_covariates is None:
        return None
    table = _static_table(targets)
    numbers = list(table.select_dtypes(include="number"))
    texts = [column for column in table if column not in numbers]
    categories = OneHotEncoder(sparse_output=False) if encoding == "onehot" else OrdinalEncoder()
    return ColumnTransformer(
        [("numbers", StandardScaler(), numbers), (_CATEGORIES, categories, texts)],
        verbose_feature_names_out=False,
    ).fit(table.astype(dict.fromkeys(texts, str)))


def _encode_static(encoder: ColumnTransformer, targets: Sequence[TimeSeries]) -> list[TimeSeries]:
    """Return ``targets`` with encoded static covariates, as float32; values are not copied."""
    table = _static_table(targets)
    texts = next(columns for name, _, columns in encoder.transformers_ if name == _CATEGORIES)
    table = table.astype(dict.fromkeys(texts, str))
    if texts:
        known = encoder.named_transformers_[_CATEGORIES].categories_
        for column, categories in zip(texts, known, strict=True):
            new = sorted(set(table[column]) - set(categories))
            if new:
                raise UserError(
                    f"Static covariate {column!r}: {new[:3]} not in the training data, which has "
                    f"{list(categories[:10])}. Correct the data, or train again."
                )
    encoded = pd.DataFrame(
        encoder.transform(table).astype(np.float32), columns=encoder.get_feature_names_out()
    )
    rows = np.cumsum([len(series.static_covariates) for series in targets])
    each = np.split(np.arange(len(table)), rows[:-1])
    return with_static(targets, [encoded.iloc[rows] for rows in each])


def _static_table(targets: Sequence[TimeSeries]) -> pd.DataFrame:
    """Return the static covariates of all series, one below the other."""
    return pd.concat([series.static_covariates for series in targets], ignore_index=True)
