"""A rolling-origin backtest of model and baseline over the same windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .bundle import Bundle
from .data import IN_MEMORY, SeriesSet, Split, Storage
from .errors import UserError
from .inference import forecast_from, last_start

Array = NDArray[np.float64]
Metrics = dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True)
class Backtest:
    """Forecasts of every series in the original unit; one array per series.

    Attributes:
        starts: positions of the first forecast step, shape (windows,).
        truth: what happened, shape (windows, horizon, components).
        forecasts: by ``model`` and ``baseline``, each shaped as ``truth``.
        deviations: standard deviation of the training part, shape (components,).
    """

    starts: list[NDArray[np.int64]]
    truth: list[Array]
    forecasts: dict[str, list[Array]]
    deviations: list[Array]


def backtest(
    bundle: Bundle,
    data: SeriesSet,
    split: Split,
    horizon: int,
    stride: int,
    season_length: int,
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
        season_length: steps in one season, for the seasonal-naive baseline.
        storage: where the scaled test parts are kept.

    Raises:
        UserError: when covariates end before the first forecast does.
    """
    length, shift = bundle.model.input_chunk_length, bundle.model.output_chunk_shift
    recent = data.since([start - length for start in split.test_start])
    starts = []
    for number, name in enumerate(data.names):
        last = last_start(bundle.model, recent, number, horizon)
        if last < length:
            raise UserError(
                f"{name}: its covariates end before a forecast of {horizon} steps from the test "
                "part does. Give them more steps, or shorten the horizon."
            )
        starts.append(np.arange(length, last + 1, stride))
    scaled = bundle.scalers.transform(recent, storage)
    predicted = forecast_from(bundle.model, scaled, starts, horizon)

    result = Backtest([], [], {"model": [], "baseline": []}, [])
    for name, series, first, begin, train_end, forecasts in zip(
        data.names, data.targets, split.test_start, starts, split.train_end, predicted, strict=True
    ):
        values = series.values(copy=False)
        origins = begin - length + first
        naive = seasonal_naive(values, origins, shift + horizon, season_length)
        result.starts.append(origins + shift)
        result.truth.append(values[origins[:, None] + shift + np.arange(horizon)])
        result.forecasts["model"].append(bundle.scalers.inverse(forecasts, name))
        result.forecasts["baseline"].append(naive[:, shift:])
        result.deviations.append(_deviation(values[:train_end]))
    return result


def seasonal_naive(
    values: Array, starts: NDArray[np.int64], horizon: int, season_length: int
) -> Array:
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


def metrics(result: Backtest) -> Metrics:
    """Return MAE and MSE over all windows, steps, components and series.

    Under ``test`` in the original unit, under ``test_standardised`` with errors divided by the
    standard deviation of the training part of their series and component.
    """
    ones = [np.ones_like(deviation) for deviation in result.deviations]
    scales = {"test": ones, "test_standardised": result.deviations}
    return {
        part: {name: _mean_errors(_errors(result, name, scale)) for name in result.forecasts}
        for part, scale in scales.items()
    }


def metrics_by_step(result: Backtest) -> pd.DataFrame:
    """Return one row per horizon step, 1 first: MAE and MSE of model and baseline."""
    ones = [np.ones_like(deviation) for deviation in result.deviations]
    table = pd.DataFrame({"step": np.arange(1, result.truth[0].shape[1] + 1)})
    for name in result.forecasts:
        errors = _errors(result, name, ones)
        table[f"{name}_mae"] = np.abs(errors).mean(axis=(0, 2))
        table[f"{name}_mse"] = np.square(errors).mean(axis=(0, 2))
    return table


def _errors(result: Backtest, name: str, scales: Sequence[Array]) -> Array:
    """Return scaled errors of all windows: (windows of all series, horizon, components)."""
    parts = zip(result.forecasts[name], result.truth, scales, strict=True)
    return np.concatenate([(forecast - truth) / scale for forecast, truth, scale in parts])


def _mean_errors(errors: Array) -> dict[str, float]:
    return {"mae": float(np.abs(errors).mean()), "mse": float(np.square(errors).mean())}


def _deviation(values: Array) -> Array:
    deviation = values.std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)
