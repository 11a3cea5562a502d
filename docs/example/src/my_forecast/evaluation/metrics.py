"""Metrics of a backtest by their names in ``darts.metrics``, and scores of its quantiles."""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import darts.metrics
import numpy as np
import pandas as pd
from darts import TimeSeries
from numpy.typing import NDArray

from ..data import SeriesArray
from .backtest import Backtest, TrainingScale
from .inference import Array
from .skill import skill_by_series

# scaled metrics, and the metric of darts.metrics that each one divides
SCALED = {"mase": "mae", "msse": "mse", "rmsse": "rmse"}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metrics:
    """Metrics of ``model`` and ``baseline``; None or NaN where a metric is undefined.

    Attributes:
        test: by forecast and metric, in the original unit. The mean over series, weighted by
            their number of forecasts, so that every forecast has the same weight.
        test_standardised: MAE and MSE of errors divided by the standard deviation of the training
            part of their series and component.
        by_step: one row per step of the horizon: ``step`` from 1, then columns such as
            ``model_mae``.
        by_series: one row per series: ``series``, ``windows``, the same columns, and ``skill``.
    """

    test: dict[str, dict[str, float | None]]
    test_standardised: dict[str, dict[str, float]]
    by_step: pd.DataFrame
    by_series: pd.DataFrame


# values of one metric by series, shape (series,), and by step, shape (series, horizon)
Values = tuple[Array, Array]


def compute_metrics(backtest: Backtest, names: Sequence[str]) -> Metrics:
    """Compute metrics of model and baseline by their ``names`` in ``darts.metrics``.

    The metric of a series is Darts' metric of all its forecasts in a row, and the metric of a step
    that of this step of all its forecasts; both are averaged over the components. ``mase``,
    ``msse`` and ``rmsse`` are scaled by the error of the seasonal naive forecast in the training
    part, whereas Darts' backtest scales each forecast by all data before it.

    A series for which a metric divides by zero, for the model or the baseline, is left out of the
    means of that metric, with a warning.
    """
    weights = backtest.windows
    values = {forecast: _darts_values(backtest, forecast, names) for forecast in backtest.forecasts}
    test: dict[str, dict[str, float | None]] = {forecast: {} for forecast in values}
    by_step: dict[str, Any] = {"step": np.arange(1, backtest.horizon + 1)}
    by_series: dict[str, Any] = {"series": np.array(backtest.names), "windows": weights}
    for name in names:
        undefined = np.isnan([found[name][0] for found in values.values()]).any(axis=0)
        if left_out := [backtest.names[i] for i in np.flatnonzero(undefined)]:
            shown = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
            message = "%s divides by zero for %d series and leaves them out: %s."
            log.warning(message, name, len(left_out), shown)
        for forecast, found in values.items():
            series, steps = found[name]
            mean = _mean(series[~undefined, None], weights[~undefined])[0]
            test[forecast][name] = None if np.isnan(mean) else float(mean)
            by_series[f"{forecast}_{name}"] = series
            by_step[f"{forecast}_{name}"] = _mean(steps[~undefined], weights[~undefined])
    by_series["skill"] = skill_by_series(backtest)
    return Metrics(
        test=test,
        test_standardised={name: _standardised(backtest, name) for name in values},
        by_step=pd.DataFrame(by_step),
        by_series=pd.DataFrame(by_series),
    )


