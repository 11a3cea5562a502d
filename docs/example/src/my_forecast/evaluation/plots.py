"""Plots of forecasts and metrics, drawn without a display."""

import logging
import re
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import get_cachedir, rcParams
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ticker import MaxNLocator

from ..data import Panel, show_time
from ..runs.folder import written_aside
from .backtest import Backtest
from .inference import Array
from .metrics import central_intervals, interval_name

log = logging.getLogger(__name__)

# ``fonts_for`` says it once
warnings.filterwarnings("ignore", message="Glyph .* missing from")

HISTORY, TRUTH, MODEL, BASELINE = "#7f7f7f", "#000000", "#d62728", "#1f77b4"
# colour and style of each line
STYLES = {
    "history": (HISTORY, "-"),
    "truth": (TRUTH, "-"),
    "baseline": (BASELINE, "--"),
    "forecast": (MODEL, "-"),
}
# fonts of boxes, and of emoji that matplotlib cannot draw
NO_TEXT = re.compile("Last Resort|Emoji")
PROJECT = __name__.partition(".")[0]
# name of a series, its history and its forecast
Plotted = tuple[str, pd.Series, pd.DataFrame]
# width and height in inches
Size = tuple[float, float]
SIZE = (10.0, 4.5)
# of one of several series
SMALL = (4.6, 2.7)
# series in a plot, and how many of them stand side by side
PLOTTED, COLUMNS = 12, 3
# steps of history before a forecast, in horizons
HISTORY_HORIZONS = 6


def draw_backtest(
    data: Panel,
    backtest: Backtest,
    numbers: Sequence[int],
    title: str = "",
    history: int = HISTORY_HORIZONS,
    size: Size = SIZE,
) -> Figure:
    """Draw the first component of some forecasts of a backtest, each after its history.

    A history has ``history`` times as many steps as the forecast. ``size`` is that of a plot of
    one forecast.
    """
    values: dict[Any, Array] = {
        "truth": backtest.truth,
        backtest.baseline: backtest.forecasts["baseline"],
        "forecast": backtest.forecasts["model"],
        **backtest.quantiles,
    }
    plotted = []
    for number in numbers:
        series, start = int(backtest.origins.series[number]), int(backtest.starts[number])
        forecast = pd.DataFrame(
            {name: found[number, :, 0] for name, found in values.items()},
            index=_local(data, data.times[start : start + backtest.horizon]),
        )
        known = _history(data, series, start, history * len(forecast))
        plotted.append((data.names[series], known, forecast))
    return _draw(plotted, title, size)


def draw_future(
    data: Panel, table: pd.DataFrame, horizon: int, levels: list[float], title: str
) -> Figure:
    """Draw the first component of all series in a table that ``forecast`` returned for ``data``."""
    component = data.targets.components[0]
    names = {component: "forecast", **{f"{component}_q{level:g}": level for level in levels}}
    plotted = []
    for number, name in enumerate(data.names):
        own = table[number * horizon : (number + 1) * horizon]
        own = own.set_index(_local(data, pd.Index(own["time"])))
        forecast = own[[column for column in names if column in own]].rename(columns=names)
        stop = int(data.targets.stop[number])
        plotted.append((name, _history(data, number, stop, HISTORY_HORIZONS * horizon), forecast))
    return _draw(plotted, title, SIZE)


def plot_title(subject: str, what: str, plotted: int, series: int) -> str:
    """Return the title of a plot: project, model, data, and how many of the series it has.

    ``what`` is the singular of what is drawn, such as ``forecast``.
    """
    title = f"{PROJECT}: {subject}, {what}{'s' * (series > 1)}"
    return f"{title} of {plotted} of {series} series" if plotted < series else title


def _history(data: Panel, series: int, stop: int, steps: int) -> pd.Series:
    """Return the first component of a target, up to ``steps`` before ``stop``."""
    known = data.targets.select([series]).between(stop - steps, stop)
    times = _local(data, data.times[known.start[0] : known.stop[0]])
    values = known.observed(known.rows(np.array([0])))
    return pd.Series(values[:, 0], times, name=data.targets.components[0])


