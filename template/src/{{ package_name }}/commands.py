"""The commands behind the entry points, each told from top to bottom."""

import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from darts import TimeSeries
from omegaconf import DictConfig

from . import machine as machines
from .bundle import Bundle, load_bundle, save_bundle, start_from
from .conformal import calibrate, with_calibration
from .data import SeriesSet, Split, fingerprint, load_data, open_storage, split_data
from .dataloader import plan_loader
from .ensembling import combine
from .errors import UserError
from .evaluation import Backtest, backtest
from .forecasting import Forecast, check_output, forecast, forecast_table, write_table
from .intervals import quantile_metrics
from .metrics import Metrics, measure
from .plots import plot_forecast, plot_metrics_by_step
from .record import (
    BUNDLE,
    METRICS,
    RECORD,
    check_same_data,
    find_run,
    read_record,
    read_settings,
    recorded_folder,
    remove_leftovers,
    run_record,
    unfinished_config,
    write_config,
    write_json,
)
from .report import REPORT, describe_run, write_report
from .resuming import load_point, requeue_on_signal
from .retraining import Retraining, backtest_retrained
from .settings import (
    DataSettings,
    EvaluateSettings,
    FileSettings,
    PredictSettings,
    QuantileSettings,
    TrainSettings,
    evaluate_settings,
    plain,
    predict_settings,
    train_settings,
)
from .skill import Skill, measure_skill, skill_by_series
from .summary import summary
from .tracking import track_results, track_settings
from .training import (
    build_model,
    fit_model,
    make_windows,
    prepare_data,
    steps_ahead,
    supported_covariates,
)
from .workload import GATHERED

# Lightning 2.6 provokes this in torch on every start, and no user can act on it.
warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")

# history that is drawn in front of a forecast, in horizons
HISTORY_HORIZONS = 6


def train(config: DictConfig) -> None:
    """Train a model, test it beside the baseline, and leave everything in the run folder."""
    resumed, point = config.resume is not None, None
    if resumed:
        config = unfinished_config(Path(config.resume))
    run_dir = Path(config.paths.output_dir)
    settings = train_settings(config)
    machine = machines.detect(settings.trainer.get("accelerator", "auto"))
    # settings that cannot work are refused before any data is read
    plan_loader(settings.dataloader, machine, GATHERED)
    if resumed:
        remove_leftovers(run_dir)
        point = load_point(run_dir)
    else:
        write_config(run_dir, config)
    requeue_on_signal()
    clock = _Clock()

    model = build_model(settings, run_dir, point)
    if settings.finetune is not None and point is None:
        source = find_run(settings.finetune, "finetune")
        start_from(source / BUNDLE, model, read_settings(source).model, settings.model)
    loggers = model.trainer_params["logger"]
    track_settings(loggers, plain(config))
    with open_storage(settings.data.storage, run_dir) as storage:
        prepared = prepare_data(model, settings, storage)
        data, split, scalers = prepared.data, prepared.split, prepared.scalers
        digest = fingerprint(data)
        check_same_data(run_dir, digest)
        clock.lap("load")

        train_windows, validation_windows = make_windows(model, settings, prepared, machine)
        plan = fit_model(model, settings, train_windows, validation_windows, machine)
        save_bundle(run_dir / BUNDLE, model, scalers)
        write_config(run_dir / BUNDLE, config)
        clock.lap("fit")

        # the test runs on what was saved, so a bundle that does not load shows at once
        bundle = load_bundle(run_dir / BUNDLE, settings.model["_target_"], machine.accelerator)
        result = backtest(
            bundle,
            data,
            split,
            settings.horizon,
            settings.stride,
            settings.data.season_length,
            settings.quantiles,
            storage,
        )
        metrics, skill, quantiles = _write_results(run_dir, data, result, settings.metrics)
        clock.lap("evaluate")
        record = run_record(settings, plan, digest, clock.seconds)
        run = describe_run(run_dir, record, f"Run {_shown(run_dir)}", _what(settings, result))
        write_report(run_dir / REPORT, run, data, result, metrics, skill, quantiles)

    write_json(run_dir / RECORD, record)
    track_results(loggers, run_dir)
    print(summary(metrics, skill, quantiles))
    print(f"Saved in {_shown(run_dir)}")


