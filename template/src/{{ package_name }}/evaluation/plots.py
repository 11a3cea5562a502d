"""Plots of forecasts and metrics, drawn without a display."""

import logging
import re
import warnings
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
# fonts of boxes, and of pictures that matplotlib cannot draw
NO_TEXT = re.compile("Last Resort|Emoji")
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
        "baseline": backtest.forecasts["baseline"],
        "forecast": backtest.forecasts["model"],
        **backtest.quantiles,
    }
    forecast = pd.DataFrame(
        {name: found[number, :, 0] for name, found in values.items()},
        index=data.times[start : start + backtest.horizon],
    )
    known = _history(data, series, start, history * len(forecast))
    return _draw(known, forecast.rename(columns={"baseline": backtest.baseline}), title, size)


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
    values = known.observed(known.rows(np.array([0])))
    return pd.Series(values[:, 0], times, name=data.targets.components[0])


def _draw(history: pd.Series, forecast: pd.DataFrame, title: str, size: Size) -> Figure:
    """Draw a history and a forecast by time, whose columns are named lines and quantile levels."""
    figure, axes = new_figure(size)
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
    fonts = fonts_for(f"{title}{history.name}")
    # a dollar sign in a name starts no formula
    axes.set_title(title, parse_math=False, fontfamily=fonts)
    axes.set_ylabel(history.name, parse_math=False, fontfamily=fonts)
    return finish(figure)


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