def _local(data: Panel, times: pd.Index) -> pd.Index:
    """Return the times that clocks show in the zone of the data."""
    local = data.local(times)
    return local if data.zone is None else local.tz_localize(None)


def _draw(plotted: Sequence[Plotted], title: str, size: Size) -> Figure:
    """Draw series side by side, the title above all of them."""
    columns = min(COLUMNS, len(plotted))
    rows = -(-len(plotted) // columns)
    if several := len(plotted) > 1:
        size = SMALL[0] * max(2, columns), SMALL[1] * rows + 0.8
    figure = Figure(figsize=size, layout="constrained")
    for place, (name, history, forecast) in enumerate(plotted, 1):
        axes = figure.add_subplot(rows, columns, place)
        _draw_lines(axes, history, forecast)
        if several:
            axes.set_title(name, parse_math=False, fontfamily=fonts_for(name), fontsize=9)
            axes.tick_params(labelsize=8)
    figure.suptitle(title, parse_math=False, fontfamily=fonts_for(title), fontsize=11)
    return finish(figure)


def _draw_lines(axes: Axes, history: pd.Series, forecast: pd.DataFrame) -> None:
    """Draw a history and a forecast by time, whose columns are named lines and quantile levels."""
    for name, values in {"history": history, **forecast}.items():
        if isinstance(name, str):
            color, style = STYLES.get(name, STYLES["baseline"])
            axes.plot(values.index, values, style, color=color, label=name)
    for low, high in central_intervals(name for name in forecast if not isinstance(name, str)):
        bounds, label = (forecast[low], forecast[high]), f"{interval_name(low, high)}%"
        axes.fill_between(forecast.index, *bounds, color=MODEL, alpha=0.2, linewidth=0, label=label)
    if isinstance(forecast.index, pd.DatetimeIndex):
        locator, times = axes.xaxis.get_major_locator(), (history.index[0], forecast.index[-1])
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
        # the ticks leave out what they have in common, such as the year
        axes.set_xlabel(" to ".join(map(show_time, times)))
    # a dollar sign in a name starts no formula
    axes.set_ylabel(history.name, parse_math=False, fontfamily=fonts_for(str(history.name)))


def fonts_for(text: str) -> list[str]:
    """Return the usual font, and installed ones that have the characters it lacks."""
    fonts: list[str] = [*rcParams["font.family"]]
    missing = {character for character in text if character.isprintable()}
    missing -= _known(findfont(FontProperties(family=fonts)), missing)
    if missing:
        others = [font for font in fontManager.ttflist if not NO_TEXT.search(font.name)]
        for font in sorted(others, key=lambda font: -len(_known(font.fname, missing))):
            if known := _known(font.fname, missing):
                fonts.append(font.name)
                missing -= known
    if missing:
        _warn_once()
    return fonts


def _known(font: str, characters: set[str]) -> set[str]:
    """Return the characters that are in a font."""
    try:
        return {one for one in characters if get_font(font).get_char_index(ord(one))}
    except (OSError, RuntimeError):  # deleted, or of a format that cannot be drawn
        return set()


@cache
def _warn_once() -> None:
    log.warning(
        "Some characters of the names in the plots are in no installed font. Install one that has "
        "them, such as Noto Sans CJK, and delete '%s'.",
        get_cachedir(),
    )


def draw_metric_by_step(
    table: pd.DataFrame, metric: str, name_of_baseline: str, size: Size = SIZE
) -> Figure:
    """Draw a metric, such as ``mae``, of ``Metrics.by_step``."""
    figure, axes = new_figure(size)
    model, baseline = table[f"model_{metric}"], table[f"baseline_{metric}"]
    axes.plot(table["step"], baseline, "--", color=BASELINE, label=name_of_baseline)
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
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if labels:
        style = {"frameon": False, "fontsize": 8.5, "columnspacing": 1, "handlelength": 1.5}
        figure.legend(handles, labels, loc="outside lower center", ncols=5, **style)
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure aside, and put it in place."""
    with written_aside(path) as unfinished:
        figure.savefig(unfinished, format="png", dpi=130)
