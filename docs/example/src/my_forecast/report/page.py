"""One HTML page about the results of a run, which needs no other file.

``report.html`` holds the words; this module computes the numbers, tables and figures in it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..data import show_time
from ..evaluation.metrics import Metrics, worst_series
from ..evaluation.plots import backtest_window, draw_forecast, draw_metric_by_step
from ..evaluation.results import LABELS, RunResults, format_number, skill_sentence
from ..runs.folder import CONFIG, shown, write_text
from .diagnostics import LAGS, Example, examples, residuals, standardized_errors
from .figures import SIZE, draw_autocorrelation, draw_error_histogram, draw_losses, svg_data_uri

REPORT = "report.html"
# steps of history before a forecast, in horizons
HISTORY_HORIZONS = 2
WORST = 10


def write_report(results: RunResults) -> None:
    """Write ``report.html`` into the folder of the results."""
    environment = Environment(
        loader=PackageLoader(__package__, ""), autoescape=True, undefined=StrictUndefined
    )
    environment.filters |= {"number": format_number, "shown": shown, "svg": svg_data_uri}
    page = environment.get_template(REPORT).render(_content(results))
    write_text(results.folder / REPORT, page)


def _content(results: RunResults) -> dict[str, Any]:
    """Return the variables of the template."""
    backtest, metrics = results.backtest, results.metrics
    names = list(metrics.test["model"])
    chosen = examples(backtest, metrics.by_series)
    numbers = dict.fromkeys(example.series for example in chosen)
    tested = {backtest.names[number]: residuals(backtest, number) for number in numbers}
    errors = standardized_errors(backtest)
    return {
        "results": results,
        "skill": skill_sentence(results.skill),
        "metrics": [name.upper() for name in names],
        "test": [[LABELS[k], *v.values()] for k, v in metrics.test.items()],
        "standardized": [[LABELS[k], *v.values()] for k, v in metrics.test_standardised.items()],
        "worst": _worst(metrics),
        "by_step": draw_metric_by_step(metrics.by_step, names[0], SIZE),
        "examples": [_example(results, example) for example in chosen],
        "training": _training(results.run_dir / "csv_logs" / "metrics.csv"),
        "bias": errors.mean(),
        "error_histogram": draw_error_histogram(errors),
        "lags": LAGS,
        "residuals": [
            [name, len(one.errors), one.bias, one.errors.std(), one.p_value]
            for name, one in tested.items()
        ],
        "autocorrelations": {
            name: draw_autocorrelation(one.autocorrelation, len(one.errors))
            for name, one in tested.items()
            if one.autocorrelation is not None
        },
        "loader": [
            [name, str(choice["value"]), choice["reason"]]
            for name, choice in results.record["dataloader"].items()
        ],
        "facts": _facts(results.record),
        "config": (results.run_dir / CONFIG).read_text(encoding="utf-8"),
    }


def _worst(metrics: Metrics) -> dict[str, Any]:
    name = "mase" if "model_mase" in metrics.by_series else next(iter(metrics.test["model"]))
    worst = worst_series(metrics.by_series, WORST)
    columns = ["series", f"model_{name}", f"baseline_{name}", "skill"]
    return {"metric": name.upper(), "rows": worst[columns].to_numpy(object).tolist()}


def _example(results: RunResults, example: Example) -> dict[str, Any]:
    window = backtest_window(
        results.data, results.backtest, example.series, example.window, HISTORY_HORIZONS
    )
    number = results.backtest.of(example.series, example.window)
    truth = results.backtest.truth[number, :, 0]
    return {
        "label": example.label,
        "series": results.data.names[example.series],
        "component": window.label,
        "start": show_time(window.times[0]),
        "steps": len(window.times),
        "mae": np.abs(window.forecasts["model"] - truth).mean(),
        "figure": draw_forecast(replace(window, label=""), SIZE),
    }


def _training(log: Path) -> dict[str, Any] | None:
    """Return what Lightning's CSV logger wrote about the losses; None if it wrote nothing."""
    if not log.is_file():
        return None
    columns = ["epoch", "train_loss", "val_loss"]
    losses = pd.read_csv(log).reindex(columns=columns).groupby("epoch").last()
    validation = losses["val_loss"].dropna()
    return {
        "epochs": len(losses),
        "best": None if validation.empty else validation.idxmin(),
        "lowest": validation.min(),
        "figure": draw_losses(losses),
    }


def _facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    git, seconds = record["git"], record["seconds"]
    changes = " and uncommitted changes" if git and git["dirty"] else ""
    return [
        ("finished", record["finished"]),
        ("command", " ".join(record["command"])),
        ("seed", str(record["seed"])),
        ("git revision", f"{git['revision']}{changes}" if git else "none"),
        ("platform", record["platform"]),
        ("data fingerprint", record["data_fingerprint"]),
        *((f"seconds to {stage}", str(value)) for stage, value in seconds.items()),
        *record["versions"].items(),
    ]
