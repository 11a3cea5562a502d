"""One HTML page about the results of a run, which needs no other file.

``report.html`` holds the words; this module computes the numbers, tables and figures in it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from ..data import show_time
from ..evaluation.plots import draw_backtest, draw_metric_by_step
from ..evaluation.results import (
    RunResults,
    format_number,
    metrics_table,
    score_texts,
    worst_table,
)
from ..runs.folder import CONFIG, checked, shown, write_text
from .diagnostics import LAGS, autocorrelation, examples, one_step_errors
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
    """Return the variables of the template; a table is a data frame."""
    backtest, metrics = results.backtest, results.metrics
    metric = next(iter(metrics.test["model"]))
    chosen = examples(backtest, metrics)
    series = dict.fromkeys(int(backtest.origins.series[number]) for number in chosen.values())
    residuals, autocorrelations = {}, {}
    for number in series:
        name, errors = backtest.names[number], one_step_errors(backtest, number)
        if not errors.size:
            continue
        found, p_value = autocorrelation(errors)
        residuals[name] = len(errors), errors.mean(), errors.std(), p_value
        if found is not None:
            autocorrelations[name] = draw_autocorrelation(found, len(errors))
    all_errors = backtest.standardised_errors("model")[~np.isnan(backtest.truth)]
    return {
        "results": results,
        "metrics": metrics_table(results),
        "scores": pd.DataFrame(score_texts(results)),
        "worst": worst_table(results, WORST),
        "metric": metric.upper(),
        "by_step": draw_metric_by_step(metrics.by_step, metric, backtest.baseline, SIZE),
        "examples": [_example(results, label, number) for label, number in chosen.items()],
        "training": _training(results.run_dir / "csv_logs" / "metrics.csv"),
        "bias": all_errors.mean(),
        "error_histogram": draw_error_histogram(all_errors),
        "lags": LAGS,
        "residuals": pd.DataFrame(
            residuals, index=["forecasts", "mean", "deviation", "Ljung-Box p"]
        ).T,
        "autocorrelations": autocorrelations,
        "loader": pd.DataFrame(results.record.get("dataloader", {})).map(str).T,
        "facts": _facts(results.record) if results.record else None,
        "config": checked(results.run_dir, CONFIG).read_text(encoding="utf-8"),
    }


def _example(results: RunResults, label: str, number: int) -> dict[str, Any]:
    data, backtest = results.data, results.backtest
    return {
        "label": f"{label}: {data.names[backtest.origins.series[number]]}",
        "component": data.targets.components[0],
        "start": show_time(data.times[backtest.starts[number]]),
        "mae": np.nanmean(np.abs(backtest.errors("model")[number, :, 0])),
        "figure": draw_backtest(data, backtest, [number], history=HISTORY_HORIZONS, size=SIZE),
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


def _facts(record: dict[str, Any]) -> pd.DataFrame:
    git = record["git"]
    changes = " and uncommitted changes" if git and git["dirty"] else ""
    facts = {
        "finished": record["finished"],
        "command": " ".join(record["command"]),
        "seed": record["seed"],
        "git revision": f"{git['revision']}{changes}" if git else "none",
        "platform": record["platform"],
        "data fingerprint": record["data_fingerprint"],
        **{f"seconds to {stage}": value for stage, value in record["seconds"].items()},
        **record["versions"],
    }
    return pd.DataFrame({"value": facts}).map(str)
