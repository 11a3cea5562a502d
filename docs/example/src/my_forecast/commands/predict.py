"""Forecast beyond the data with one finished run, or with the average of several."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from ..config import PredictConfig, QuantileConfig, build, command_config
from ..data import Panel, Steps, fingerprint
from ..errors import UserError
from ..evaluation.forecast import FutureForecast, combine
from ..evaluation.inference import Calibration
from ..evaluation.plots import draw_forecast, future_window, save_png
from ..run import Run, load_run
from ..runs.folder import written_aside


def predict(composed: DictConfig) -> None:
    """Run the command.

    Args:
        composed: the config as Hydra composed it.

    Raises:
        UserError: when the config, a run or the data is not usable, or the output exists.
    """
    config = command_config(composed, PredictConfig)
    output = Path(config.output)
    check_output(output)
    runs = [load_run(folder, config.accelerator) for folder in config.run]
    horizon = config.horizon or runs[0].config.horizon
    inputs = [_inputs(run, config, horizon) for run in runs]
    data = inputs[0].data
    for one in inputs[1:]:
        if _targets(one.data) != _targets(data):
            raise UserError(
                f"run: '{one.run.folder}' forecasts other data than '{runs[0].folder}'. Combine "
                "runs on the same data, or give them the same with data_path=..."
            )

    def forecasts(numbers: Steps) -> FutureForecast:
        return combine([one.forecasts(numbers) for one in inputs], config.ensemble)

    def table(numbers: Steps) -> pd.DataFrame:
        return forecasts(numbers).table(several=len(data.names) > 1)

    if config.writer is None:
        shown = forecasts(np.arange(len(data.names)))
        write_table(shown.table(), output)
    else:
        folders = [str(run.folder) for run in runs]
        same = config.as_dict() | {"run": folders, "paths": fingerprint(data)}
        build(config.writer)(table, len(data.names), output, repr(same))
        shown = forecasts(np.array([0]))
    plot = output.with_suffix(".png")
    window = future_window(data, shown)
    save_png(draw_forecast(replace(window, title=f"Forecast of {data.names[0]}")), plot)
    print(f"Saved {output} and {plot}")


@dataclass(frozen=True)
class _Inputs:
    """What the forecasts of one run are made from."""

    run: Run
    data: Panel
    horizon: int
    quantiles: QuantileConfig
    calibration: Calibration | None

    def forecasts(self, numbers: Steps) -> FutureForecast:
        return self.run.forecasts(
            self.data, self.horizon, self.quantiles, self.calibration, numbers
        )


def _inputs(run: Run, config: PredictConfig, horizon: int) -> _Inputs:
    quantiles = run.quantile_config(config.quantiles, config.num_samples)
    data, calibration = run.load_data(horizon, config.data_path, config.future_path), None
    if config.intervals is not None:
        data, split = run.split(data, horizon)
        spec = run.backtest_spec(horizon, quantiles=quantiles)
        calibration = build(config.intervals)(run.bundle, data, split, spec)
    return _Inputs(run, data, horizon, quantiles, calibration)


def _targets(data: Panel) -> str:
    return fingerprint(Panel(data.names, data.times, data.targets))


def check_output(path: Path) -> None:
    """Check, before any work is done, that a forecast and its plot can be written.

    Raises:
        UserError: if a file exists, the folder does not, or the suffix is unknown.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"output: {str(path)!r} must end in .csv or .parquet.")
    if not path.parent.is_dir():
        raise UserError(f"output: there is no folder '{path.parent}'. Create it first.")
    for existing in (path, path.with_suffix(".png")):
        if existing.exists():
            raise UserError(f"output: '{existing}' already exists. Choose another name.")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table aside as CSV or Parquet, by the suffix of ``path``, and put it in place."""
    write = table.to_parquet if path.suffix == ".parquet" else table.to_csv
    with written_aside(path) as unfinished:
        write(unfinished, index=False)
