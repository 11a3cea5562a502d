"""The results of a backtest: scored, written into a folder, and summarised for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..config import TrainConfig
from ..data import Panel
from ..runs.folder import METRICS, METRICS_BY_SERIES, METRICS_BY_STEP, write_json, write_text
from .backtest import Backtest
from .metrics import Metrics, compute_metrics, quantile_scores, worst_series
from .plots import draw_backtest, save_png
from .skill import Skill, compute_skill

FORECAST_PLOT = "forecast.png"
LABELS = {"model": "model", "baseline": "seasonal naive"}
# series in the summary
WORST = 5


@dataclass(frozen=True)
class RunResults:
    """The results of ``train.py`` or ``evaluate.py``, which ``after_run`` functions receive.

    Attributes:
        folder: where the results are written.
        run_dir: folder of the run; equal to ``folder`` after training.
        record: the record of the run, as in its ``record.json``.
        title: such as ``TiDEModel on co2: 203 forecasts of 26 steps``.
        data: the series in their original unit.
        backtest: forecasts and truth.
        metric_names: of the metrics to compute.
        loggers: of the training; empty after ``evaluate.py``.
    """

    folder: Path
    run_dir: Path
    record: dict[str, Any]
    title: str
    data: Panel
    backtest: Backtest
    metric_names: Sequence[str]
    loggers: Sequence[Any] = ()

    @cached_property
    def metrics(self) -> Metrics:
        """Metrics of model and baseline."""
        return compute_metrics(self.backtest, self.metric_names)

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


def describe_backtest(config: TrainConfig, backtest: Backtest) -> str:
    """Return what was forecast by the model of a run, for ``RunResults.title``."""
    model, count = config.model["_target_"].rpartition(".")[2], len(backtest.origins)
    return f"{model} on {config.data.title}: {count} forecasts of {backtest.horizon} steps"


def write_results(results: RunResults) -> None:
    """Write the metrics, and a plot of the last forecast of the first series."""
    folder, metrics = results.folder, results.metrics
    content = {
        "test": metrics.test,
        "test_standardised": metrics.test_standardised,
        "skill": asdict(results.skill),
    }
    for name, scores in results.quantile_scores.items():
        content[f"test_{name.replace(' ', '_')}"] = scores
    write_json(folder / METRICS, content)
    for file, table in (METRICS_BY_STEP, metrics.by_step), (METRICS_BY_SERIES, metrics.by_series):
        write_text(folder / file, table.to_csv(index=False, lineterminator="\n"))
    title, last = f"Last test forecast of {results.data.names[0]}", results.backtest.windows[0] - 1
    save_png(
        draw_backtest(results.data, results.backtest, last, title=title), folder / FORECAST_PLOT
    )


def summary(results: RunResults) -> str:
    """Return the metrics as a table, the skill, the quantile scores and the worst series."""
    metrics = results.metrics
    lines = [_text(metrics_table(metrics)), f"skill: {results.skill}"]
    for name, scores in results.quantile_scores.items():
        lines.append(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))
    if len(metrics.by_series) > 1:
        lines.append(_text(worst_table(metrics, WORST)))
    return "\n".join(lines)


def metrics_table(metrics: Metrics) -> pd.DataFrame:
    """Return the test metrics, a row for each forecast, in its own unit and standardised."""
    rows = {LABELS[name]: values for name, values in metrics.test.items()}
    standardised = metrics.test_standardised.items()
    rows |= {f"{LABELS[name]}, standardised": {**values} for name, values in standardised}
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return table.rename(columns=str.upper).rename_axis(columns="test")


def worst_table(metrics: Metrics, count: int) -> pd.DataFrame:
    """Return MASE (without it, the first metric) and skill of the worst series."""
    name = "mase" if "model_mase" in metrics.by_series else next(iter(metrics.test["model"]))
    columns = {f"{key}_{name}": f"{label} {name.upper()}" for key, label in LABELS.items()}
    worst = worst_series(metrics.by_series, count).set_index("series")[[*columns, "skill"]]
    title = f"worst of {len(metrics.by_series)} series"
    return worst.rename(columns=columns).rename_axis(columns=title)


def format_number(value: float | None) -> str:
    """Return four significant digits, or ``none``."""
    return "none" if value is None or value != value else f"{value:.4g}"


def _text(table: pd.DataFrame) -> str:
    text: str = table.rename_axis(index=None).to_string(float_format=format_number, na_rep="-")
    return text
