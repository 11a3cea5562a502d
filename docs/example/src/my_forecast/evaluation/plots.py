"""Plots of forecasts and metrics, drawn without a display."""

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..data import Panel
from ..runs.folder import written_aside
from .backtest import Backtest
from .inference import Array
from .metrics import central_intervals, interval_name

HISTORY, TRUTH, MODEL, BASELINE = "#7f7f7f", "#000000", "#d62728", "#1f77b4"
# colour and style of each line
STYLES = {
    "history": (HISTORY, "-"),
    "truth": (TRUTH, "-"),
    "seasonal naive": (BASELINE, "--"),
    "forecast": (MODEL, "-"),
}
# width and height in inches
Size = tuple[float, float]
SIZE = (10.0, 4.5)
# steps of history before a forecast, in horizons
HISTORY_HORIZONS = 6


def draw_backtest(
    data: Panel,
    backtest: Backtest,
    number: int,
    title: str = "",
    history: int = HISTORY_HORIZONS,
    size: Size = SIZE,
) -> Figure:
    """Draw the first component of forecast ``number`` of a backtest, after its history.

    The history has ``history`` times as many steps as the forecast.
    """
    series, start = backtest.origins.series[number], backtest.starts[number]
    values: dict[Any, Array] = {
        "truth": backtest.truth,
        "seasonal naive": backtest.forecasts["baseline"],
        "forecast": backtest.forecasts["model"],
        **backtest.quantiles,
    }
    forecast = pd.DataFrame(
        {name: found[number, :, 0] for name, found in values.items()},
        index=data.times[start : start + backtest.horizon],
    )
    return _draw(_history(data, series, start, history * len(forecast)), forecast, title, size)


def draw_future(
    data: Panel, table: pd.DataFrame, horizon: int, levels: list[float], title: str
) -> Figure:
    """Draw the first component of the first series in a table that ``forecast`` returned."""
    component = data.targets.components[0]
    names = {component: "forecast", **{f"{component}_q{level:g}": level for level in levels}}
    first = table.head(horizon).set_index("time")
    forecast = first[[name for name in names if name in first]].rename(columns=names)
    history = _history(data, 0, data.targets.stop[0], HISTORY_HORIZONS * horizon)
    return _draw(history, forecast, title, SIZE)


def _history(data: Panel, series: int, stop: int, steps: int) -> pd.Series:
    """Return the first component of a target, up to ``steps`` before ``stop``."""
    known = data.targets.select([series]).between(stop - steps, stop)
    times = data.times[known.start[0] : known.stop[0]]
    return pd.Series(known.of(0)[:, 0], times, name=data.targets.components[0])


def _draw(history: pd.Series, forecast: pd.DataFrame, title: str, size: Size) -> Figure:
    """Draw a history and a forecast by time, whose columns are named lines and quantile levels."""
    figure, axes = new_figure(size)
    for name, values in {"history": history, **forecast}.items():
        if name in STYLES:
            color, style = STYLES[name]
            axes.plot(values.index, values, style, color=color, label=name)
    for low, high in central_intervals(name for name in forecast if name not in STYLES):
        bounds, label = (forecast[low], forecast[high]), f"{interval_name(low, high)}%"
        axes.fill_between(forecast.index, *bounds, color=MODEL, alpha=0.2, linewidth=0, label=label)
    if isinstance(forecast.index, pd.DatetimeIndex):
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    # a dollar sign in a name starts no formula
    axes.set_title(title, parse_math=False)
    axes.set_ylabel(history.name, parse_math=False)
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
