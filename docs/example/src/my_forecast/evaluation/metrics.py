"""Metrics of a backtest by their names in ``darts.metrics``, and scores of its quantiles."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import darts.metrics
import numpy as np
import pandas as pd
from darts import TimeSeries
from numpy.typing import NDArray

from .backtest import Array, Backtest, TrainingScale
from .skill import skill_by_series

# scaled metrics, and the metric of darts.metrics that each one divides
SCALED = {"mase": "mae", "msse": "mse", "rmsse": "rmse"}
# columns per call of Darts' metrics, which bounds their memory
MAX_COLUMNS = 1 << 14

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
    weights = np.array([len(starts) for starts in backtest.starts])
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
        test_standardised={name: _standardised(backtest, name, weights) for name in values},
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


def quantile_scores(truth: list[Array], quantiles: dict[float, list[Array]]) -> dict[str, float]:
    """Score quantile forecasts, by level, over all windows, steps, components and series.

    Each series has an array of shape (windows, horizon, components).

    Returns:
        Darts' ``mql``, the mean quantile loss, and for each interval Darts' ``mic``, the share of
        values it covers, as ``coverage_80``, and Darts' ``miw``, its mean width, as ``width_80``.
    """
    actual = np.concatenate([part.ravel() for part in truth])
    flat = {
        level: np.concatenate([part.ravel() for part in parts])
        for level, parts in quantiles.items()
    }
    losses = [
        2 * np.maximum(level * (actual - value), (1 - level) * (value - actual)).mean()
        for level, value in flat.items()
    ]
    scores = {"mql": float(np.mean(losses))}
    for low, high in central_intervals(list(flat)):
        name = interval_name(low, high)
        covered = (flat[low] <= actual) & (actual <= flat[high])
        scores[f"coverage_{name}"] = float(covered.mean())
        scores[f"width_{name}"] = float((flat[high] - flat[low]).mean())
    return scores


def _darts_values(backtest: Backtest, forecast: str, names: Sequence[str]) -> dict[str, Values]:
    count, (_, horizon, components) = len(backtest.names), backtest.truth[0].shape
    found = {name: (np.empty(count), np.empty((count, horizon))) for name in names}
    unscaled = list(dict.fromkeys(SCALED.get(name, name) for name in names))
    for group in _groups(backtest, horizon * components):
        truth, predicted = (
            np.stack([values[i] for i in group], axis=2)
            for values in (backtest.truth, backtest.forecasts[forecast])
        )
        # Darts reduces the time axis: here the windows, or the windows and their steps
        by_step = _darts_metrics(unscaled, truth, predicted)
        by_series = _darts_metrics(unscaled, truth.reshape(-1, *truth.shape[2:]), predicted)
        for name in names:
            base = SCALED.get(name, name)
            divisor = np.array([_divisor(name, backtest.scales[i]) for i in group])
            found[name][0][group] = (by_series[base] / divisor).mean(axis=-1)
            found[name][1][group] = (by_step[base] / divisor).mean(axis=-1).T
    return found


def _groups(backtest: Backtest, width: int) -> Iterator[NDArray[np.int64]]:
    """Yield positions of series with equally many windows, each series of ``width`` columns."""
    counts = np.array([len(starts) for starts in backtest.starts])
    size = max(1, MAX_COLUMNS // width)
    for count in np.unique(counts):
        group = np.flatnonzero(counts == count)
        for first in range(0, len(group), size):
            yield group[first : first + size]


def _darts_metrics(names: Sequence[str], truth: Array, forecast: Array) -> dict[str, Array]:
    """Return metrics over the first axis of ``truth``.

    The other axes become the components of one series. One series per window would take a hundred
    times as long.
    """
    pair = [
        TimeSeries.from_values(values.reshape(len(truth), -1), copy=False)
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


def _standardised(
    backtest: Backtest, forecast: str, weights: NDArray[np.int64]
) -> dict[str, float]:
    parts = zip(backtest.forecasts[forecast], backtest.truth, backtest.scales, strict=True)
    errors = [(predicted - truth) / scale.deviation for predicted, truth, scale in parts]
    return {
        name: float(np.average([loss(part).mean() for part in errors], weights=weights))
        for name, loss in (("mae", np.abs), ("mse", np.square))
    }
