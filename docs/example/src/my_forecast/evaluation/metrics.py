"""Metrics of a backtest by their names in ``darts.metrics``, and scores of its quantiles."""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import darts.metrics
import numpy as np
import pandas as pd
from darts import TimeSeries
from hydra.utils import get_method

from ..config import metric_name
from ..data import SeriesArray
from ..errors import UserError
from .backtest import Backtest
from .inference import Array
from .skill import skill_by_series

# scaled metrics, and the metric of darts.metrics that each one divides
SCALED = {"mase": "mae", "msse": "mse", "rmsse": "rmse"}

MetricFunction = Callable[..., Any]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metrics:
    """Metrics of ``model`` and ``baseline``; None or NaN where a metric is undefined.

    Attributes:
        test: by forecast and metric, in the original unit. The mean over series, weighted by
            their number of forecasts, so that every forecast has the same weight; one of which some
            values are missing has less.
        test_standardised: MAE and MSE of errors divided by the standard deviation of the training
            part of their series and component.
        by_step: one row per step of the horizon: ``step`` from 1, then columns such as
            ``model_mae``.
        by_series: one row per series: ``series``, ``windows``, ``missing`` (values of these
            forecasts that are not scored), the same columns, and ``skill``.
    """

    test: dict[str, dict[str, float | None]]
    test_standardised: dict[str, dict[str, float]]
    by_step: pd.DataFrame
    by_series: pd.DataFrame


def compute_metrics(backtest: Backtest, names: Sequence[str]) -> Metrics:
    """Compute metrics of model and baseline, which ``import_metrics`` finds by their ``names``.

    The metric of a series is Darts' metric of all its forecasts in a row, and the metric of a step
    that of this step of all its forecasts; both are averaged over the components. ``mase``,
    ``msse`` and ``rmsse`` are scaled by the error of the seasonal naive forecast in the training
    part, whereas Darts' backtest scales each forecast by all data before it.

    A series for which a metric divides by zero, for the model or the baseline, is left out of the
    means of that metric, with a warning. Missing values are not scored.
    """
    functions, count, series = import_metrics(names), len(backtest.names), backtest.origins.series
    weights = np.bincount(series, backtest.weights, minlength=count)
    values = {forecast: _values(backtest, forecast, functions) for forecast in backtest.forecasts}
    test: dict[str, dict[str, float | None]] = {forecast: {} for forecast in values}
    by_step: dict[str, Any] = {"step": np.arange(1, backtest.horizon + 1)}
    by_series: dict[str, Any] = {
        "series": np.array(backtest.names),
        "windows": backtest.windows,
        "missing": np.bincount(series, backtest.missing, minlength=count).astype(int),
    }
    for name in functions:
        undefined = np.isnan([found[name][:, 0] for found in values.values()]).any(axis=0)
        if left_out := [backtest.names[i] for i in np.flatnonzero(undefined & (weights > 0))]:
            shown = ", ".join(left_out[:3]) + (", ..." if len(left_out) > 3 else "")
            message = "%s divides by zero for %d series, which its mean leaves out: %s."
            log.warning(message, name, len(left_out), shown)
        for forecast, found in values.items():
            kept = found[name][~undefined]
            known = np.ma.array(kept, mask=np.isnan(kept))
            means = np.ma.filled(np.ma.average(known, 0, weights[~undefined]), np.nan)
            test[forecast][name] = None if np.isnan(means[0]) else float(means[0])
            by_step[f"{forecast}_{name}"] = means[1:]
            by_series[f"{forecast}_{name}"] = found[name][:, 0]
    by_series["skill"] = skill_by_series(backtest)
    errors = {forecast: backtest.standardised_errors(forecast) for forecast in values}
    return Metrics(
        test=test,
        test_standardised={
            forecast: {
                "mae": float(np.nanmean(np.abs(one))),
                "mse": float(np.nanmean(np.square(one))),
            }
            for forecast, one in errors.items()
        },
        by_step=pd.DataFrame(by_step),
        by_series=pd.DataFrame(by_series),
    )


def import_metrics(names: Sequence[str]) -> dict[str, MetricFunction]:
    """Return metrics by the names that tables have for them.

    They are functions of ``darts.metrics``, or the user's own, named by a dotted path. These are
    called in the same way: with two series of the same components, and
    ``component_reduction=None``, they return an array with a number for each component.

    Raises:
        UserError: if a function of the user's own cannot be imported, or returns something else.
    """
    return {
        metric_name(name): _own_metric(name)
        if "." in name
        else getattr(darts.metrics, SCALED.get(name, name))
        for name in names
    }


