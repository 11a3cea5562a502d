"""Scalers, and the encoder of static covariates, fitted on the training part only."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from hydra.utils import get_object
from numpy.typing import NDArray
from scipy.special import boxcox, boxcox1p, inv_boxcox, inv_boxcox1p
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, PowerTransformer, StandardScaler

from ..errors import UserError
from .panel import IN_MEMORY, Array, Panel, SeriesArray, Steps, Storage, show_time
from .split import Split

log = logging.getLogger(__name__)

_CATEGORIES = "categories"
# known values that a message about an unknown one lists
_NAMED = 10

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


def _unchanged(values: Array, power: Array) -> Array:
    return values


def _mirrored(function: Power) -> Power:
    """Mirror a function of values above 0, as Yeo and Johnson (2000) do.

    doi:10.1093/biomet/87.4.954
    """

    def mirrored(values: Array, power: Array) -> Array:
        exponent = np.where(values < 0, 2 - power, power)
        return np.asarray(np.sign(values) * function(np.abs(values), exponent))

    return mirrored


@dataclass(frozen=True)
class ScalerKind:
    """A value of ``data.scaler``: values are transformed, centered, and divided by their scale.

    Attributes:
        center_and_scale: of what a scaler is fitted on; None: values stay as they are.
        forward: comes first; it may have an exponent for each series and component.
        inverse: of ``forward``.
        power: method of ``sklearn.preprocessing.PowerTransformer`` that finds the exponents.
        above: what target values must be above.
    """

    center_and_scale: CenterAndScale | None
    forward: Power = _unchanged
    inverse: Power = _unchanged
    power: str | None = None
    above: float | None = None


SCALERS = {
    "standard": ScalerKind(_standard),
    "minmax": ScalerKind(_minmax),
    "robust": ScalerKind(_robust),
    "log": ScalerKind(
        _standard,
        forward=lambda values, _: np.log1p(values),
        inverse=lambda values, _: np.expm1(values),
        above=-1,
    ),
    "box_cox": ScalerKind(_standard, boxcox, inv_boxcox, power="box-cox", above=0),
    "yeo_johnson": ScalerKind(
        _standard, _mirrored(boxcox1p), _mirrored(inv_boxcox1p), power="yeo-johnson"
    ),
    "none": ScalerKind(None),
}


def scaler_kind(name: str) -> ScalerKind:
    """Return one of ``SCALERS``, or one of the user's own by its dotted path.

    Raises:
        ValueError: if there is no such scaler.
    """
    if "." not in name:
        if name not in SCALERS:
            raise ValueError(f"must be one of {', '.join(SCALERS)}, or the dotted path of your own")
        return SCALERS[name]
    try:
        kind = get_object(name)
    except Exception as error:
        raise ValueError(f"cannot be imported ({' '.join(str(error).split())})") from error
    if not isinstance(kind, ScalerKind):
        raise ValueError("must be a ScalerKind of data.scaling")
    return kind


@dataclass(frozen=True)
class Scaler:
    """The fitted scaler of one role.

    Attributes:
        kind: as ``scaler_kind`` knows it.
        center: shape (series, components), or (1, components) for one that all series share.
        scale: likewise.
        power: exponents, likewise; not used by most kinds.
    """

    kind: str
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    power: NDArray[np.float64]

    def transform(self, values: Array, rows: Steps) -> Array:
        """Scale values of shape (n, steps, components) by n rows of the parameters."""
        transformed = scaler_kind(self.kind).forward(values, self.power[rows, None])
        return (transformed - self.center[rows, None]) / self.scale[rows, None]

    def inverse(self, values: Array, rows: Steps) -> Array:
        """Undo ``transform``; NaN where the inverse of a power does not exist."""
        unscaled = values * self.scale[rows, None] + self.center[rows, None]
        with np.errstate(invalid="ignore"):
            return scaler_kind(self.kind).inverse(unscaled, self.power[rows, None])


@dataclass(frozen=True)
class Scalers:
    """The scaler of each role; None: no scaling.

    Attributes:
        names: of the series that the scalers were fitted on, in their order.
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
        """Whether series can be scaled that the scalers were not fitted on."""
        return self.targets is None or self.fit == "global"

    def transform(self, panel: Panel, storage: Storage = IN_MEMORY) -> Panel:
        """Return the scaled series as float32, the precision that the model trains in.

        Raises:
            UserError: if values are too small for a logarithm or a power, too large for float32,
                or the encoder of static covariates does not know a category.
        """
        if self.targets is not None:
            _check_range(panel.targets, panel.names, self.targets.kind)
        own = self._rows(panel.names)
        scaled: dict[str, Any] = {}
        for role, array in panel.roles.items():
            scaler: Scaler | None = getattr(self, role, None)

            def scale(
                numbers: Steps,
                values: Array,
                scaler: Scaler | None = scaler,
                array: SeriesArray = array,
            ) -> Array:
                found = values if scaler is None else scaler.transform(values, own[numbers])
                return _as_float32(found, numbers, array, panel)

            scaled[role] = array.map(scale, array.components, np.float32, storage, role)
        if self.static_covariates is not None:
            table = _encode_static(self.static_covariates, panel)
            scaled["static_covariates"] = table
        return Panel(panel.names, panel.times, **scaled)

    def inverse(self, values: Array, names: list[str], series: Steps) -> NDArray[np.float64]:
        """Bring forecasts back to the original scale.

        Args:
            values: scaled target values, shape (forecasts, steps, components).
            names: of the series of a panel.
            series: the number of the series of each forecast, shape (forecasts,).

        Raises:
            UserError: if a forecast is not finite, or its inverse does not exist, as a power's
                may not.
        """
        scaled = values.astype(np.float64)
        for number in series[~np.isfinite(scaled).all(axis=(1, 2))][:1]:
            raise UserError(
                f"{names[number]}: the forecast is NaN or infinite. Train again with a lower "
                "model.optimizer_kwargs.lr, or another data.scaler or likelihood."
            )
        if self.targets is None:
            return scaled
        unscaled = self.targets.inverse(scaled, self._rows(names)[series])
        lost = ~np.isfinite(unscaled).all(axis=(1, 2))
        if lost.any():
            raise UserError(
                f"{names[series[lost][0]]}: forecasts leave the range of "
                f"data.scaler={self.targets.kind}. Train with another scaler, such as log or "
                "standard."
            )
        return unscaled

    def _rows(self, names: list[str]) -> Steps:
        """Return the row of the parameters of each series."""
        # a single series may have another name in another file
        if len(self.names) == 1 or self.take_any_series:
            return np.zeros(len(names), dtype=np.int64)
        rows: Steps = pd.Series(range(len(self.names)), self.names).loc[names].to_numpy()
        return rows


