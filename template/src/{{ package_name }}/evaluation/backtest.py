"""A rolling-origin backtest of a model and the seasonal naive baseline over the same windows."""

from dataclasses import dataclass, replace

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

    Attributes:
        horizon: steps of each forecast.
        stride: steps between two forecasts.
        season_length: steps of one season, for the baseline and for scaled errors.
        quantiles: levels for a model with a likelihood, and how they are sampled.
    """

    horizon: int
    stride: int
    season_length: int
    quantiles: QuantileConfig


@dataclass(frozen=True)
class TrainingScale:
    """The scale of the training part of each series; arrays of shape (series, components).

    Attributes:
        deviation: standard deviation, 1 where it is zero.
        naive_mae: mean absolute error of the seasonal naive forecast one season ahead, the divisor
            of MASE (Hyndman and Koehler 2006, doi:10.1016/j.ijforecast.2006.03.001); NaN where it
            is zero up to rounding.
        naive_mse: its mean squared error, the divisor of MSSE and RMSSE; NaN in the same places.
    """

    deviation: Array
    naive_mae: Array
    naive_mse: Array


@dataclass(frozen=True)
class Backtest:
    """Forecasts of all series in the original unit, ordered by series and origin.

    Attributes:
        names: of the series.
        origins: where the forecasts start.
        truth: observed values, shape (forecasts, horizon, components).
        forecasts: by ``model`` and ``baseline``, each shaped as ``truth``.
        scale: of the training parts.
        quantiles: of the model's forecasts by level, each shaped as ``truth``; None for a model
            without a likelihood that was not calibrated. The model's forecast is the median.
        uncalibrated: the quantiles before calibration, if there were any.
        shift: steps that the model skips between the last known step and its forecast.
    """

    names: list[str]
    origins: Origins
    truth: Array
    forecasts: dict[str, Array]
    scale: TrainingScale
    quantiles: dict[float, Array] | None = None
    uncalibrated: dict[float, Array] | None = None
    shift: int = 0

    @property
    def horizon(self) -> int:
        """Return the steps of a forecast."""
        return int(self.truth.shape[1])

    @property
    def windows(self) -> Steps:
        """Return the number of forecasts of each series, shape (series,)."""
        return self.origins.counts(len(self.names))

    def of(self, series: int, window: int) -> int:
        """Return the number of a forecast, given its position among those of its series."""
        return int(np.flatnonzero(self.origins.series == series)[window])

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
            f"{data.names[number]}: the covariates end before the first test forecast of "
            f"{spec.horizon} steps does. Extend them, or shorten the horizon."
        )
    origins = Origins.between(split.test_start, last, spec.stride)
    steps = int(model.output_chunk_shift) + np.arange(spec.horizon)
    return Backtest(
        names=data.names,
        origins=origins,
        truth=values_at(data.targets, origins, steps),
        forecasts={
            "baseline": values_at(
                data.targets, origins, steps % spec.season_length - spec.season_length
            )
        },
        scale=training_scale(split.train(data.targets), spec.season_length),
        shift=int(model.output_chunk_shift),
    )


def values_at(array: SeriesArray, origins: Origins, steps: Steps) -> Array:
    """Return the values ``steps`` after each origin, shape (origins, steps, components).

    Those of a whole season before it, repeated, are Darts' ``NaiveSeasonal``.
    """
    row = array.first[origins.series] + origins.position - array.start[origins.series]
    values: Array = array.values[row[:, None] + steps].astype(np.float64)
    return values


def training_scale(train: SeriesArray, season_length: int) -> TrainingScale:
    """Return the scale of the training parts."""
    shape = len(train.length), len(train.components)
    deviation, naive_mae, naive_mse = (np.zeros(shape) for _ in range(3))
    for numbers, values in train.batches():
        deviation[numbers] = values.std(axis=1, dtype=np.float64)
        errors = np.subtract(values[:, season_length:], values[:, :-season_length], dtype=float)
        if errors.shape[1]:
            naive_mae[numbers] = np.abs(errors).mean(axis=1)
            naive_mse[numbers] = np.square(errors).mean(axis=1)
        # an exactly repeated season differs by a few units in the last place
        rounding = 8 * np.finfo(values.dtype).eps * np.abs(values).max(axis=1)
        naive_mae[numbers] = np.where(naive_mae[numbers] > rounding, naive_mae[numbers], np.nan)
    return TrainingScale(
        deviation=np.where(deviation > 0, deviation, 1.0),
        naive_mae=naive_mae,
        naive_mse=np.where(np.isnan(naive_mae), np.nan, naive_mse),
    )
