"""A rolling-origin backtest of a model and the seasonal naive baseline over the same windows."""

from dataclasses import dataclass, replace

import numpy as np
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.utils import n_steps_between
from numpy.typing import NDArray

from ..config import QuantileConfig
from ..data import IN_MEMORY, SeriesSet, Split, Storage
from ..errors import UserError
from ..loading.series_tensor import Steps
from ..modeling.bundle import Bundle
from .inference import Calibration, Forecasts, forecast_bundle, last_start

Array = NDArray[np.float64]


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
    """The scale of the training part of a series; arrays of shape (components,).

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
    """Forecasts of every series in the original unit; lists have one entry per series.

    Attributes:
        names: of the series.
        starts: positions of the first forecast step, shape (windows,).
        offsets: steps from the start of the first series to the start of each, which puts the
            positions of all series on one time axis.
        truth: observed values, shape (windows, horizon, components).
        forecasts: by ``model`` and ``baseline``, each shaped as ``truth``.
        scales: of the training parts.
        quantiles: of the model's forecasts by level, each shaped as ``truth``; None for a model
            without a likelihood that was not calibrated. The model's forecast is the median.
        uncalibrated: the quantiles before calibration, if there were any.
        shift: steps that the model skips between the last known step and its forecast.
    """

    names: list[str]
    starts: list[Steps]
    offsets: list[int]
    truth: list[Array]
    forecasts: dict[str, list[Array]]
    scales: list[TrainingScale]
    quantiles: dict[float, list[Array]] | None = None
    uncalibrated: dict[float, list[Array]] | None = None
    shift: int = 0

    @property
    def horizon(self) -> int:
        """Return the steps of a forecast."""
        return int(self.truth[0].shape[1])

    @property
    def origins(self) -> list[Steps]:
        """Return for each series the positions after the last known step, shape (windows,)."""
        return [starts - self.shift for starts in self.starts]

    def with_model(self, forecasts: Forecasts) -> "Backtest":
        """Return the backtest with forecasts of a model, from the same origins."""
        both = {"model": forecasts.point, "baseline": self.forecasts["baseline"]}
        return replace(self, forecasts=both, quantiles=forecasts.quantiles)

    def calibrated(self, calibration: Calibration) -> "Backtest":
        """Return the backtest with calibrated quantiles; those of the model are kept beside."""
        forecasts = Forecasts(self.forecasts["model"], self.quantiles)
        quantiles = calibration.apply(forecasts).quantiles
        return replace(self, quantiles=quantiles, uncalibrated=self.quantiles)


def backtest(
    bundle: Bundle,
    data: SeriesSet,
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
    model: TorchForecastingModel, data: SeriesSet, split: Split, spec: BacktestSpec
) -> Backtest:
    """Return a backtest with forecasts of the baseline only; raises UserError as ``backtest``."""
    shift, season = int(model.output_chunk_shift), spec.season_length
    origins = [_origins(model, data, i, first, spec) for i, first in enumerate(split.test_start)]
    values = [series.values(copy=False) for series in data.targets]
    ahead = shift + np.arange(spec.horizon)
    pairs = list(zip(values, origins, strict=True))
    naive = [seasonal_naive(own, start, shift + spec.horizon, season) for own, start in pairs]
    return Backtest(
        names=data.names,
        starts=[positions + shift for positions in origins],
        offsets=[_offset(data.targets[0], series) for series in data.targets],
        truth=[own[positions[:, None] + ahead] for own, positions in pairs],
        forecasts={"baseline": [forecast[:, shift:] for forecast in naive]},
        scales=[
            training_scale(own[:end], season)
            for own, end in zip(values, split.train_end, strict=True)
        ],
        shift=shift,
    )


def seasonal_naive(values: Array, origins: Steps, horizon: int, season_length: int) -> Array:
    """Repeat the last season before each origin, as Darts' ``NaiveSeasonal`` does.

    ``values`` has the shape (time, components), and the result (origins, horizon, components).
    Origins are positions after the last known step, each at least ``season_length``.
    """
    steps = np.arange(horizon) % season_length - season_length
    forecasts: Array = values[origins[:, None] + steps]
    return forecasts


def training_scale(values: Array, season_length: int) -> TrainingScale:
    """Return the scale of a training part of shape (time, components)."""
    deviation = values.std(axis=0)
    errors = values[season_length:] - values[:-season_length]
    if len(errors) == 0:
        errors = np.zeros_like(values[:1])
    naive_mae = np.abs(errors).mean(axis=0)
    # an exactly repeated season differs by a few units in the last place
    rounding = 8 * np.finfo(values.dtype).eps * np.abs(values).max(axis=0)
    return TrainingScale(
        deviation=np.where(deviation > 0, deviation, 1.0),
        naive_mae=np.where(naive_mae > rounding, naive_mae, np.nan),
        naive_mse=np.where(naive_mae > rounding, np.square(errors).mean(axis=0), np.nan),
    )


def _origins(
    model: TorchForecastingModel, data: SeriesSet, number: int, first: int, spec: BacktestSpec
) -> Steps:
    last = last_start(model, data, number, spec.horizon)
    if last < first:
        raise UserError(
            f"{data.names[number]}: the covariates end before the first test forecast of "
            f"{spec.horizon} steps does. Extend them, or shorten the horizon."
        )
    return np.arange(first, last + 1, spec.stride)


def _offset(first: TimeSeries, series: TimeSeries) -> int:
    start, time = first.start_time(), series.start_time()
    return 0 if time == start else int(n_steps_between(end=time, start=start, freq=first.freq))