def fit_scalers(
    panel: Panel,
    split: Split,
    kind: str,
    fit: str = "series",
    static_encoding: str = "onehot",
    unknown_static: str = "refuse",
) -> Scalers:
    """Fit scalers on what lies before the end of the training part of every series.

    Args:
        panel: unscaled series.
        split: where the training parts end.
        kind: as ``scaler_kind`` knows it.
        fit: ``series`` for parameters of each series, ``global`` for shared ones.
        static_encoding: of static covariates that are text: ``onehot``, a column of 0 and 1 for
            each category, or ``ordinal``, its number. Those that are numbers are standardised.
        unknown_static: what ``transform`` does with a category that is not in the panel:
            ``refuse``, or encode it as no category, with zeros or -1 (``code``).

    Raises:
        UserError: if values are too small for a logarithm or a power.
    """
    static = panel.static_covariates
    encoder = None if static is None else _fit_static(static, static_encoding, unknown_static)
    scalers = Scalers(panel.names, fit=fit, static_covariates=encoder)
    if scaler_kind(kind).center_and_scale is None:
        return scalers
    _check_range(panel.targets, panel.names, kind)
    # covariates may hold values that a logarithm or a power refuses
    of_covariates = kind if scaler_kind(kind).forward is _unchanged else "standard"
    fitted: dict[str, Any] = {}
    for role, array in panel.roles.items():
        if role != "sample_weight":
            train = array.between(0, split.train_end)
            train = train.as_one_series() if fit == "global" else train
            fitted[role] = _fit(train, kind if role == "targets" else of_covariates)
    return replace(scalers, **fitted)


