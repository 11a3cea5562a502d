"""Backtest a finished run, and write its metrics: overall, by step and by series."""

from pathlib import Path

from omegaconf import DictConfig

from ..config import EvaluateConfig, build, check_config
from ..evaluation.backtest import backtest, with_reference
from ..evaluation.metrics import import_metrics
from ..evaluation.plots import draw_metric_by_step, save_png
from ..evaluation.results import RunResults, describe_run, summary, write_results
from ..run import load_run
from ..runs.folder import is_bundle, shown


def evaluate(composed: DictConfig) -> None:
    """Run the command on the config that Hydra composed.

    Raises:
        UserError: when the config, the run or the data is not usable.
    """
    config = check_config(composed, EvaluateConfig)
    folder = Path(config.paths.output_dir)
    run = load_run(config.run, config.accelerator)
    metric_names = config.metrics or run.config.metrics
    first_metric = next(iter(import_metrics(metric_names)))
    spec = run.backtest_spec(config.horizon, config.stride, config.quantiles, config.num_samples)
    start = config.test_start
    loaded = run.load_data(spec.horizon, config.data_path, test_start=start)
    data, split = run.split(loaded, spec.horizon, start)
    if start is not None:
        spec = with_reference(run.bundle, data, split, spec)
    if config.backtest is None:
        tested = backtest(run.bundle, data, split, spec)
    else:
        tested = build(config.backtest)(run, data, split, spec, folder)
    if config.intervals is not None:
        calibrate = build(config.intervals)
        tested = tested.calibrated(calibrate(run.bundle, data, split, spec))
    results = RunResults(
        folder=folder,
        run_dir=run.folder,
        record={} if is_bundle(run.folder) else run.record,
        subject=describe_run(run.config),
        data=data,
        backtest=tested,
        metric_names=metric_names,
    )
    write_results(results)
    figure = draw_metric_by_step(results.metrics.by_step, first_metric, tested.baseline)
    save_png(figure, folder / "metrics_by_step.png")
    for step in build(config.after_run).values():
        step(results)
    print(f"{results.title} by {shown(run.folder)}")
    print(summary(results))
    print(f"Saved in {shown(folder)}")
