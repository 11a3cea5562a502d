"""Scalers, and the encoder of static covariates, fitted on the training part only."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import boxcox, boxcox1p, inv_boxcox, inv_boxcox1p
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PowerTransformer, StandardScaler

from ..errors import UserError
from .panel import IN_MEMORY, Array, Panel, SeriesArray, Steps, Storage
from .split import Split

_CATEGORIES = "categories"

# center and scale of values of shape (..., steps, components), each (..., components)
CenterAndScale = Callable[[Array], tuple[Any, Any]]
# of values and the exponents of their series and component
Power = Callable[[Array, Array], Array]


def _standard(values: Array) -> tuple[Array, Array]:
    return values.mean(axis=-2), values.std(axis=-2)


def _minmax(values: Array) -> tuple[Array, Array]:
    smallest = values.min(axis=-2)
    return smallest, values.max(axis=-2) - smallest


def _robust(values: Array) -> tuple[Array, Array]:
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75], axis=-2)
    return median, high - low


def _yeo_johnson(values: Array, power: Array) -> Array:
    """Return the transform of Yeo and Johnson (2000), doi:10.1093/biomet/87.4.954."""
    negative = -boxcox1p(np.maximum(-values, 0), 2 - power)
    powers: Array = np.where(values < 0, negative, boxcox1p(np.maximum(values, 0), power))
    return powers


def _inverse_yeo_johnson(values: Array, power: Array) -> Array:
    negative = -inv_boxcox1p(np.maximum(-values, 0), 2 - power)
    powers: Array = np.where(values < 0, negative, inv_boxcox1p(np.maximum(values, 0), power))
    return powers


@dataclass(frozen=True)
class ScalerKind:
    """A value of ``data.scaler``: values are transformed, centered, and divided by their scale.

    Attributes:
        center_and_scale: of what a scaler is fitted on; None: values stay as they are.
        forward: comes first; it may have an exponent for each series and component.
        inverse: of ``forward``.
        power: method of ``sklearn.preprocessing.PowerTransformer`` that finds the exponents.
        above: what target values must be above.
        covariates: the kind that scales covariates, which may hold any values; None: this one.
    """

    center_and_scale: CenterAndScale | None
    forward: Power | None = None
    inverse: Power | None = None
    power: str | None = None
    above: float | None = None
    covariates: str | None = None


SCALERS = {
    "standard": ScalerKind(_standard),
    "minmax": ScalerKind(_minmax),
    "robust": ScalerKind(_robust),
    "log": ScalerKind(
        _standard,
        forward=lambda values, _: np.log1p(values),
        inverse=lambda values, _: np.expm1(values),
        above=-1,
        covariates="standard",
    ),
    "box_cox": ScalerKind(
        _standard, boxcox, inv_boxcox, power="box-cox", above=0, covariates="standard"
    ),
    "yeo_johnson": ScalerKind(
        _standard, _yeo_johnson, _inverse_yeo_johnson, "yeo-johnson", covariates="standard"
    ),
    "none": ScalerKind(None),
}


@dataclass(frozen=True)
class Scaler:
    """The fitted scaler of one role.

    Attributes:
        kind: a key of ``SCALERS``.
        center: shape (series, components), or (1, components) for one that all series share.
        scale: likewise.
        power: exponents, likewise; not used by most kinds.
    """

    kind: str
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    power: NDArray[np.float64]

    def transform(self, values: Array, series: Steps) -> Array:
        """Scale values of shape (n, ..., components), given the series of each of the n."""
        center, scale, power = self._parameters(values, series)
        forward = SCALERS[self.kind].forward
        return ((forward(values, power) if forward else values) - center) / scale

    def inverse(self, values: Array, series: Steps) -> Array:
        """Undo ``transform``; NaN where the inverse of a power does not exist."""
        center, scale, power = self._parameters(values, series)
        inverse = SCALERS[self.kind].inverse
        unscaled = values * scale + center
        with np.errstate(invalid="ignore"):
            return inverse(unscaled, power) if inverse else unscaled

    def _parameters(self, values: Array, series: Steps) -> list[NDArray[np.float64]]:
        index = np.zeros_like(series) if len(self.center) == 1 else series
        shape = len(series), *[1] * (values.ndim - 2), -1
        return [one[index].reshape(shape) for one in (self.center, self.scale, self.power)]


@dataclass(frozen=True)
class Scalers:
    """The scaler of each role; None: no scaling.

    Attributes:
        names: of the series that the scalers were fitted on, in their order.
        targets: scales targets.
        past_covariates: scales past covariates.
        future_covariates: scales future covariates.
        fit: ``series`` if each series has parameters of its own, ``global`` if all share them.
        static_covariates: encodes static covariates, None if there are none.
    """

    names: list[str]
    targets: Scaler | None = None
    past_covariates: Scaler | None = None
    future_covariates: Scaler | None = None
    fit: str = "series"
    static_covariates: ColumnTransformer | None = None

    @property
    def take_any_series(self) -> bool:
        """Return whether series can be scaled that the scalers were not fitted on."""
        return self.targets is None or self.fit == "global"

    def transform(self, panel: Panel, storage: Storage = IN_MEMORY) -> Panel:
        """Return the scaled series as float32, the precision that the model trains in.

        Raises:
            UserError: if values are too small for a logarithm or a power, or the encoder of static
                covariates does not know a category.
        """
        if self.targets is not None:
            _check_range(panel.targets, panel.names, self.targets.kind)
        own = self._numbers(panel.names)
        scaled: dict[str, Any] = {}
        for role, array in panel.roles.items():
            scaler: Scaler | None = getattr(self, role, None)

            def scale(numbers: Steps, values: Array, scaler: Scaler | None = scaler) -> Array:
                return values if scaler is None else scaler.transform(values, own[numbers])

            scaled[role] = array.map(scale, storage, role, np.float32)
        if self.static_covariates is not None:
            table = _encode_static(self.static_covariates, panel.static_covariates)
            scaled["static_covariates"] = table
        return Panel(**{"names": panel.names, "times": panel.times, **scaled})

    def inverse(self, values: Array, names: list[str], series: Steps) -> NDArray[np.float64]:
        """Bring forecasts back to the original scale.

        Args:
            values: scaled target values, shape (forecasts, steps, components).
            names: of the series of a panel.
            series: the number of the series of each forecast, shape (forecasts,).

        Raises:
            UserError: if the inverse of a forecast does not exist, as a power may not.
        """
        if self.targets is None:
            return values.astype(np.float64)
        unscaled: NDArray[np.float64] = self.targets.inverse(
            values.astype(np.float64), self._numbers(names)[series]
        )
        lost = np.isnan(unscaled).any(axis=(1, 2)) & ~np.isnan(values).any(axis=(1, 2))
        if lost.any():
            raise UserError(
                f"{names[series[lost][0]]}: forecasts leave the range of "
                f"data.scaler={self.targets.kind}. Train with another scaler, such as log or "
                "standard."
            )
        return unscaled

    def _numbers(self, names: list[str]) -> Steps:
        """Return the numbers of series; a single one may have another name in another file."""
        if len(self.names) == 1 or self.take_any_series:
            return np.zeros(len(names), dtype=np.int64)
        return np.array([self._known[name] for name in names])

    @cached_property
    def _known(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.names)}


def fit_scalers(
    panel: Panel,
    split: Split,
    kind: str,
    fit: str = "series",
    static_encoding: str = "onehot",
) -> Scalers:
    """Fit scalers on what lies before the end of the training part of every series.

    Args:
        panel: unscaled series.
        split: the division whose training part may be looked at.
        kind: a key of ``SCALERS``.
        fit: ``series`` for parameters of each series, ``global`` for shared ones.
        static_encoding: of static covariates that are text: ``onehot``, a column of 0 and 1 for
            each category, or ``ordinal``, its number. Those that are numbers are standardised.

    Raises:
        UserError: if values are too small for a logarithm or a power.
    """
    static = panel.static_covariates
    encoder = None if static is None else _fit_static(static, static_encoding)
    if SCALERS[kind].center_and_scale is None:
        return Scalers(panel.names, fit=fit, static_covariates=encoder)
    _check_range(panel.targets, panel.names, kind)
    fitted = {
        role: _fit(
            array.between(0, split.train_end),
            kind if role == "targets" else SCALERS[kind].covariates or kind,
            fit == "global",
        )
        for role, array in panel.roles.items()
        if role != "sample_weight"
    }
    return Scalers(panel.names, **fitted, fit=fit, static_covariates=encoder)


def _fit(array: SeriesArray, name: str, together: bool) -> Scaler:
    kind, width = SCALERS[name], array.values.shape[1]
    assert kind.center_and_scale is not None
    count = 1 if together else len(array.length)
    center, scale, power = (
        np.zeros((count, width)),
        np.ones((count, width)),
        np.ones((count, width)),
    )
    batches = array.batches()
    if together:
        parts = [array.of(number) for number in range(len(array.length))]
        batches = iter([(np.array([0]), np.concatenate(parts)[None])])
    for numbers, values in batches:
        values = values.astype(np.float64)
        if kind.power is not None:
            for row, number in enumerate(numbers):
                # scikit-learn refuses constants, which keep the exponent 1
                varies = np.ptp(values[row], axis=0) > 0
                if varies.any():
                    transformer = PowerTransformer(kind.power, standardize=False)
                    power[number, varies] = transformer.fit(values[row][:, varies]).lambdas_
        if kind.forward is not None:
            values = kind.forward(values, power[numbers, None])
        center[numbers], found = kind.center_and_scale(values)
        # a constant has no scale, up to the rounding of a sum of its steps
        rounding = max(10, values.shape[1]) * np.finfo(np.float64).eps
        constant = found <= rounding * np.maximum(np.abs(center[numbers]), 1e-300)
        scale[numbers] = np.where(constant, 1.0, found)
    return Scaler(name, center, scale, power)


def _check_range(array: SeriesArray, names: list[str], kind: str) -> None:
    above = SCALERS[kind].above
    for numbers, values in array.batches() if above is not None else ():
        smallest = values.min(axis=(1, 2))
        for row in np.flatnonzero(smallest <= above)[:1]:
            raise UserError(
                f"{names[numbers[row]]}: data.scaler={kind} needs values above {above}, but the "
                f"smallest is {smallest[row]:g}. Set data.scaler=yeo_johnson, which takes all "
                "values."
            )


def _fit_static(table: pd.DataFrame, encoding: str) -> ColumnTransformer:
    numbers = list(table.select_dtypes(include="number"))
    texts = [column for column in table if column not in numbers]
    categories = OneHotEncoder(sparse_output=False) if encoding == "onehot" else OrdinalEncoder()
    return ColumnTransformer(
        [("numbers", StandardScaler(), numbers), (_CATEGORIES, categories, texts)],
        verbose_feature_names_out=False,
    ).fit(table.astype(dict.fromkeys(texts, str)))


def _encode_static(encoder: ColumnTransformer, table: pd.DataFrame | None) -> pd.DataFrame:
    assert table is not None
    texts = next(columns for name, _, columns in encoder.transformers_ if name == _CATEGORIES)
    table = table.astype(dict.fromkeys(texts, str))
    known = encoder.named_transformers_[_CATEGORIES].categories_ if texts else []
    for column, categories in zip(texts, known, strict=True):
        new = sorted(set(table[column]) - set(categories))
        if new:
            raise UserError(
                f"Static covariate {column!r}: {new[:3]} not in the training data, which has "
                f"{list(categories[:10])}. Correct the data, or train again."
            )
    encoded = encoder.transform(table).astype(np.float32)
    return pd.DataFrame(encoded, columns=encoder.get_feature_names_out())