def _fit(array: SeriesArray, name: str) -> Scaler:
    kind, shape = scaler_kind(name), (len(array.length), len(array.components))
    assert kind.center_and_scale is not None
    center, scale, power = np.zeros(shape), np.ones(shape), np.ones(shape)
    for numbers, values in array.batches():
        values = values.astype(np.float64)
        if kind.power is not None:
            power[numbers] = [_exponents(own, kind.power) for own in values]
        values = kind.forward(values, power[numbers, None])
        # the squares of tiny values are 0; a power of 2 changes no digit
        largest = np.maximum(values.max(axis=1), -values.min(axis=1))
        unit = np.ldexp(1.0, np.frexp(largest)[1] - 1)
        own, found = kind.center_and_scale(values / unit[:, None])
        center[numbers], found = own * unit, found * unit
        # a constant has no scale, up to the rounding of a sum of its steps
        rounding = max(10, values.shape[1]) * np.finfo(np.float64).eps
        constant = found <= rounding * np.maximum(np.abs(center[numbers]), 1e-300)
        scale[numbers] = np.where(constant, 1.0, found)
    return Scaler(name, center, scale, power)


def _exponents(values: Array, method: str) -> Array:
    exponents = np.ones(values.shape[1])
    # scikit-learn refuses constants, which keep the exponent 1
    varies = np.ptp(values, axis=0) > 0
    if varies.any():
        transformer = PowerTransformer(method, standardize=False).fit(values[:, varies])
        exponents[varies] = transformer.lambdas_
    return exponents


def _check_range(array: SeriesArray, names: list[str], kind: str) -> None:
    above = scaler_kind(kind).above
    if above is None:
        return
    for numbers, values in array.batches():
        smallest = values.min(axis=(1, 2))
        for row in np.flatnonzero(smallest <= above)[:1]:
            raise UserError(
                f"{names[numbers[row]]}: data.scaler={kind} needs values above {above}, but the "
                f"smallest is {smallest[row]:g}. Set data.scaler=yeo_johnson, which takes all "
                "values."
            )


def _as_float32(values: Array, numbers: Steps, array: SeriesArray, panel: Panel) -> Array:
    """Return scaled values of the series ``numbers``, if float32 can hold them."""
    with np.errstate(over="ignore"):
        found: Array = values.astype(np.float32, copy=False)
    for row, step, column in np.argwhere(np.isinf(found))[:1]:
        name, start = panel.names[numbers[row]], array.start[numbers[row]]
        raise UserError(
            f"{name}: {array.components[column]} at {show_time(panel.times[start + step])} is too "
            "large for float32 once it is scaled. Correct it, or set another data.scaler."
        )
    return found


def _fit_static(table: pd.DataFrame, encoding: str, unknown: str) -> ColumnTransformer:
    numbers = list(table.select_dtypes(include="number"))
    texts = [column for column in table if column not in numbers]
    policy: dict[str, Any] = {}
    if unknown == "code" and encoding == "onehot":
        policy = {"handle_unknown": "ignore"}
    elif unknown == "code":
        policy = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    onehot = OneHotEncoder(sparse_output=False)
    categories = (onehot if encoding == "onehot" else OrdinalEncoder()).set_params(**policy)
    return ColumnTransformer(
        [("numbers", StandardScaler(), numbers), (_CATEGORIES, categories, texts)],
        verbose_feature_names_out=False,
    ).fit(table.astype(dict.fromkeys(texts, str)))


def _encode_static(encoder: ColumnTransformer, panel: Panel) -> pd.DataFrame:
    table = panel.static_covariates
    assert table is not None
    texts = next(columns for name, _, columns in encoder.transformers_ if name == _CATEGORIES)
    table = table.astype(dict.fromkeys(texts, str))
    categories = encoder.named_transformers_[_CATEGORIES]
    for column, known in zip(texts, categories.categories_ if texts else [], strict=True):
        for row in np.flatnonzero(~table[column].isin(known))[:1]:
            name, value = panel.names[row // panel.static_rows], table[column].iloc[row]
            values = ", ".join(map(repr, known[:_NAMED])) + (", ..." if known[_NAMED:].size else "")
            found = f"{name}: static covariate {column!r} is {value!r}, not among {values}"
            if categories.handle_unknown == "error":
                raise UserError(
                    f"{found} of the training. Correct it, leave the series out, or train with "
                    "data.unknown_static=code."
                )
            log.warning("%s of the training. It gets the code of unknown values.", found)
    encoded = encoder.transform(table).astype(np.float32)
    return pd.DataFrame(encoded, columns=encoder.get_feature_names_out())
