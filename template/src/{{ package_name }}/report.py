"""One HTML page about a run, which opens in any browser and needs no other file."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader
from numpy.typing import NDArray

from .data import SeriesSet
from .data.times import show_time
from .diagnostics import LAGS, Example, examples, residuals, standardised_errors
from .evaluation import Backtest
from .figures import (
    autocorrelation_figure,
    errors_figure,
    forecast_figure,
    losses_figure,
    steps_figure,
)
from .metrics import Metrics
from .record import CONFIG
from .skill import Skill, worst_series
from .summary import LABELS, format_number, skill_sentence

REPORT = "report.html"
# history that is drawn before a forecast, in horizons
HISTORY_HORIZONS = 2
WORST = 10


@dataclass(frozen=True)
class Run:
    """What a report says about the training, beside the test.

    Attributes:
        title: heading of the page.
        subtitle: what was done, in a few words.
        record: from ``record.json``.
        config: the composed configuration as YAML.
        losses: a column a loss, the index the epochs; None if none were logged.
    """

    title: str
    subtitle: str
    record: dict[str, Any]
    config: str
    losses: pd.DataFrame | None


@dataclass(frozen=True)
class Picture:
    """A figure with its heading, the text for those who do not see it, and its caption."""

    title: str
    source: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first ``texts`` columns hold text, the others numbers."""

    caption: str
    columns: list[str]
    rows: list[list[str]]
    texts: int = 1


@dataclass(frozen=True)
class Section:
    """A part of the page, its contents shown in this order."""

    name: str
    title: str
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Picture] = field(default_factory=list)
    code: str = ""


