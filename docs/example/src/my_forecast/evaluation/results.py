"""The results of a backtest: scored, written into a folder, and summarised for the terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..config import TrainConfig
from ..data import Panel
from ..runs.folder import (
    FORECASTS,
    METRICS,
    METRICS_BY_SERIES,
    METRICS_BY_STEP,
    write_json,
    write_text,
    written_aside,
)
from .backtest import Backtest
from .forecast import backtest_table
from .metrics import Metrics, compute_metrics, quantile_scores, worst_and_best, worst_series
from .plots import PLOTTED, draw_backtest, plot_title, save_png
from .skill import Skill, compute_skill

FORECAST_PLOT = "forecast.png"
# series in the summary
WORST = 5


@dataclass(frozen=True)
class RunResults:
    """The results of ``train.py`` or ``evaluate.py``, which ``after_run`` functions receive.

    Attributes:
        folder: where the results are written.
        run_dir: folder of the run; equal to ``folder`` after training.
        record: the record of the run, as in its ``record.json``; empty for a copied bundle.
        subject: the model and its data, such as ``TiDEModel on co2``.
        data: the series in their original unit.
        backtest: forecasts and truth of the test part.
        metric_names: of the metrics to compute, as in the config.
        loggers: of the training; empty after ``evaluate.py``.
        validation: forecasts and truth of the validation part; None without one, and after
            ``evaluate.py``.
    """

    folder: Path
    run_dir: Path
    record: dict[str, Any]
    subject: str
    data: Panel
    backtest: Backtest
    metric_names: Sequence[str]
    loggers: Sequence[Any] = ()
    validation: Backtest | None = None

    @property
    def title(self) -> str:
        """What was forecast, such as ``TiDEModel on co2: 203 forecasts of 26 steps``."""
        backtest = self.backtest
        text = f"{self.subject}: {len(backtest.origins)} forecasts of {backtest.horizon} steps"
        if missing := backtest.missing.sum():
            text += f", {missing} of {backtest.truth.size} values missing and not scored"
        return text

    @cached_property
    def metrics(self) -> Metrics:
        """Metrics of model and baseline."""
        return compute_metrics(self.backtest, self.metric_names)

    @property
    def labels(self) -> dict[str, str]:
        """How tables call the model and the baseline."""
        return {"model": "model", "baseline": self.backtest.baseline}

    @cached_property
    def validation_metrics(self) -> dict[str, dict[str, float | None]]:
        """Metrics of the validation part, as ``Metrics.test``; empty without one."""
        if self.validation is None:
            return {}
        return compute_metrics(self.validation, self.metric_names).test

    @cached_property
    def skill(self) -> Skill:
        """How the model compares to the baseline."""
        return compute_skill(self.backtest)

    @cached_property
    def quantile_scores(self) -> dict[str, dict[str, float]]:
        """Scores of ``quantiles`` and ``uncalibrated quantiles``, where there are any."""
        groups = {
            "quantiles": self.backtest.quantiles,
            "uncalibrated quantiles": self.backtest.uncalibrated,
        }
        truth = self.backtest.truth
        return {name: quantile_scores(truth, found) for name, found in groups.items() if found}


def describe_run(config: TrainConfig) -> str:
    """Return the model of a run and its data, for ``RunResults.subject`` and titles of plots."""
    return f"{config.model['_target_'].rpartition('.')[2]} on {config.data.title}"


def write_results(results: RunResults) -> None:
    """Write the metrics, all forecasts, and a plot of the last ones."""
    folder, metrics = results.folder, results.metrics
    content = {
        "test": metrics.test,
        "test_standardised": metrics.test_standardised,
        "skill": asdict(results.skill),
    }
    if results.validation_metrics:
        content["validation"] = results.validation_metrics
    for name, scores in results.quantile_scores.items():
        content[f"test_{name.replace(' ', '_')}"] = scores
    write_json(folder / METRICS, content)
    for file, table in (METRICS_BY_STEP, metrics.by_step), (METRICS_BY_SERIES, metrics.by_series):
        write_text(folder / file, table.to_csv(index=False, lineterminator="\n"))
    with written_aside(folder / FORECASTS) as unfinished:
        backtest_table(results.data, results.backtest).write_parquet(unfinished)
    backtest, last = results.backtest, np.cumsum(results.backtest.windows) - 1
    plotted = [backtest.names.index(name) for name in worst_and_best(metrics.by_series, PLOTTED)]
    title = plot_title(results.subject, "last test forecast", len(plotted), len(last))
    figure = draw_backtest(results.data, backtest, last[plotted].tolist(), title=title)
    save_png(figure, folder / FORECAST_PLOT)


def summary(results: RunResults) -> str:
    """Return the metrics as a table, the skill, the quantile scores and the worst series."""
    metrics = results.metrics
    lines = [_text(metrics_table(results)), f"skill: {results.skill}"]
    for name, scores in score_texts(results).items():
        lines.append(f"{name}: " + ", ".join(f"{key} {text}" for key, text in scores.items()))
    if len(metrics.by_series) > 1:
        lines.append(_text(worst_table(results, WORST)))
    return "\n".join(lines)


def metrics_table(results: RunResults) -> pd.DataFrame:
    """Return the metrics of the test and the validation part, a row for each forecast."""
    metrics = results.metrics
    groups: dict[str, Mapping[str, Mapping[str, float | None]]] = {
        "": metrics.test,
        ", standardised": metrics.test_standardised,
        ", validation": results.validation_metrics,
    }
    rows = {
        f"{results.labels[name]}{suffix}": values
        for suffix, group in groups.items()
        for name, values in group.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return table.rename(columns=str.upper).rename_axis(columns="test")


def worst_table(results: RunResults, count: int) -> pd.DataFrame:
    """Return MASE (without it, the first metric) and skill of the worst series."""
    metrics = results.metrics
    name = "mase" if "model_mase" in metrics.by_series else next(iter(metrics.test["model"]))
    columns = {f"{key}_{name}": f"{label} {name.upper()}" for key, label in results.labels.items()}
    worst = worst_series(metrics.by_series, count).set_index("series")[[*columns, "skill"]]
    title = f"worst of {len(metrics.by_series)} series"
    return worst.rename(columns=columns).rename_axis(columns=title)


def format_number(value: float | None) -> str:
    """Return four significant digits, or ``none``."""
    return "none" if value is None or value != value else f"{value:.4g}"


def score_texts(results: RunResults) -> dict[str, dict[str, str]]:
    """Return ``quantile_scores`` as text: coverage in percent, the others with four digits."""
    return {
        group: {
            name: f"{value:.1%}" if name.startswith("coverage") else format_number(value)
            for name, value in scores.items()
        }
        for group, scores in results.quantile_scores.items()
    }


def _text(table: pd.DataFrame) -> str:
    text: str = table.rename_axis(index=None).to_string(float_format=format_number, na_rep="-")
    return text
