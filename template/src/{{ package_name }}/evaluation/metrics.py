"""Metrics of a backtest by their names in ``darts.metrics``, and scores of its quantiles."""

import logging
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import darts.metrics
import numpy as np
import pandas as pd
from darts import TimeSeries

from ..data import SeriesArray
from .backtest import Backtest
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


def compute_metrics(backtest: Backtest, names: Sequence[str]) -> Metrics:
    """Compute metrics of model and baseline by their ``names`` in ``darts.metrics``.

    The metric of a series is Darts' metric of all its forecasts in a row, and the metric of a step
    that of this step of all its forecasts; both are averaged over the components. ``mase``,
    ``msse`` and ``rmsse`` are scaled by the error of the seasonal naive forecast in the training
    part, whereas Darts' backtest scales each forecast by all data before it.

    A series for which a metric divides by zero, for the model or the baseline, is left out of the
    means of that metric, with a warning.
    """
    windows = backtest.windows
    values = {forecast: _values(backtest, forecast, names) for forecast in backtest.forecasts}
    test: dict[str, dict[str, float | None]] = {forecast: {} for forecast in values}
    by_step: dict[str, Any] = {"step": np.arange(1, backtest.horizon + 1)}
    by_series: dict[str, Any] = {"series": np.array(backtest.names), "windows": windows}
    for name in names:
        undefined = np.isnan([found[name][:, 0] for found in values.values()]).any(axis=0)
        if left_out := [backtest.names[i] for i in np.flatnonzero(undefined)]:
            shown = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
            message = "%s divides by zero for %d series, which its mean leaves out: %s."
            log.warning(message, name, len(left_out), shown)
        for forecast, found in values.items():
            kept = found[name][~undefined]
            known = np.ma.array(kept, mask=np.isnan(kept))
            means = np.ma.filled(np.ma.average(known, 0, windows[~undefined]), np.nan)
            test[forecast][name] = None if np.isnan(means[0]) else float(means[0])
            by_step[f"{forecast}_{name}"] = means[1:]
            by_series[f"{forecast}_{name}"] = found[name][:, 0]
    by_series["skill"] = skill_by_series(backtest)
    errors = {forecast: backtest.standardised_errors(forecast) for forecast in values}
    return Metrics(
        test=test,
        test_standardised={
            forecast: {"mae": float(np.abs(one).mean()), "mse": float(np.square(one).mean())}
            for forecast, one in errors.items()
        },
        by_step=pd.DataFrame(by_step),
        by_series=pd.DataFrame(by_series),
    )


def worst_series(by_series: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the rows with the largest MASE, or with the lowest skill if there is no MASE."""
    if "model_mase" in by_series:
        return by_series.nlargest(count, "model_mase")
    return by_series.nsmallest(count, "skill")


def central_intervals(levels: Iterable[float]) -> list[tuple[float, float]]:
    """Return the pairs of quantile levels around the median, the widest first."""
    ordered = list(levels)
    return list(zip(ordered[: len(ordered) // 2], reversed(ordered), strict=False))


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
    for low, high in central_intervals(quantiles):
        name = interval_name(low, high)
        covered = (quantiles[low] <= truth) & (truth <= quantiles[high])
        scores[f"coverage_{name}"] = float(covered.mean())
        scores[f"width_{name}"] = float((quantiles[high] - quantiles[low]).mean())
    return scores


def _values(backtest: Backtest, forecast: str, names: Sequence[str]) -> dict[str, Array]:
    """Return metrics of every series, of shape (series, 1 + horizon).

    The first column is over all steps, the others are each over one step.
    """
    windows, (_, horizon, components) = backtest.windows, backtest.truth.shape
    found = {name: np.empty((len(windows), 1 + horizon)) for name in names}
    unscaled = list(dict.fromkeys(SCALED.get(name, name) for name in names))
    # the forecasts of a series stand together, like the steps of a series in a panel
    rows = np.concatenate([backtest.truth, backtest.forecasts[forecast]], axis=2)
    first = np.cumsum(windows) - windows
    grouped = SeriesArray(rows.reshape(len(rows), -1), first, windows, first, [])
    for group, values in grouped.batches():
        both = np.moveaxis(values.reshape(len(group), -1, horizon, 2 * components), 0, 2)
        truth, predicted = np.split(both, 2, axis=3)
        shape = len(group), components
        for columns, kept in (slice(1), (-1, 1, *shape)), (slice(1, None), (-1, horizon, *shape)):
            metrics = _darts_metrics(unscaled, truth.reshape(kept), predicted.reshape(kept))
            for name in names:
                divisor = backtest.scale[name][group] if name in SCALED else 1.0
                scaled = metrics[SCALED.get(name, name)] / divisor
                found[name][group, columns] = scaled.mean(axis=-1).T
    return found


def _darts_metrics(names: Sequence[str], truth: Array, forecast: Array) -> dict[str, Array]:
    """Return metrics over the first axis of ``truth``.

    The other axes become the components of one series. One series per window would take a hundred
    times as long.
    """
    # as objects: Darts iterates over them, which is slow with pandas' strings
    components = pd.Index(map(str, range(truth[0].size)), dtype=object)
    times = pd.RangeIndex(len(truth))
    pair = [
        TimeSeries(times, values.reshape(len(values), -1), components=components, copy=False)
        for values in (truth, forecast)
    ]
    with warnings.catch_warnings():
        # undefined columns are counted later
        warnings.simplefilter("ignore", RuntimeWarning)
        return {
            name: np.reshape(
                getattr(darts.metrics, name)(*pair, component_reduction=None), truth.shape[1:]
            )
            for name in names
        }
