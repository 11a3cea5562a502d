"""Forecast beyond the data with one finished run, or with the average of several."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from ..config import PredictConfig, build, check_config
from ..data import Panel, Steps, fingerprint, show_time
from ..errors import UserError
from ..evaluation.forecast import as_in_source, combine, forecast
from ..evaluation.metrics import worst_and_best
from ..evaluation.plots import PLOTTED, draw_future, plot_title, save_png
from ..evaluation.results import describe_run
from ..run import Run, load_run
from ..runs.folder import METRICS_BY_SERIES, written_aside

log = logging.getLogger(__name__)


def predict(composed: DictConfig) -> None:
    """Run the command on the config that Hydra composed.

    Raises:
        UserError: when the config, a run or the data is not usable, or the output exists.
    """
    config = check_config(composed, PredictConfig)
    output = Path(config.output)
    check_output(output, config.overwrite)
    runs = [load_run(folder, config.accelerator) for folder in config.run]
    horizon = config.horizon or runs[0].config.horizon
    prepared = [_prepared(run, config, horizon) for run in runs]
    data = prepared[0][0]
    for run, (other, _) in zip(runs[1:], prepared[1:], strict=True):
        if _targets(other) != _targets(data):
            raise UserError(
                f"run: '{run.folder}' forecasts other data than '{runs[0].folder}'. Combine "
                "runs on the same data, or set data_path=... to give all of them the same data."
            )

    def table(numbers: Steps | None = None) -> pd.DataFrame:
        return combine([of_run(numbers) for _, of_run in prepared], config.ensemble)

    def in_source(part: pd.DataFrame) -> pd.DataFrame:
        return as_in_source(part, data, _time_format(runs[0], output))

    _log_starts(data)
    plot, plotted = output.with_suffix(".png"), _plotted(runs[0], data.names)
    forecasts = table(plotted if config.writer else None)
    rows = (plotted[:, None] * horizon + np.arange(horizon)).ravel()
    drawn = forecasts if config.writer else forecasts.iloc[rows]
    subject = ", ".join(dict.fromkeys(describe_run(run.config) for run in runs))
    title = plot_title(subject, "forecast", len(plotted), len(data.names))
    levels = config.quantiles or runs[0].config.quantiles
    # in place only at the end, so that a failed command leaves nothing that blocks the next one
    with written_aside(plot) as unfinished:
        save_png(draw_future(data.select(plotted), drawn, horizon, levels, title), unfinished)
        if config.writer is None:
            write_table(in_source(forecasts), output)
        else:
            folders = [str(run.folder) for run in runs]
            inputs = config.as_dict() | {"run": folders, "paths": fingerprint(data)}
            build(config.writer)(
                lambda numbers: in_source(table(numbers)), len(data.names), output, repr(inputs)
            )
    print(f"Saved {output} and {plot}")


def _prepared(
    run: Run, config: PredictConfig, horizon: int
) -> tuple[Panel, Callable[[Steps | None], pd.DataFrame]]:
    """Return the data of a run, and what forecasts the series with some numbers."""
    spec = run.backtest_spec(horizon, None, config.quantiles, config.num_samples)
    data, calibration = run.load_data(horizon, config.data_path, config.future_path), None
    if config.intervals is not None:
        data, split = run.split(data, horizon)
        calibration = build(config.intervals)(run.bundle, data, split, spec)
    return data, partial(forecast, run.bundle, data, horizon, spec.quantiles, calibration)


def _plotted(run: Run, names: list[str]) -> Steps:
    """Return the numbers of the series to plot: the worst and the best of the test, if known."""
    path, chosen = run.folder / METRICS_BY_SERIES, names[:PLOTTED]
    if len(names) > PLOTTED and path.is_file():
        tested = pd.read_csv(path, dtype={"series": str})
        chosen = worst_and_best(tested[tested["series"].isin(names)], PLOTTED) or chosen
    return np.array([names.index(name) for name in chosen])


def _time_format(run: Run, output: Path) -> str | None:
    """Return how the files of a run write dates, if the output can have dates as text."""
    written = getattr(run.config.data, "time_format", None) or ""
    return written if output.suffix == ".csv" and "%" in written else None


def _log_starts(data: Panel) -> None:
    """Say where the series end, if some end earlier than others."""
    ends, counts = np.unique(data.targets.stop, return_counts=True)
    if len(ends) > 1:
        early, times = counts[:-1].sum(), data.local(data.times)
        log.info(
            "%d of %d series end before %s, the first of them at %s. Each series is forecast from "
            "its own end; a run with data.end_together=true forecasts all of them from one time.",
            early,
            len(data.names),
            show_time(times[ends[-1] - 1]),
            show_time(times[ends[0] - 1]),
        )


def _targets(data: Panel) -> str:
    return fingerprint(Panel(data.names, data.times, data.targets))


def check_output(path: Path, overwrite: bool = False) -> None:
    """Check, before any work is done, that a forecast and its plot can be written.

    Raises:
        UserError: if a file exists that may not be overwritten, the folder does not exist, or the
            suffix is unknown.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"output: {str(path)!r} must end in .csv or .parquet.")
    if not path.parent.is_dir():
        raise UserError(f"output: there is no folder '{path.parent}'. Create it first.")
    for existing in (path, path.with_suffix(".png")):
        if existing.exists() and not overwrite:
            raise UserError(
                f"output: '{existing}' already exists. Choose another name, or set overwrite=true."
            )


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table aside as CSV or Parquet, by the suffix of ``path``, and put it in place."""
    write = table.to_parquet if path.suffix == ".parquet" else table.to_csv
    with written_aside(path) as unfinished:
        write(unfinished, index=False)
