"""A rolling-origin backtest of a model and a baseline over the same windows."""

import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from ..config import QuantileConfig
from ..data import IN_MEMORY, Panel, SeriesArray, Split, Steps, Storage
from ..data.checks import shown
from ..errors import UserError
from ..modeling.bundle import Bundle
from .baselines import BASELINES, truth_at
from .inference import Array, Calibration, Forecasts, Origins, forecast_bundle, last_origins

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BacktestSpec:
    """How a backtest is done.

    Horizon, stride between two forecasts, and season (of baselines and scaled errors) are numbers
    of steps. The quantiles are for a model with a likelihood. The baseline is one of ``BASELINES``;
    None: the best of them on the validation part. The scale is what ``training_scale`` returns for
    the series of the data; None: that of their training parts.
    """

    horizon: int
    stride: int
    season_length: int
    quantiles: QuantileConfig
    baseline: str | None = None
    scale: dict[str, Array] | None = None


@dataclass(frozen=True)
class Backtest:
    """Forecasts of all series in the original unit, ordered by series and origin.

    Attributes:
        names: of the series.
        origins: where the forecasts start.
        truth: observed values, shape (forecasts, horizon, components); NaN where a value was
            missing, which is not scored.
        forecasts: by ``model`` and ``baseline``, each shaped as ``truth``.
        scale: what errors are divided by, as ``training_scale`` returns it.
        quantiles: of the model's forecasts by level, each shaped as ``truth``; none for a model
            without a likelihood that was not calibrated. The model's forecast is the median.
        uncalibrated: the quantiles before calibration, if there were any.
        shift: steps that the model skips between the last known step and its forecast.
        baseline: name of the baseline.
    """

    names: list[str]
    origins: Origins
    truth: Array
    forecasts: dict[str, Array]
    scale: dict[str, Array]
    quantiles: dict[float, Array] = field(default_factory=dict)
    uncalibrated: dict[float, Array] = field(default_factory=dict)
    shift: int = 0
    baseline: str = "seasonal naive"

    @property
    def horizon(self) -> int:
        """Return the steps of a forecast."""
        return int(self.truth.shape[1])

    @property
    def windows(self) -> Steps:
        """Return the number of forecasts of each series, shape (series,)."""
        return self.origins.counts(len(self.names))

    @cached_property
    def missing(self) -> Steps:
        """Return the number of missing values of each forecast, shape (forecasts,)."""
        found: Steps = np.count_nonzero(np.isnan(self.truth), axis=(1, 2))
        return found

    @property
    def weights(self) -> Array:
        """Return the share of values of each forecast that are known, shape (forecasts,)."""
        shares: Array = 1 - self.missing / self.truth[0].size
        return shares

    @property
    def starts(self) -> Steps:
        """Return the position of the first step of each forecast, shape (forecasts,)."""
        return self.origins.position + self.shift

    def errors(self, forecast: str) -> Array:
        """Return truth - forecast of ``model`` or ``baseline``, shaped as ``truth``, with NaN."""
        return self.truth - self.forecasts[forecast]

    def standardised_errors(self, forecast: str) -> Array:
        """Return ``errors``, divided by the standard deviation of the training part."""
        return self.errors(forecast) / self.scale["deviation"][self.origins.series, None]

    def mae(self, forecast: str) -> Array:
        """Return the mean absolute error of each forecast, shape (forecasts,).

        It is NaN where all values are missing.
        """
        known = self.truth[0].size - self.missing
        sums = np.nansum(np.abs(self.errors(forecast)), axis=(1, 2))
        means: Array = sums / np.where(known > 0, known, np.nan)
        return means

    def with_model(self, forecasts: Forecasts) -> "Backtest":
        """Return the backtest with forecasts of a model, from the same origins."""
        both = {"model": forecasts.point, "baseline": self.forecasts["baseline"]}
        return replace(self, forecasts=both, quantiles=forecasts.quantiles)

    def calibrated(self, calibration: Calibration) -> "Backtest":
        """Return the backtest with calibrated quantiles; those of the model are kept beside."""
        forecasts = Forecasts(self.forecasts["model"], self.quantiles)
        quantiles = calibration.apply(forecasts, self.origins.series).quantiles
        return replace(self, quantiles=quantiles, uncalibrated=self.quantiles)


def backtest(
    bundle: Bundle,
    data: Panel,
    split: Split,
    spec: BacktestSpec,
    storage: Storage = IN_MEMORY,
) -> Backtest:
    """Forecast from every ``stride``-th origin of the test part, without retraining.

    The first forecast starts at the first step of the test part; the last one ends within it.
    ``split_data`` made the split and checked that its parts are long enough. The scaled test parts
    are kept in ``storage``.

    Raises:
        UserError: if covariates end before the first forecast does.
    """
    windows = baseline_backtest(bundle.model, data, split, spec)
    forecasts = forecast_bundle(
        bundle, data, windows.origins, spec.horizon, spec.quantiles, storage
    )
    return windows.with_model(forecasts)


def validation_backtest(
    bundle: Bundle,
    data: Panel,
    split: Split,
    spec: BacktestSpec,
    storage: Storage = IN_MEMORY,
) -> Backtest | None:
    """Do a backtest on the validation part, for a choice between models that no test decides.

    Series with a validation part shorter than a forecast are left out. The errors are smaller than
    those of a test, because the weights of the best epoch were chosen on the same part.

    Returns:
        None if the validation part holds no forecast with known values.
    """
    shift = int(bundle.model.output_chunk_shift)
    baseline = best_baseline(data.targets, split, spec, shift)
    if baseline is None:
        return None
    length = split.test_start - split.train_end
    long = np.flatnonzero(length >= spec.horizon + shift)
    cut = replace(data, targets=data.targets.between(0, split.test_start)).select(long)
    part = Split(split.train_end[long], split.train_end[long])
    return backtest(bundle, cut, part, replace(spec, baseline=baseline), storage)


