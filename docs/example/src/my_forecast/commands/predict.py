"""Forecast beyond the data with one finished run, or with the average of several."""

from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from ..config import PredictConfig, build, command_config
from ..data import SeriesSet
from ..errors import UserError
from ..evaluation.forecast import Forecast, check_output, combine, forecast_table, write_table
from ..evaluation.plots import draw_forecast, future_window, save_png
from ..run import Run, load_run


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
    data, first = _forecast(runs[0], config, horizon)
    members = [first]
    for run in runs[1:]:
        others, forecasts = _forecast(run, config, horizon)
        if others.names != data.names or others.targets != data.targets:
            raise UserError(
                f"run: '{run.folder}' forecasts other data than '{runs[0].folder}'. Combine runs "
                "on the same data, or give them the same with data_path=..."
            )
        members.append(forecasts)
    combined = combine(members, config.ensemble)
    write_table(forecast_table(data.names, combined), output)
    plot = output.with_suffix(".png")
    window = future_window(data.targets[0], combined[0])
    save_png(draw_forecast(replace(window, title=f"Forecast of {data.names[0]}")), plot)
    print(f"Saved {output} and {plot}")


def _forecast(run: Run, config: PredictConfig, horizon: int) -> tuple[SeriesSet, list[Forecast]]:
    """Return the data of a run, and what it forecasts after its end."""
    quantiles = run.quantile_config(config.quantiles, config.num_samples)
    data, calibration = run.load_data(horizon, config.data_path, config.future_path), None
    if config.intervals is not None:
        data, split = run.split(data, horizon)
        spec = run.backtest_spec(horizon, quantiles=quantiles)
        calibration = build(config.intervals)(run.bundle, data, split, spec)
    return data, run.forecasts(data, horizon, quantiles, calibration)
