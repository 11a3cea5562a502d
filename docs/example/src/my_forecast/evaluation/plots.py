"""Plots of forecasts and metrics, drawn without a display."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ..data import Panel
from ..runs.folder import written_aside
from .backtest import Backtest
from .forecast import FutureForecast
from .metrics import central_intervals, interval_name

HISTORY, TRUTH, MODEL, BASELINE = "#7f7f7f", "#000000", "#d62728", "#1f77b4"
# width and height in inches
Size = tuple[float, float]
SIZE = (10.0, 4.5)
# steps of history before a forecast, in horizons
HISTORY_HORIZONS = 6


@dataclass(frozen=True)
class PlottedForecast:
    """One component of one forecast and its history; every array has one value per step.

    Attributes:
        history: values before the forecast, indexed by time.
        times: the steps of the forecast.
        forecasts: values by name: ``model`` and optionally ``baseline``.
        truth: the values that were observed, if any.
        quantiles: values by quantile level, drawn as bands.
        title: above the axes; empty for none.
        label: of the y-axis; empty for none.
    """

    history: pd.Series
    times: pd.Index
    forecasts: dict[str, NDArray[np.float64]]
    truth: NDArray[np.float64] | None = None
    quantiles: dict[float, NDArray[np.float64]] = field(default_factory=dict)
    title: str = ""
    label: str = ""


def backtest_window(
    data: Panel,
    backtest: Backtest,
    series: int = 0,
    window: int = -1,
    history_horizons: int = HISTORY_HORIZONS,
) -> PlottedForecast:
    """Return the first component of one forecast of a backtest.

    ``series`` and ``window`` are positions of the series, and of the forecast within it. The
    history has ``history_horizons`` times as many steps as the forecast.
    """
    number, horizon = backtest.of(series, window), backtest.horizon
    start = int(backtest.origins.position[number]) + backtest.shift
    quantiles = backtest.quantiles or {}
    return PlottedForecast(
        history=_history(data, series, start, history_horizons * horizon),
        times=data.times[start : start + horizon],
        forecasts={name: values[number, :, 0] for name, values in backtest.forecasts.items()},
        truth=backtest.truth[number, :, 0],
        quantiles={level: values[number, :, 0] for level, values in quantiles.items()},
        label=data.targets.components[0],
    )


def future_window(data: Panel, forecast: FutureForecast) -> PlottedForecast:
    """Return the first component of the forecast of the first series beyond its end."""
    values, start = forecast.values, int(forecast.start[0])
    horizon = values.point.shape[1]
    return PlottedForecast(
        history=_history(data, 0, int(data.targets.stop[0]), HISTORY_HORIZONS * horizon),
        times=forecast.times[start : start + horizon],
        forecasts={"model": values.point[0, :, 0]},
        quantiles={level: one[0, :, 0] for level, one in (values.quantiles or {}).items()},
        label=forecast.components[0],
    )


def draw_forecast(window: PlottedForecast, size: Size = SIZE) -> Figure:
    """Draw a forecast after its history."""
    figure, axes = new_figure(size)
    axes.plot(window.history.index, window.history, color=HISTORY, label="history")
    if window.truth is not None:
        axes.plot(window.times, window.truth, color=TRUTH, label="truth")
    if "baseline" in window.forecasts:
        baseline = window.forecasts["baseline"]
        axes.plot(window.times, baseline, "--", color=BASELINE, label="seasonal naive")
    axes.plot(window.times, window.forecasts["model"], color=MODEL, label="forecast")
    for low, high in central_intervals(list(window.quantiles)):
        bounds = window.quantiles[low], window.quantiles[high]
        label = f"{interval_name(low, high)}%"
        axes.fill_between(window.times, *bounds, color=MODEL, alpha=0.2, linewidth=0, label=label)
    if isinstance(window.times, pd.DatetimeIndex):
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    # a dollar sign in a name starts no formula
    axes.set_title(window.title, parse_math=False)
    axes.set_ylabel(window.label, parse_math=False)
    return finish(figure)


def draw_metric_by_step(table: pd.DataFrame, metric: str, size: Size = SIZE) -> Figure:
    """Draw a metric, such as ``mae``, of ``Metrics.by_step``."""
    figure, axes = new_figure(size)
    model, baseline = table[f"model_{metric}"], table[f"baseline_{metric}"]
    axes.plot(table["step"], baseline, "--", color=BASELINE, label="seasonal naive")
    axes.plot(table["step"], model, color=MODEL, label="model")
    axes.set(xlabel="steps ahead", ylabel=metric.upper())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if min(model.min(), baseline.min()) >= 0:
        axes.set_ylim(bottom=0)
    return finish(figure)


def new_figure(size: Size = SIZE) -> tuple[Figure, Axes]:
    """Return an empty figure."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.add_subplot()


def finish(figure: Figure) -> Figure:
    """Add the grid and the legend, and return the figure."""
    [axes] = figure.axes
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        spacing = {"columnspacing": 1, "handlelength": 1.5}
        figure.legend(loc="outside lower center", ncols=5, frameon=False, fontsize=8.5, **spacing)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure aside, and put it in place."""
    with written_aside(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=130)


def _history(data: Panel, series: int, stop: int, steps: int) -> pd.Series:
    """Return the first component of a target, up to ``steps`` before ``stop``."""
    start = max(int(data.targets.start[series]), stop - steps)
    [part] = data.targets.select([series]).between(start, stop).batches()
    return pd.Series(part[1][0, :, 0], data.times[start:stop])