def evaluate(config: DictConfig) -> None:
    """Backtest a finished run and write its metrics: overall, by step and by series."""
    output_dir = Path(config.paths.output_dir)
    wanted = evaluate_settings(config)
    run_dir = find_run(wanted.run)
    settings = read_settings(run_dir)
    horizon = wanted.horizon or settings.horizon
    bundle, data = _load_run(run_dir, settings, wanted.data_path, wanted.accelerator, horizon)
    data, split = _test_parts(bundle, data, settings, horizon)
    stride, season_length = wanted.stride or settings.stride, settings.data.season_length
    levels = _wanted_quantiles(wanted, settings)
    if wanted.retrain:
        again = _retraining(run_dir, settings, wanted.accelerator, output_dir)
        every = int(wanted.retrain)
        result = backtest_retrained(
            again, every, bundle, data, split, horizon, stride, season_length, levels
        )
    else:
        result = backtest(bundle, data, split, horizon, stride, season_length, levels)
    if wanted.conformal:
        result = with_calibration(result, calibrate(bundle, data, split, horizon, levels))
    names = wanted.metrics or settings.metrics
    metrics, skill, quantiles = _write_results(output_dir, data, result, names)
    plot_metrics_by_step(output_dir / "metrics_by_step.png", metrics.by_step)
    done = f"{_what(settings, result)} by {_shown(run_dir)}"
    if wanted.retrain:
        done += f", trained again for every {wanted.retrain} origins"
    run = describe_run(run_dir, read_record(run_dir), f"Evaluation {_shown(output_dir)}", done)
    write_report(output_dir / REPORT, run, data, result, metrics, skill, quantiles)
    print(done)
    print(summary(metrics, skill, quantiles))
    print(f"Saved in {_shown(output_dir)}")


def predict(config: DictConfig) -> None:
    """Forecast beyond the data with the bundles of finished runs."""
    wanted = predict_settings(config)
    output = Path(wanted.output)
    check_output(output)
    run_dirs = [find_run(run) for run in wanted.run]
    horizon = wanted.horizon or read_settings(run_dirs[0]).horizon
    data, first = _forecast_of_run(run_dirs[0], wanted, horizon)
    members = [first]
    for run_dir in run_dirs[1:]:
        others, member = _forecast_of_run(run_dir, wanted, horizon)
        if others.names != data.names or others.targets != data.targets:
            raise UserError(
                f"run: '{run_dir}' forecasts other data than '{run_dirs[0]}'. Combine runs on the "
                "same data, or give them the same with data_path=..."
            )
        members.append(member)
    forecasts = combine(members, wanted.ensemble)
    write_table(forecast_table(data.names, forecasts), output)
    picture = output.with_suffix(".png")
    history = data.targets[0][-HISTORY_HORIZONS * horizon :]
    plot_forecast(
        picture,
        f"Forecast of {data.names[0]}",
        history,
        forecasts[0].point,
        quantiles=forecasts[0].quantiles,
    )
    print(f"Saved {output} and {picture}")


def _forecast_of_run(
    run_dir: Path, wanted: PredictSettings, horizon: int
) -> tuple[SeriesSet, list[Forecast]]:
    """Return the data of a run and what it forecasts after it."""
    settings = read_settings(run_dir)
    bundle, data = _load_run(
        run_dir, settings, wanted.data_path, wanted.accelerator, horizon, wanted.future_path
    )
    levels, calibration = _wanted_quantiles(wanted, settings), None
    if wanted.conformal:
        data, split = _test_parts(bundle, data, settings, horizon)
        calibration = calibrate(bundle, data, split, horizon, levels)
    return data, forecast(bundle, data, horizon, levels, calibration)


def _wanted_quantiles(
    wanted: EvaluateSettings | PredictSettings, settings: TrainSettings
) -> QuantileSettings:
    """Return the quantiles of the run, with what the command asks for in their place."""
    return replace(
        settings.quantiles,
        levels=wanted.quantiles or settings.quantiles.levels,
        num_samples=wanted.num_samples or settings.quantiles.num_samples,
    )


