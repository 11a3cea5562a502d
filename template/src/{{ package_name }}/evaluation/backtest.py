"""A rolling-origin backtest of a model and the seasonal naive baseline over the same windows."""

from dataclasses import dataclass, field, replace

import numpy as np
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from ..config import QuantileConfig
from ..data import IN_MEMORY, Panel, SeriesArray, Split, Steps, Storage
from ..errors import UserError
from ..modeling.bundle import Bundle
from .inference import Array, Calibration, Forecasts, Origins, forecast_bundle, last_origins


@dataclass(frozen=True)
class BacktestSpec:
    """How a backtest is done.

    Horizon, stride between two forecasts, and season (of the baseline and scaled errors) are
    numbers of steps. The quantiles are for a model with a likelihood.
    """

    horizon: int
    stride: int
    season_length: int
    quantiles: QuantileConfig


@dataclass(frozen=True)
class Backtest:
    """Forecasts of all series in the original unit, ordered by series and origin.

    Attributes:
        names: of the series.
        origins: where the forecasts start.
        truth: observed values, shape (forecasts, horizon, components).
        forecasts: by ``model`` and ``baseline``, each shaped as ``truth``.
        scale: what errors are divided by, as ``training_scale`` returns it.
        quantiles: of the model's forecasts by level, each shaped as ``truth``; none for a model
            without a likelihood that was not calibrated. The model's forecast is the median.
        uncalibrated: the quantiles before calibration, if there were any.
        shift: steps that the model skips between the last known step and its forecast.
    """

    names: list[str]
    origins: Origins
    truth: Array
    forecasts: dict[str, Array]
    scale: dict[str, Array]
    quantiles: dict[float, Array] = field(default_factory=dict)
    uncalibrated: dict[float, Array] = field(default_factory=dict)
    shift: int = 0

    @property
    def horizon(self) -> int:
        """Return the steps of a forecast."""
        return int(self.truth.shape[1])

    @property
    def windows(self) -> Steps:
        """Return the number of forecasts of each series, shape (series,)."""
        return self.origins.counts(len(self.names))

    @property
    def starts(self) -> Steps:
        """Return the position of the first step of each forecast, shape (forecasts,)."""
        return self.origins.position + self.shift

    def errors(self, forecast: str) -> Array:
        """Return truth - forecast of ``model`` or ``baseline``, shaped as ``truth``."""
        return self.truth - self.forecasts[forecast]

    def standardised_errors(self, forecast: str) -> Array:
        """Return ``errors``, divided by the standard deviation of the training part."""
        return self.errors(forecast) / self.scale["deviation"][self.origins.series, None]

    def mae(self, forecast: str) -> Array:
        """Return the mean absolute error of each forecast, shape (forecasts,)."""
        means: Array = np.abs(self.errors(forecast)).mean(axis=(1, 2))
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


def baseline_backtest(
    model: TorchForecastingModel, data: Panel, split: Split, spec: BacktestSpec
) -> Backtest:
    """Return a backtest with forecasts of the baseline only; raises UserError as ``backtest``."""
    last = last_origins(model, data, spec.horizon)
    for number in np.flatnonzero(last < split.test_start)[:1]:
        raise UserError(
            f"{data.names[number]}: the covariates end too early for the first test forecast "
            f"of {spec.horizon} steps. Extend them, or shorten the horizon."
        )
    origins, season = Origins.between(split.test_start, last, spec.stride), spec.season_length
    shift = int(model.output_chunk_shift)
    steps = shift + np.arange(spec.horizon)
    return Backtest(
        names=data.names,
        origins=origins,
        truth=values_at(data.targets, origins, steps),
        forecasts={"baseline": values_at(data.targets, origins, steps % season - season)},
        scale=training_scale(split.train(data.targets), season),
        shift=shift,
    )


def values_at(array: SeriesArray, origins: Origins, steps: Steps) -> Array:
    """Return the values ``steps`` after each origin, shape (origins, steps, components).

    If ``steps`` repeat the season before the origin, this is the forecast of ``NaiveSeasonal``.
    """
    row = array.first[origins.series] + origins.position - array.start[origins.series]
    values: Array = array.values[row[:, None] + steps].astype(np.float64)
    return values


def training_scale(train: SeriesArray, season_length: int) -> dict[str, Array]:
    """Return what errors are divided by, from the training parts; shapes (series, components).

    ``deviation`` is the standard deviation, 1 where it is zero. ``mase``, ``msse`` and ``rmsse``
    are the errors of the seasonal naive forecast one season ahead that divide these metrics
    (Hyndman and Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001); NaN where they are zero up to
    rounding.
    """
    shape = len(train.length), len(train.components)
    deviation, mae, mse = np.ones(shape), np.full(shape, np.nan), np.full(shape, np.nan)
    for numbers, values in train.batches():
        found = values.std(axis=1, dtype=np.float64)
        deviation[numbers] = np.where(found > 0, found, 1.0)
        if values.shape[1] <= season_length:
            continue
        errors = np.subtract(values[:, season_length:], values[:, :-season_length], dtype=float)
        absolute = np.abs(errors).mean(axis=1)
        # an exactly repeated season differs by a few units in the last place
        known = absolute > 8 * np.finfo(values.dtype).eps * np.abs(values).max(axis=1)
        mae[numbers] = np.where(known, absolute, np.nan)
        mse[numbers] = np.where(known, np.square(errors).mean(axis=1), np.nan)
    return {"deviation": deviation, "mase": mae, "msse": mse, "rmsse": np.sqrt(mse)}
