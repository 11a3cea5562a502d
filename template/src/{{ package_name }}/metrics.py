"""Metrics of a backtest by their names in ``darts.metrics``: overall, by step and by series."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import darts.metrics
import numpy as np
import pandas as pd
from darts import TimeSeries
from numpy.typing import NDArray

from .evaluation import Backtest, TrainingScale

Array = NDArray[np.float64]
Values = dict[str, dict[str, float | None]]

# scaled metrics, and what Darts computes of them
SCALED = {"mase": "mae", "msse": "mse", "rmsse": "rmse"}
# columns that are given to Darts at once; more at once would take much memory
_COLUMNS = 1 << 14

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metrics:
    """The metrics of model and baseline; None and NaN where a metric has no value.

    Attributes:
        test: by ``model`` and ``baseline``, then by metric, in the original unit. The mean over
            series, each weighted by its number of forecasts, so that every forecast counts alike.
        test_standardised: MAE and MSE of errors divided by the standard deviation of the training
            part of their series and component.
        by_step: a row a step of the horizon, 1 first, with columns such as ``model_mae``.
        by_series: a row a series, with the same columns after ``series`` and ``windows``.
    """

    test: Values
    test_standardised: Values
    by_step: pd.DataFrame
    by_series: pd.DataFrame


def measure(result: Backtest, names: Sequence[str]) -> Metrics:
    """Compute metrics of model and baseline.

    The value of a series is what Darts computes for all its forecasts put one after the other, the
    value of a step what it computes for that step of all forecasts; both are averaged over the
    components. ``mase``, ``msse`` and ``rmsse`` are scaled by the error of the seasonal naive
    forecast in the training part, where Darts' own backtest takes all that is known at a forecast.

    A series for which a metric divides by zero, for the model or the baseline, is left out of
    that metric's means, and a warning counts such series.

    Args:
        result: the backtest.
        names: of metrics, each in ``settings.METRICS``.
    """
    weights = np.array([len(starts) for starts in result.starts])
    values = {
        forecast: _by_series_and_step(result, forecast, names) for forecast in result.forecasts
    }
    test: Values = {forecast: {} for forecast in values}
    by_step = {"step": np.arange(1, result.truth[0].shape[1] + 1)}
    by_series = {"series": np.array(result.names), "windows": weights}
    for name in names:
        undefined = np.isnan([found[name].by_series for found in values.values()]).any(axis=0)
        _warn_of_left_out(name, [result.names[number] for number in np.flatnonzero(undefined)])
        for forecast, found in values.items():
            series, steps = found[name].by_series, found[name].by_step
            mean = _mean(series[~undefined, None], weights[~undefined])[0]
            test[forecast][name] = None if np.isnan(mean) else float(mean)
            by_series[f"{forecast}_{name}"] = series
            by_step[f"{forecast}_{name}"] = _mean(steps[~undefined], weights[~undefined])
    return Metrics(
        test=test,
        test_standardised={name: _standardised(result, name, weights) for name in values},
        by_step=pd.DataFrame(by_step),
        by_series=pd.DataFrame(by_series),
    )


@dataclass(frozen=True)
class _Found:
    """One metric of one forecast: shapes (series,) and (series, horizon)."""

    by_series: Array
    by_step: Array


def _by_series_and_step(result: Backtest, forecast: str, names: Sequence[str]) -> dict[str, _Found]:
    count, (_, horizon, components) = len(result.names), result.truth[0].shape
    found = {name: _Found(np.empty(count), np.empty((count, horizon))) for name in names}
    unscaled = list(dict.fromkeys(SCALED.get(name, name) for name in names))
    for group in _groups(result, horizon * components):
        truth, predicted = (
            np.stack([parts[number] for number in group], axis=2)
            for parts in (result.truth, result.forecasts[forecast])
        )
        # windows, or windows and steps, are what Darts takes for time
        by_step = _darts(unscaled, truth, predicted)
        by_series = _darts(unscaled, truth.reshape(-1, *truth.shape[2:]), predicted)
        for name in names:
            base = SCALED.get(name, name)
            scale = np.array([_scale(name, result.scales[number]) for number in group])
            found[name].by_step[group] = (by_step[base] / scale).mean(axis=-1).T
            found[name].by_series[group] = (by_series[base] / scale).mean(axis=-1)
    return found


def _standardised(
    result: Backtest, forecast: str, weights: NDArray[np.int64]
) -> dict[str, float | None]:
    errors = [
        (predicted - truth) / scale.deviation
        for predicted, truth, scale in zip(
            result.forecasts[forecast], result.truth, result.scales, strict=True
        )
    ]
    mae, mse = (
        np.average([reduced(part).mean() for part in errors], weights=weights)
        for reduced in (np.abs, np.square)
    )
    return {"mae": float(mae), "mse": float(mse)}


def _groups(result: Backtest, width: int) -> Iterator[list[int]]:
    """Yield positions of series with as many windows, of ``width`` columns each."""
    groups: dict[int, list[int]] = {}
    for number, starts in enumerate(result.starts):
        groups.setdefault(len(starts), []).append(number)
    size = max(1, _COLUMNS // width)
    for group in groups.values():
        for first in range(0, len(group), size):
            yield group[first : first + size]


def _darts(names: Sequence[str], truth: Array, forecast: Array) -> dict[str, Array]:
    """Return metrics of ``darts.metrics`` over the first axis of ``truth``.

    The other axes go to Darts as components of one series: a series of its own for each window
    would take a hundred times as long.
    """
    series = [
        TimeSeries.from_values(values.reshape(len(truth), -1), copy=False)
        for values in (truth, forecast)
    ]
    found = {}
    with warnings.catch_warnings():
        # numpy warns of columns that are undefined, which are counted later
        warnings.simplefilter("ignore", RuntimeWarning)
        for name in names:
            values = getattr(darts.metrics, name)(*series, component_reduction=None)
            found[name] = np.reshape(values, truth.shape[1:])
    return found


def _scale(name: str, scale: TrainingScale) -> Array:
    """Return what divides a metric, of shape (components,)."""
    if name == "mase":
        return scale.naive_mae
    if name == "msse":
        return scale.naive_mse
    return np.sqrt(scale.naive_mse) if name == "rmsse" else np.ones_like(scale.naive_mse)


def _mean(values: Array, weights: NDArray[np.int64]) -> Array:
    """Return the weighted mean over series of what is defined, of shape (steps,)."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        totals = np.where(known, values, 0).T @ weights
        means: Array = totals / (known.T @ weights)
    return means


def _warn_of_left_out(name: str, left_out: list[str]) -> None:
    if left_out:
        log.warning(
            "%s divides by zero for %d series, which it leaves out: %s%s.",
            name,
            len(left_out),
            ", ".join(left_out[:3]),
            ", ..." if len(left_out) > 3 else "",
        )