def best_baseline(targets: SeriesArray, split: Split, spec: BacktestSpec, shift: int) -> str | None:
    """Return the name of the baseline with the lowest MAE on the validation part.

    Returns:
        None if the validation part holds no forecast with known values.
    """
    steps = shift + np.arange(spec.horizon)
    last = split.test_start - spec.horizon - shift
    origins = Origins.between(split.train_end, last, spec.stride)
    truth = truth_at(targets, origins, steps)
    if np.isnan(truth).all():
        return None
    errors = {
        name: np.nanmean(np.abs(truth - forecast(targets, origins, steps, spec.season_length)))
        for name, forecast in BASELINES.items()
    }
    return min(errors, key=lambda name: errors[name])


def baseline_backtest(
    model: TorchForecastingModel, data: Panel, split: Split, spec: BacktestSpec
) -> Backtest:
    """Return a backtest with forecasts of the baseline only.

    Raises:
        UserError: as ``backtest``, and if all values of the test part were missing.
    """
    last = last_origins(model, data, spec.horizon)
    for number in np.flatnonzero(last < split.test_start)[:1]:
        raise UserError(
            f"{data.names[number]}: the covariates end too early for the first test forecast "
            f"of {spec.horizon} steps. Extend them, or shorten the horizon."
        )
    origins, season = Origins.between(split.test_start, last, spec.stride), spec.season_length
    shift = int(model.output_chunk_shift)
    steps = shift + np.arange(spec.horizon)
    truth = truth_at(data.targets, origins, steps)
    if np.isnan(truth).all():
        raise UserError(
            "The test part has no values: all of them were missing and have been filled. Set "
            "data.test_start or data.test_size so that the test part has known values."
        )
    baseline = spec.baseline or best_baseline(data.targets, split, spec, shift)
    baseline = baseline or next(iter(BASELINES))
    return Backtest(
        names=data.names,
        origins=origins,
        truth=truth,
        forecasts={"baseline": BASELINES[baseline](data.targets, origins, steps, season)},
        scale=spec.scale or training_scale(split.train(data.targets), season),
        shift=shift,
        baseline=baseline,
    )


def reference(data: Panel, split: Split, spec: BacktestSpec, shift: int) -> dict[str, Any]:
    """Return what later tests of a run are compared with, ready for JSON.

    The ``baseline`` is the best on the validation part, ``scale`` what ``training_scale`` returns.
    """
    scale = training_scale(split.train(data.targets), spec.season_length)
    return {
        "baseline": best_baseline(data.targets, split, spec, shift) or next(iter(BASELINES)),
        "scale": {name: values.tolist() for name, values in scale.items()},
    }


def with_reference(bundle: Bundle, data: Panel, split: Split, spec: BacktestSpec) -> BacktestSpec:
    """Return the spec of a test on new days, with the baseline and the scales of the training.

    Series that are new to the run have the scale of what lies before the validation part.
    """
    trained = bundle.scalers.names
    number = {name: row for row, name in enumerate(trained)}
    # a single series may have another name
    known = number if len(trained) > 1 or len(data.names) > 1 else {data.names[0]: 0}
    rows = np.array([known.get(name, -1) for name in data.names])
    scale = training_scale(split.train(data.targets), spec.season_length)
    for name, values in bundle.reference["scale"].items():
        scale[name] = np.where(rows[:, None] < 0, scale[name], np.array(values, float)[rows])
    log.info("Baseline (%s) and scales are those of the run.", bundle.reference["baseline"])
    if new := [name for name in data.names if name not in known]:
        text = "Series that are new to the run are scaled by what lies before test_start: %s."
        log.info(text, shown(new, len(new)))
    return replace(spec, baseline=bundle.reference["baseline"], scale=scale)


def training_scale(train: SeriesArray, season_length: int) -> dict[str, Array]:
    """Return what errors are divided by, from the training parts; shapes (series, components).

    ``deviation`` is the standard deviation, 1 where it is zero. ``mase``, ``msse`` and ``rmsse``
    are the errors of the seasonal naive forecast one season ahead that divide these metrics
    (Hyndman and Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001); NaN where they are zero up to
    rounding. Filled values count for none of them.
    """
    mean: Callable[..., Array] = np.mean if train.filled is None else np.nanmean
    spread: Callable[..., Array] = np.std if train.filled is None else np.nanstd
    shape = len(train.length), len(train.components)
    deviation, mae, mse = np.ones(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    for numbers, filled in train.batches():
        values: Array = train.observed(train.rows(numbers)).reshape(filled.shape)
        found = spread(values, axis=1, dtype=np.float64)
        deviation[numbers] = np.where(found > 0, found, 1.0)
        if values.shape[1] <= season_length:
            continue
        errors = np.subtract(values[:, season_length:], values[:, :-season_length], dtype=float)
        with warnings.catch_warnings():
            # the mean of no values, where no two of them are a season apart
            warnings.simplefilter("ignore", RuntimeWarning)
            # in place: one long series may be as large as the memory that is left
            absolute = mean(np.abs(errors, out=errors), axis=1)
            square = mean(np.square(errors, out=errors), axis=1)
        # an exactly repeated season differs by a few units in the last place
        rounding = 8 * np.finfo(values.dtype).eps * np.fmax.reduce(np.abs(values), axis=1)
        mae[numbers] = np.where(absolute > rounding, absolute, np.nan)
        mse[numbers] = np.where(absolute > rounding, square, np.nan)
    return {"deviation": deviation, "mase": mae, "msse": mse, "rmsse": np.sqrt(mse)}