def write_report(
    path: Path,
    run: Run,
    data: SeriesSet,
    result: Backtest,
    metrics: Metrics,
    skill: Skill,
    quantiles: dict[str, dict[str, float]],
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        run: the training.
        data: the series that ``result`` is about.
        result: the test.
        metrics: of the test.
        skill: of the test.
        quantiles: scores of quantile forecasts, and by which name; empty without them.
    """
    shown = examples(result, metrics.by_series)
    sections = [
        _metrics_section(metrics, quantiles),
        _forecasts_section(data, result, shown),
        _training_section(run),
        _errors_section(data, result, shown),
        _loader_section(run.record),
        _run_section(run.record),
        Section("config", "Configuration", code=run.config),
    ]
    environment = Environment(
        loader=PackageLoader(__package__, package_path=""), autoescape=True, trim_blocks=True
    )
    page = environment.get_template(REPORT).render(
        title=run.title, subtitle=run.subtitle, headline=skill_sentence(skill), sections=sections
    )
    path.write_text(page, encoding="utf-8")


def describe_run(run_dir: Path, record: dict[str, Any], title: str, subtitle: str) -> Run:
    """Collect what the folder of a run says about its training."""
    return Run(
        title=title,
        subtitle=subtitle,
        record=record,
        config=(run_dir / CONFIG).read_text(encoding="utf-8"),
        losses=_losses(run_dir / "csv_logs" / "metrics.csv"),
    )


def _losses(path: Path) -> pd.DataFrame | None:
    """Return the last losses of every epoch from what Lightning's CSV logger wrote."""
    if not path.is_file():
        return None
    table = pd.read_csv(path)
    names = [name for name in ("train_loss", "val_loss") if name in table]
    return table.groupby("epoch")[names].last() if names else None


def _metrics_section(metrics: Metrics, quantiles: dict[str, dict[str, float]]) -> Section:
    names = list(metrics.test["model"])
    rows = [
        [LABELS[forecast], *(format_number(values[name]) for name in names)]
        for forecast, values in metrics.test.items()
    ]
    standardised = [
        [LABELS[forecast], *(format_number(value) for value in values.values())]
        for forecast, values in metrics.test_standardised.items()
    ]
    titles = [name.upper() for name in names]
    tables = [
        Table("Test part, in the unit of the data", ["forecast", *titles], rows),
        Table(
            "Errors divided by the standard deviation of the training part",
            ["forecast", "MAE", "MSE"],
            standardised,
        ),
    ]
    for kind, scores in quantiles.items():
        rows = [[name.replace("_", " "), format_number(value)] for name, value in scores.items()]
        caption = "mean quantile loss; share of values and width of intervals in percent"
        tables.append(Table(f"{kind.capitalize()}: {caption}", ["score", "value"], rows))
    if len(metrics.by_series) > 1:
        tables.append(_worst_table(metrics))
    figure = Picture(
        f"{titles[0]} over the horizon",
        steps_figure(metrics.by_step, names[0]),
        f"{titles[0]} of model and seasonal naive forecast for every step ahead",
        "All metrics for every step are in metrics_by_step.csv.",
    )
    return Section("metrics", "Metrics", tables=tables, figures=[figure])


def _worst_table(metrics: Metrics) -> Table:
    worst = worst_series(metrics.by_series, WORST)
    shown = "mase" if "model_mase" in worst else next(iter(metrics.test["model"]))
    titles = {
        f"model_{shown}": f"{shown.upper()} of model",
        f"baseline_{shown}": "of seasonal naive",
        "skill": "skill",
    }
    return Table(
        f"The worst of {len(metrics.by_series)} series; all are in metrics_by_series.csv",
        ["series", *titles.values()],
        [
            [str(row["series"]), *(format_number(row[column]) for column in titles)]
            for _, row in worst.iterrows()
        ],
    )


def _forecasts_section(data: SeriesSet, result: Backtest, shown: Sequence[Example]) -> Section:
    figures = [_forecast_picture(data, result, example) for example in shown]
    return Section("forecasts", "Forecasts", figures=figures)


def _forecast_picture(data: SeriesSet, result: Backtest, example: Example) -> Picture:
    series, name = data.targets[example.series], data.names[example.series]
    start = int(result.starts[example.series][example.window])
    truth = result.truth[example.series][example.window][:, 0]
    first = max(0, start - HISTORY_HORIZONS * len(truth))
    forecasts = {
        kind: parts[example.series][example.window][:, 0]
        for kind, parts in result.forecasts.items()
    }
    quantiles = {
        level: parts[example.series][example.window][:, 0]
        for level, parts in (result.quantiles or {}).items()
    }
    source = forecast_figure(
        series.time_index[first : start + len(truth)],
        series.values(copy=False)[first:start, 0],
        truth,
        forecasts,
        quantiles,
    )
    error = abs(forecasts["model"] - truth).mean()
    return Picture(
        f"{example.label}: {name}",
        source,
        f"{example.label}: forecast, seasonal naive forecast and truth of {name}, "
        f"after their history",
        f"{series.components[0]} from {show_time(series.time_index[start])}, {len(truth)} steps. "
        f"MAE {format_number(error)}.",
    )


def _training_section(run: Run) -> Section:
    if run.losses is None:
        return Section("training", "Training", ["No losses were logged (logger=none)."])
    text = f"{len(run.losses)} epochs."
    if "val_loss" in run.losses and run.losses["val_loss"].notna().any():
        best = run.losses["val_loss"].idxmin()
        lowest = format_number(run.losses["val_loss"][best])
        text += f" The validation loss was lowest in epoch {best}, at {lowest}."
    figure = Picture(
        "Learning curve",
        losses_figure(run.losses),
        "Training and validation loss by epoch",
        "A validation loss that rises while the training loss falls is a sign of overfitting.",
    )
    return Section("training", "Training", [text], figures=[figure])


def _errors_section(data: SeriesSet, result: Backtest, shown: Sequence[Example]) -> Section:
    errors = standardised_errors(result)
    numbers = list(dict.fromkeys(example.series for example in shown))
    checked = {data.names[number]: residuals(result, number) for number in numbers}
    side = "too low" if errors.mean() > 0 else "too high"
    paragraphs = [
        f"Over all steps, forecasts are {abs(errors.mean()):.2g} standard deviations of the "
        f"training part {side} on average.",
        "One step ahead, the errors of a model that has learnt all there is to learn do not depend "
        "on those before. A small p-value of the Ljung-Box test says that they do.",
    ]
    table = Table(
        f"Errors one step ahead: truth - forecast, tested up to lag {LAGS}",
        ["series", "forecasts", "mean", "deviation", "Ljung-Box p"],
        [
            [
                name,
                str(len(one.errors)),
                *map(format_number, (one.bias, one.errors.std(), one.p_value)),
            ]
            for name, one in checked.items()
        ],
    )
    figures = [
        Picture(
            "Errors of all steps",
            errors_figure(errors),
            "Histogram of the errors of all forecast steps",
            "In standard deviations of the training part of their series.",
        )
    ]
    for name, one in checked.items():
        if one.autocorrelation is not None:
            figures.append(_autocorrelation_picture(name, one.autocorrelation, len(one.errors)))
    return Section("errors", "Errors", paragraphs, [table], figures)


def _autocorrelation_picture(name: str, values: NDArray[np.float64], errors: int) -> Picture:
    return Picture(
        f"Autocorrelation of errors: {name}",
        autocorrelation_figure(values, errors),
        f"Autocorrelation of the errors one step ahead of {name}, lags 1 to {LAGS}",
        "Bars beyond the band show what could still be learnt.",
    )


def _loader_section(record: dict[str, Any]) -> Section:
    rows = [
        [name, str(choice["value"]), choice["reason"]]
        for name, choice in record["dataloader"].items()
    ]
    table = Table("What the loader plan chose", ["setting", "value", "reason"], rows, texts=3)
    return Section("loader", "Data loader", tables=[table])


def _run_section(record: dict[str, Any]) -> Section:
    git = record["git"]
    state = "none" if git is None else git["revision"] + (" and changes" if git["dirty"] else "")
    facts = {
        "finished": record["finished"],
        "command": " ".join(record["command"]),
        "seed": str(record["seed"]),
        "git revision": state,
        "platform": record["platform"],
        "data fingerprint": record["data_fingerprint"],
        **{f"seconds to {stage}": str(value) for stage, value in record["seconds"].items()},
        **record["versions"],
    }
    rows = [[name, value] for name, value in facts.items()]
    return Section(
        "run",
        "Run",
        tables=[Table("Where and how the model was trained", ["fact", "value"], rows, texts=2)],
    )
