"""Pictures of the report, as SVG within an HTML page."""

import base64
import io

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from .intervals import central_intervals, interval_name
from .plots import BASELINE, HISTORY, MODEL, TRUTH

# inches: letters are readable on a phone, where the picture is as wide as the screen
SIZE = (5.4, 2.9)


def forecast_figure(
    times: pd.Index,
    history: NDArray[np.float64],
    truth: NDArray[np.float64],
    forecasts: dict[str, NDArray[np.float64]],
    quantiles: dict[float, NDArray[np.float64]],
) -> str:
    """Draw one forecast after its history.

    Args:
        times: of the history and the forecast.
        history: shape (time,).
        truth: what happened, shape (horizon,).
        forecasts: by ``model`` and ``baseline``, of shape (horizon,).
        quantiles: by quantile, of shape (horizon,), drawn as bands; may be empty.
    """
    figure, axes = _figure()
    before, after = times[: len(history)], times[len(history) :]
    axes.plot(before, history, color=HISTORY, label="history")
    axes.plot(after, truth, color=TRUTH, label="truth")
    axes.plot(after, forecasts["baseline"], "--", color=BASELINE, label="seasonal naive")
    axes.plot(after, forecasts["model"], color=MODEL, label="forecast")
    for low, high in central_intervals(list(quantiles)):
        label = f"{interval_name(low, high)} %"
        band = quantiles[low], quantiles[high]
        axes.fill_between(after, *band, color=MODEL, alpha=0.2, linewidth=0, label=label)
    if isinstance(times, pd.DatetimeIndex):
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    return _embedded(figure, axes)


def steps_figure(table: pd.DataFrame, metric: str) -> str:
    """Draw a metric over the horizon."""
    figure, axes = _figure()
    steps, baseline = table["step"], table[f"baseline_{metric}"]
    axes.plot(steps, baseline, "--", color=BASELINE, label="seasonal naive")
    axes.plot(steps, table[f"model_{metric}"], color=MODEL, label="model")
    axes.set(xlabel="steps ahead", ylabel=metric.upper())
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if table[[f"baseline_{metric}", f"model_{metric}"]].min(axis=None) >= 0:
        axes.set_ylim(bottom=0)
    return _embedded(figure, axes)


def losses_figure(losses: pd.DataFrame) -> str:
    """Draw losses by epoch: a column a loss, the index the epochs."""
    figure, axes = _figure()
    colors = {"train_loss": BASELINE, "val_loss": MODEL}
    for name, values in losses.items():
        known = values.dropna()
        label = {"train_loss": "training", "val_loss": "validation"}[str(name)]
        axes.plot(known.index, known, ".-", color=colors[str(name)], label=label)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _embedded(figure, axes)


def errors_figure(errors: NDArray[np.float64]) -> str:
    """Draw how often errors of a size occur."""
    figure, axes = _figure()
    axes.stairs(*np.histogram(errors, bins=40), fill=True, color=MODEL, alpha=0.7)
    axes.axvline(0, color=TRUTH, linewidth=1)
    axes.set(xlabel="truth - forecast, in standard deviations", ylabel="forecast steps")
    return _embedded(figure, axes)


def autocorrelation_figure(values: NDArray[np.float64], errors: int) -> str:
    """Draw the autocorrelation by lag, and the band in which it is that of random errors."""
    figure, axes = _figure()
    lags, band = np.arange(1, len(values) + 1), 1.96 / np.sqrt(errors)
    axes.axhspan(-band, band, color=HISTORY, alpha=0.25, label="random, 95 %")
    axes.vlines(lags, 0, values, color=MODEL, linewidth=3)
    axes.axhline(0, color=TRUTH, linewidth=1)
    axes.set(xlabel="lag", ylabel="autocorrelation", ylim=(-1, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return _embedded(figure, axes)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure(figsize=SIZE, layout="constrained")
    return figure, figure.add_subplot()


def _embedded(figure: Figure, axes: Axes) -> str:
    """Return the figure as what an image's source may be."""
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[1]:
        figure.legend(
            loc="outside upper center",
            ncols=5,
            frameon=False,
            fontsize=8.5,
            columnspacing=1,
            handlelength=1.5,
        )
    with rc_context({"svg.hashsalt": "report"}):
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
