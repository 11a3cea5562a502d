"""A rolling-origin backtest of model and baseline over the same windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from darts.utils.utils import n_steps_between
from numpy.typing import NDArray

from .bundle import Bundle
from .data import IN_MEMORY, SeriesSet, Split, Storage
from .errors import UserError
from .flat import Steps
from .inference import Forecasts, last_start
from .settings import QuantileSettings

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingScale:
    """What the training part of a series says about the size of errors; shapes (components,).

    Attributes:
        deviation: standard deviation, 1 where it is zero.
        naive_mae: mean absolute error of the seasonal naive forecast within the part, one season
            ahead, by which MASE divides (Hyndman and Koehler 2006,
            doi:10.1016/j.ijforecast.2006.03.001); NaN where it is zero but for rounding, for
            then nothing can be divided by it.
        naive_mse: mean squared error of the same, by which MSSE and RMSSE divide; NaN alike.
    """

    deviation: Array
    naive_mae: Array
    naive_mse: Array


@dataclass(frozen=True)
class Backtest:
    """Forecasts of every series in the original unit; one array per series.

    Attributes:
        names: of the series.
        starts: positions of the first forecast step, shape (windows,).
        offsets: steps from the start of the first series to that of each, which puts the
            positions in different series on one axis.
        truth: what happened, shape (windows, horizon, components).
        forecasts: by ``model`` and ``baseline``, each shaped as ``truth``.
        scales: of the training part.
        quantiles: of the model's forecasts, each shaped as ``truth``; of a model with a likelihood
            and of calibrated ones only. The model's forecast is the median.
        uncalibrated: the quantiles before calibration, if there were any.
    """

    names: list[str]
    starts: list[Steps]
    offsets: list[int]
    truth: list[Array]
    forecasts: dict[str, list[Array]]
    scales: list[TrainingScale]
    quantiles: dict[float, list[Array]] | None = None
    uncalibrated: dict[float, list[Array]] | None = None


def backtest(
    bundle: Bundle,
    data: SeriesSet,
    split: Split,
    horizon: int,
    stride: int,
    season_length: int,
    quantiles: QuantileSettings,
    storage: Storage = IN_MEMORY,
) -> Backtest:
    """Forecast from every ``stride``-th origin of the test part, without retraining.

    The first forecast starts with the first step of the test part; all lie within it. A model
    that reads future covariates needs them for all the steps that it predicts at once.

    Args:
        bundle: trained model and scalers.
        data: series in their original unit.
        split: where the test part of every series begins; from ``split_data``, which makes sure
            that the parts are long enough.
        horizon: steps of each forecast.
        stride: steps between two origins.
        season_length: steps in one season, for the seasonal-naive baseline and scaled errors.
        quantiles: those of the forecasts of a model with a likelihood.
        storage: where the scaled test parts are kept.

    Raises:
        UserError: when covariates end before the first forecast does.
    """
    origins = test_origins(bundle, data, split, horizon, stride)
    forecasts = forecast_origins(bundle, data, origins, horizon, quantiles, storage)
    shift = int(bundle.model.output_chunk_shift)
    return beside_baseline(data, split, origins, forecasts, shift, season_length)


def test_origins(
    bundle: Bundle, data: SeriesSet, split: Split, horizon: int, stride: int
) -> list[Steps]:
    """Return for each series the positions after the last known step; see ``backtest``."""
    origins = []
    for number, (name, first) in enumerate(zip(data.names, split.test_start, strict=True)):
        last = last_start(bundle.model, data, number, horizon)
        if last < first:
            raise UserError(
                f"{name}: its covariates end before a forecast of {horizon} steps from the test "
                "part does. Give them more steps, or shorten the horizon."
            )
        origins.append(np.arange(first, last + 1, stride))
    return origins


def forecast_origins(
    bundle: Bundle,
    data: SeriesSet,
    origins: Sequence[Steps],
    horizon: int,
    quantiles: QuantileSettings,
    storage: Storage = IN_MEMORY,
) -> Forecasts:
    """Forecast from every origin, in the original unit."""
    first = [int(positions[0]) - bundle.model.input_chunk_length for positions in origins]
    starts = [positions - step for positions, step in zip(origins, first, strict=True)]
    return bundle.forecast(data.since(first), starts, horizon, quantiles, storage)


def beside_baseline(
    data: SeriesSet,
    split: Split,
    origins: Sequence[Steps],
    forecasts: Forecasts,
    shift: int,
    season_length: int,
) -> Backtest:
    """Put forecasts beside what happened and what the seasonal-naive baseline says.

    Args:
        data: series in their original unit.
        split: the training parts give the scales.
        origins: for each series the positions after the last known step.
        forecasts: of the model, from these origins.
        shift: steps between an origin and the first step of its forecast.
        season_length: steps in one season.
    """
    horizon = forecasts.point[0].shape[1]
    first = data.targets[0]
    both = {"model": forecasts.point, "baseline": []}
    result = Backtest(data.names, [], [], [], both, [], forecasts.quantiles)
    for series, positions, train_end in zip(data.targets, origins, split.train_end, strict=True):
        values = series.values(copy=False)
        naive = seasonal_naive(values, positions, shift + horizon, season_length)
        starts = positions + shift
        result.starts.append(starts)
        result.offsets.append(_steps_from(first.start_time(), series.start_time(), first.freq))
        result.truth.append(values[starts[:, None] + np.arange(horizon)])
        result.forecasts["baseline"].append(naive[:, shift:])
        result.scales.append(training_scale(values[:train_end], season_length))
    return result


def seasonal_naive(values: Array, starts: Steps, horizon: int, season_length: int) -> Array:
    """Repeat the last season before each start, as Darts' ``NaiveSeasonal`` does.

    Args:
        values: shape (time, components).
        starts: positions of the first forecast step, each at least ``season_length``.
        horizon: steps of a forecast.
        season_length: steps of a season.

    Returns:
        Forecasts of shape (windows, horizon, components).
    """
    steps = np.arange(horizon) % season_length - season_length
    forecasts: Array = values[starts[:, None] + steps]
    return forecasts


def training_scale(values: Array, season_length: int) -> TrainingScale:
    """Measure a training part of shape (time, components)."""
    deviation = values.std(axis=0)
    errors = values[season_length:] - values[:-season_length]
    # what repeats itself exactly does so up to a few units in the last place
    rounding = 8 * np.finfo(values.dtype).eps * np.abs(values).max(axis=0)
    if len(errors) == 0:
        errors = np.zeros_like(values[:1])
    naive_mae = np.abs(errors).mean(axis=0)
    return TrainingScale(
        deviation=np.where(deviation > 0, deviation, 1.0),
        naive_mae=np.where(naive_mae > rounding, naive_mae, np.nan),
        naive_mse=np.where(naive_mae > rounding, np.square(errors).mean(axis=0), np.nan),
    )


def _steps_from(start: object, time: object, freq: object) -> int:
    return 0 if time == start else int(n_steps_between(end=time, start=start, freq=freq))
