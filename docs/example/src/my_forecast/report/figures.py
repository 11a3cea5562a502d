"""Figures that only the report has, and how any figure becomes part of an HTML page."""

import base64
import io

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..evaluation.inference import Array
from ..evaluation.plots import BASELINE, HISTORY, MODEL, TRUTH, finish, new_figure

# width and height in inches; text stays readable on a phone, as wide as the screen
SIZE = (5.4, 2.9)


def draw_losses(losses: pd.DataFrame) -> Figure:
    """Draw ``train_loss`` and ``val_loss``, the columns of a table indexed by epoch."""
    figure, axes = new_figure(SIZE)
    for name, color in (("train_loss", BASELINE), ("val_loss", MODEL)):
        values = losses[name].dropna()
        if not values.empty:
            axes.plot(values.index, values, ".-", color=color, label=name)
    axes.set(xlabel="epoch", ylabel="loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return finish(figure)


def draw_error_histogram(errors: Array) -> Figure:
    """Draw the distribution of errors, given in standard deviations."""
    figure, axes = new_figure(SIZE)
    axes.stairs(*np.histogram(errors, bins=40), fill=True, color=MODEL, alpha=0.7)
    axes.axvline(0, color=TRUTH, linewidth=1)
    axes.set(xlabel="truth - forecast, in standard deviations", ylabel="forecast steps")
    return finish(figure)


def draw_autocorrelation(values: Array, errors: int) -> Figure:
    """Draw the autocorrelation of ``errors`` values by lag, and the 95% band of white noise."""
    figure, axes = new_figure(SIZE)
    lags, band = np.arange(1, len(values) + 1), 1.96 / np.sqrt(errors)
    axes.axhspan(-band, band, color=HISTORY, alpha=0.25, label="95% band of white noise")
    axes.vlines(lags, 0, values, color=MODEL, linewidth=3)
    axes.axhline(0, color=TRUTH, linewidth=1)
    axes.set(xlabel="lag", ylabel="autocorrelation", ylim=(-1, 1))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return finish(figure)


def svg_data_uri(figure: Figure) -> str:
    """Return a figure as an SVG image for ``<img src>``; equal figures give equal bytes."""
    file = io.BytesIO()
    with rc_context({"svg.hashsalt": "report"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode()