def _own_metric(path: str) -> MetricFunction:
    try:
        metric: MetricFunction = get_method(path)
        steps = np.array([[1.0, 2.0], [2.0, 4.0], [4.0, 3.0]])
        pair = TimeSeries.from_values(steps), TimeSeries.from_values(steps + 1)
        shape = np.shape(metric(*pair, component_reduction=None))
    except Exception as error:
        raise UserError(f"metrics: {path} fails: {' '.join(str(error).split())}") from error
    if shape != (2,):
        raise UserError(
            f"metrics: {path} returns an array of shape {shape} for two components, not (2,). With "
            "component_reduction=None, it must return one number for each component."
        )
    return metric


def worst_series(by_series: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the rows with the largest MASE, or with the lowest skill if there is no MASE."""
    if "model_mase" in by_series:
        return by_series.nlargest(count, "model_mase")
    return by_series.nsmallest(count, "skill")


def worst_and_best(by_series: pd.DataFrame, most: int) -> list[str]:
    """Return names of series: all of them, or the worst and the best, ``most`` in all."""
    # constant series have no metric that is scaled
    known = by_series.dropna(subset="model_mase" if "model_mase" in by_series else "skill")
    ordered = worst_series(known, len(known))["series"].tolist() or by_series["series"].tolist()
    return ordered if len(ordered) <= most else [*ordered[: most // 2], *ordered[-(most // 2) :]]


def central_intervals(levels: Iterable[float]) -> list[tuple[float, float]]:
    """Return the pairs of quantile levels around the median, the widest first."""
    ordered = list(levels)
    return list(zip(ordered[: len(ordered) // 2], reversed(ordered), strict=False))


def interval_name(low: float, high: float) -> str:
    """Return the share of values that an interval should cover, in percent: ``80``."""
    return f"{100 * (high - low):g}"


def quantile_scores(truth: Array, quantiles: dict[float, Array]) -> dict[str, float]:
    """Score quantile forecasts, by level, over all forecasts, steps, components and series.

    All arrays have the shape (forecasts, horizon, components). Where the truth is NaN, nothing is
    scored.

    Returns:
        Darts' ``mql``, the mean quantile loss, and for each interval Darts' ``mic``, the share of
        values it covers, as ``coverage_80``, and Darts' ``miw``, its mean width, as ``width_80``.
    """
    known = ~np.isnan(truth)
    truth, quantiles = truth[known], {level: value[known] for level, value in quantiles.items()}
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


def _values(
    backtest: Backtest, forecast: str, functions: dict[str, MetricFunction]
) -> dict[str, Array]:
    """Return metrics of every series, of shape (series, 1 + horizon).

    The first column is over all steps, the others are each over one step.
    """
    windows, (_, horizon, components) = backtest.windows, backtest.truth.shape
    found = {name: np.empty((len(windows), 1 + horizon)) for name in functions}
    unscaled = {SCALED.get(name, name): function for name, function in functions.items()}
    # the forecasts of a series stand together, like the steps of a series in a panel
    rows = np.concatenate([backtest.truth, backtest.forecasts[forecast]], axis=2)
    first = np.cumsum(windows) - windows
    grouped = SeriesArray(rows.reshape(len(rows), -1), first, windows, first, [])
    for group, values in grouped.batches():
        both = np.moveaxis(values.reshape(len(group), -1, horizon, 2 * components), 0, 2)
        truth, predicted = np.split(both, 2, axis=3)
        shape = len(group), components
        for columns, kept in (slice(1), (-1, 1, *shape)), (slice(1, None), (-1, horizon, *shape)):
            metrics = _by_component(unscaled, truth.reshape(kept), predicted.reshape(kept))
            for name in functions:
                divisor = backtest.scale[name][group] if name in SCALED else 1.0
                scaled = metrics[SCALED.get(name, name)] / divisor
                found[name][group, columns] = scaled.mean(axis=-1).T
    return found


def _by_component(
    functions: dict[str, MetricFunction], truth: Array, forecast: Array
) -> dict[str, Array]:
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
            name: np.reshape(function(*pair, component_reduction=None), truth.shape[1:])
            for name, function in functions.items()
        }
