"""The results of a backtest: scored, written into a folder, and summarised for the terminal."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ..data import Panel
from ..runs.folder import METRICS, METRICS_BY_SERIES, METRICS_BY_STEP, write_json, write_text
from .backtest import Backtest
from .metrics import Metrics, compute_metrics, quantile_scores, worst_series
from .plots import backtest_window, draw_forecast, save_png
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
        levels = {
            "quantiles": self.backtest.quantiles,
            "uncalibrated quantiles": self.backtest.uncalibrated,
        }
        return {
            name: quantile_scores(self.backtest.truth, quantiles)
            for name, quantiles in levels.items()
            if quantiles is not None
        }


def describe_backtest(model: str, source: str, backtest: Backtest) -> str:
    """Return what was forecast, for ``RunResults.title``; ``model`` is a dotted path."""
    model = model.rpartition(".")[2]
    return f"{model} on {source}: {len(backtest.origins)} forecasts of {backtest.horizon} steps"


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
    window = backtest_window(results.data, results.backtest)
    title = f"Last test forecast of {results.data.names[0]}"
    save_png(draw_forecast(replace(window, title=title)), folder / FORECAST_PLOT)


def summary(results: RunResults) -> str:
    """Return the metrics as a table, the skill, the quantile scores and the worst series."""
    lines = [_metrics_table(results.metrics), f"skill: {skill_sentence(results.skill)}"]
    for name, scores in results.quantile_scores.items():
        lines.append(f"{name}: " + ", ".join(f"{k} {v:.4g}" for k, v in scores.items()))
    if len(results.metrics.by_series) > 1:
        lines.append(_worst_table(results.metrics))
    return "\n".join(lines)


def skill_sentence(skill: Skill) -> str:
    """Say how the model compares to the baseline, and whether the difference may be chance."""
    if skill.score is None:
        return "undefined, because the seasonal naive forecast has no error"
    comparison = "lower" if skill.score >= 0 else "higher"
    text = f"MAE {abs(skill.score):.1%} {comparison} than the seasonal naive forecast"
    if skill.p_value is None:
        return f"{text}; the test part is too short for a significance test"
    return f"{text} (p = {skill.p_value:.2g}, t-test over {skill.blocks} blocks of time)"


def format_number(value: float | None) -> str:
    """Return four significant digits, or ``none``."""
    return "none" if value is None or value != value else f"{value:.4g}"


def _metrics_table(metrics: Metrics) -> str:
    rows: dict[str, Any] = {LABELS[name]: values for name, values in metrics.test.items()}
    for name, values in metrics.test_standardised.items():
        rows[f"{LABELS[name]}, standardised"] = values
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=float)[[*metrics.test["model"]]]
    return _text(table.rename(columns=str.upper), "test")


def _worst_table(metrics: Metrics) -> str:
    worst = worst_series(metrics.by_series, WORST).set_index("series")
    columns = [name for name in ("model_mase", "baseline_mase", "skill") if name in worst]
    table = worst[columns].rename(columns=lambda name: name.replace("_", " "))
    return _text(table, f"worst of {len(metrics.by_series)} series")


def _text(table: pd.DataFrame, title: str) -> str:
    table = table.rename_axis(index=None, columns=title)
    text: str = table.to_string(float_format=format_number, na_rep="-")
    return text
