"""Pictures of forecasts and metrics, drawn without a screen."""

from pathlib import Path

import pandas as pd
from darts import TimeSeries
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

from .intervals import central_intervals, interval_name

HISTORY, TRUTH, MODEL, BASELINE = "#7f7f7f", "#000000", "#d62728", "#1f77b4"


def plot_forecast(
    path: Path,
    title: str,
    history: TimeSeries,
    forecast: TimeSeries,
    truth: TimeSeries | None = None,
    baseline: TimeSeries | None = None,
    quantiles: dict[float, TimeSeries] | None = None,
) -> None:
    """Draw the first component of a forecast after its history and write it as PNG.

    Args:
        path: of the file.
        title: of the picture.
        history: what came before the forecast.
        forecast: the point forecast.
        truth: what happened.
        baseline: another forecast.
        quantiles: by quantile, drawn as bands around the forecast.
    """
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.add_subplot()
    lines = [
        ("history", history, HISTORY, "-"),
        ("truth", truth, TRUTH, "-"),
        ("seasonal naive", baseline, BASELINE, "--"),
        ("forecast", forecast, MODEL, "-"),
    ]
    for label, series, color, style in lines:
        if series is not None:
            values = series.values(copy=False)[:, 0]
            axes.plot(series.time_index, values, style, color=color, label=label, linewidth=1.8)
    levels = quantiles or {}
    for low, high in central_intervals(list(levels)):
        bounds = [levels[level].values(copy=False)[:, 0] for level in (low, high)]
        label = f"{interval_name(low, high)} % interval"
        axes.fill_between(
            forecast.time_index, *bounds, color=MODEL, alpha=0.2, linewidth=0, label=label
        )
    axes.axvline(forecast.start_time(), color=HISTORY, linewidth=0.8, linestyle=":")
    if history.has_datetime_index:
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
    # names of the data, in which a dollar sign begins no formula
    axes.set_title(title, parse_math=False)
    axes.set_ylabel(str(forecast.components[0]), parse_math=False)
    axes.set_xlabel("time")
    _finish(figure, path)


def plot_metrics_by_step(path: Path, table: pd.DataFrame) -> None:
    """Draw the first metric of model and baseline over the horizon and write it as PNG."""
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    axes = figure.add_subplot()
    metric = table.columns[1].removeprefix("model_")
    axes.plot(table["step"], table[f"model_{metric}"], color=MODEL, label="model", linewidth=1.8)
    baseline = table[f"baseline_{metric}"]
    axes.plot(table["step"], baseline, "--", color=BASELINE, label="seasonal naive")
    axes.set(title="Error over the horizon", xlabel="steps ahead", ylabel=metric.upper())
    if table.iloc[:, 1:].min(axis=None) >= 0:
        axes.set_ylim(bottom=0)
    _finish(figure, path)


def plot_loader_grid(path: Path, labels: list[str], seconds: list[float], best: int) -> None:
    """Draw how long the whole training takes with each loader setting and write it as PNG."""
    figure = Figure(figsize=(10, 1.2 + 0.32 * len(labels)), layout="constrained")
    axes = figure.add_subplot()
    colors = [MODEL if number == best else BASELINE for number in range(len(labels))]
    bars = axes.barh(labels, seconds, color=colors)
    axes.bar_label(bars, fmt="%.0f s", padding=4)
    axes.invert_yaxis()
    title = "Whole training by loader setting, the best in red"
    axes.set(title=title, xlabel="seconds", ylabel="workers")
    axes.margins(x=0.1)
    _finish(figure, path)


def _finish(figure: Figure, path: Path) -> None:
    for axes in figure.axes:
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="best", frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