def _load_run(
    run_dir: Path,
    settings: TrainSettings,
    data_path: str | None,
    accelerator: str,
    horizon: int,
    future_path: str | None = None,
) -> tuple[Bundle, SeriesSet]:
    device = machines.resolve_accelerator(accelerator)
    bundle = load_bundle(run_dir / BUNDLE, settings.model["_target_"], device)
    source: DataSettings = settings.data
    if data_path is not None or future_path is not None:
        if not isinstance(source, FileSettings):
            key = "data_path" if data_path is not None else "future_path"
            raise UserError(f"{key}: the run was trained on {source.source}, not on a file.")
        source = replace(source, path=data_path or source.path)
    future = Path(future_path) if future_path is not None else None
    data = load_data(source, ahead=steps_ahead(bundle.model, horizon), future=future)
    data = bundle.match(data, drop=source.short_series == "drop")
    return bundle, supported_covariates(bundle.model, data)


def _test_parts(
    bundle: Bundle, data: SeriesSet, settings: TrainSettings, horizon: int
) -> tuple[SeriesSet, Split]:
    """Divide data for forecasts of ``horizon`` steps."""
    return split_data(
        data,
        settings.data,
        horizon + bundle.model.output_chunk_shift,
        train_length=bundle.model.input_chunk_length,
    )


def _retraining(
    run_dir: Path, settings: TrainSettings, accelerator: str, output_dir: Path
) -> Retraining:
    """Return how a run is trained again, on this machine."""
    machine = machines.detect(accelerator)
    trainer = settings.trainer | {"accelerator": machine.accelerator}
    return Retraining(
        settings=replace(settings, trainer=trainer),
        machine=machine,
        run_dir=recorded_folder(run_dir),
        output_dir=output_dir,
        seconds=read_record(run_dir)["seconds"]["fit"],
    )


def _write_results(
    folder: Path, data: SeriesSet, result: Backtest, names: list[str]
) -> tuple[Metrics, Skill, dict[str, dict[str, float]]]:
    """Write the metrics of a test and a picture of its last forecast."""
    metrics, skill = measure(result, names), measure_skill(result)
    quantiles = {
        name: quantile_metrics(result.truth, levels)
        for name, levels in (
            ("quantiles", result.quantiles),
            ("uncalibrated quantiles", result.uncalibrated),
        )
        if levels is not None
    }
    metrics.by_series["skill"] = skill_by_series(result)
    scores = {
        "test": metrics.test,
        "test_standardised": metrics.test_standardised,
        "skill": skill.as_dict(),
        **{f"test_{name.replace(' ', '_')}": found for name, found in quantiles.items()},
    }
    write_json(folder / METRICS, scores)
    metrics.by_step.to_csv(folder / "metrics_by_step.csv", index=False)
    metrics.by_series.to_csv(folder / "metrics_by_series.csv", index=False)
    _plot_last_window(folder / "forecast.png", data, result)
    return metrics, skill, quantiles


def _what(settings: TrainSettings, result: Backtest) -> str:
    model = settings.model["_target_"].split(".")[-1]
    windows = sum(len(starts) for starts in result.starts)
    steps = result.truth[0].shape[1]
    return f"{model} on {settings.data.source}: {windows} forecasts of {steps} steps"


def _plot_last_window(path: Path, data: SeriesSet, result: Backtest) -> None:
    """Draw the last test forecast of the first series."""
    series, start = data.targets[0], int(result.starts[0][-1])
    horizon = result.truth[0].shape[1]

    def part(values: np.ndarray) -> TimeSeries:
        times = series.time_index[start : start + horizon]
        return TimeSeries(times, values, components=series.components)

    plot_forecast(
        path,
        f"Last test forecast of {data.names[0]}",
        history=series[max(0, start - HISTORY_HORIZONS * horizon) : start],
        forecast=part(result.forecasts["model"][0][-1]),
        truth=part(result.truth[0][-1]),
        baseline=part(result.forecasts["baseline"][0][-1]),
        quantiles={
            level: part(values[0][-1]) for level, values in (result.quantiles or {}).items()
        },
    )


def _shown(path: Path) -> Path:
    """Shorten a path below the working directory, so that it can be copied to `run=`."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


class _Clock:
    """Wall time of consecutive stages, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = now - self._last
        self._last = now