def worst_series(by_series: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the rows with the largest MASE, or with the lowest skill if there is no MASE."""
    if "model_mase" in by_series:
        return by_series.nlargest(count, "model_mase")
    return by_series.nsmallest(count, "skill")


def central_intervals(levels: list[float]) -> list[tuple[float, float]]:
    """Return the pairs of quantile levels around the median, the widest first."""
    half = len(levels) // 2
    return list(zip(levels[:half], reversed(levels), strict=False))


def interval_name(low: float, high: float) -> str:
    """Return the share of values that an interval should cover, in percent: ``80``."""
    return f"{100 * (high - low):g}"


def quantile_scores(truth: Array, quantiles: dict[float, Array]) -> dict[str, float]:
    """Score quantile forecasts, by level, over all forecasts, steps, components and series.

    All arrays have the shape (forecasts, horizon, components).

    Returns:
        Darts' ``mql``, the mean quantile loss, and for each interval Darts' ``mic``, the share of
        values it covers, as ``coverage_80``, and Darts' ``miw``, its mean width, as ``width_80``.
    """
    losses = [
        2 * np.maximum(level * (truth - value), (1 - level) * (value - truth)).mean()
        for level, value in quantiles.items()
    ]
    scores = {"mql": float(np.mean(losses))}
    for low, high in central_intervals(list(quantiles)):
        name = interval_name(low, high)
        covered = (quantiles[low] <= truth) & (truth <= quantiles[high])
        scores[f"coverage_{name}"] = float(covered.mean())
        scores[f"width_{name}"] = float((quantiles[high] - quantiles[low]).mean())
    return scores


def _darts_values(backtest: Backtest, forecast: str, names: Sequence[str]) -> dict[str, Values]:
    windows, (_, horizon, components) = backtest.windows, backtest.truth.shape
    found = {name: (np.empty(len(windows)), np.empty((len(windows), horizon))) for name in names}
    unscaled = list(dict.fromkeys(SCALED.get(name, name) for name in names))
    # the forecasts of a series stand together, like the steps of a series in a panel
    first = np.cumsum(windows) - windows
    rows = np.concatenate([backtest.truth, backtest.forecasts[forecast]], axis=2)
    shape = rows.reshape(len(rows), -1)
    grouped = SeriesArray(shape, first, windows, first, [])
    for group, values in grouped.batches():
        both = values.reshape(len(group), -1, horizon, 2 * components)
        # Darts reduces the first axis: here the windows, or the windows and their steps
        truth, predicted = np.split(np.moveaxis(both, 0, 2), 2, axis=3)
        by_step = _darts_metrics(unscaled, truth, predicted)
        by_series = _darts_metrics(unscaled, truth.reshape(-1, *truth.shape[2:]), predicted)
        for name in names:
            base = SCALED.get(name, name)
            divisor = _divisor(name, backtest.scale)[group]
            found[name][0][group] = (by_series[base] / divisor).mean(axis=-1)
            found[name][1][group] = (by_step[base] / divisor).mean(axis=-1).T
    return found


def _darts_metrics(names: Sequence[str], truth: Array, forecast: Array) -> dict[str, Array]:
    """Return metrics over the first axis of ``truth``.

    The other axes become the components of one series. One series per window would take a hundred
    times as long.
    """
    columns = truth.size // len(truth)
    # as objects: Darts iterates over them, which is slow with pandas' strings
    components = pd.Index(map(str, range(columns)), dtype=object)
    pair = [
        TimeSeries(
            pd.RangeIndex(len(truth)),
            values.reshape(len(truth), columns),
            components=components,
            copy=False,
        )
        for values in (truth, forecast)
    ]
    with warnings.catch_warnings():
        # undefined columns are counted later
        warnings.simplefilter("ignore", RuntimeWarning)
        metrics = {name: getattr(darts.metrics, name) for name in names}
        return {
            name: np.reshape(metric(*pair, component_reduction=None), truth.shape[1:])
            for name, metric in metrics.items()
        }


def _divisor(name: str, scale: TrainingScale) -> Array:
    scales = {"mase": scale.naive_mae, "msse": scale.naive_mse, "rmsse": np.sqrt(scale.naive_mse)}
    return scales.get(name, np.ones_like(scale.naive_mse))


def _mean(values: Array, weights: NDArray[np.int64]) -> Array:
    """Return the weighted mean over series of the values that are not NaN, shape (steps,)."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means: Array = (np.where(known, values, 0).T @ weights) / (known.T @ weights)
    return means


def _standardised(backtest: Backtest, forecast: str) -> dict[str, float]:
    deviation = backtest.scale.deviation[backtest.origins.series][:, None]
    errors = (backtest.forecasts[forecast] - backtest.truth) / deviation
    return {"mae": float(np.abs(errors).mean()), "mse": float(np.square(errors).mean())}
