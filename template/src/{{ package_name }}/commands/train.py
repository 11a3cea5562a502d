"""Train a model, test it beside the baseline, and leave everything in the run's folder."""

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ..cli import other_overrides, refuse_other_overrides
from ..config import TrainConfig, build, check_config
from ..data import IN_MEMORY, Storage, fingerprint
from ..evaluation.backtest import backtest, reference, validation_backtest
from ..evaluation.metrics import import_metrics
from ..evaluation.results import RunResults, describe_run, summary, write_results
from ..loading.batch_cost import GATHERED
from ..loading.hardware import Hardware, detect_hardware
from ..loading.plan import plan_loader
from ..modeling.build import build_model, trust_classes
from ..modeling.bundle import Bundle, load_weights, save_bundle
from ..modeling.fit import fit_model, make_windows, prepare_data
from ..modeling.resume import load_point
from ..run import Run, load_run
from ..run_config import unknown_code
from ..runs.folder import (
    BUNDLE,
    CONFIG,
    RECORD,
    bundle_of,
    check_same_data,
    check_unfinished,
    finish_run,
    locked,
    remove_leftovers,
    shown,
    write_config,
    write_json,
)
from ..runs.record import StageTimer, run_record

log = logging.getLogger(__name__)


def train(composed: DictConfig) -> None:
    """Run the command on the config that Hydra composed.

    Raises:
        UserError: when the config, the data or the run to resume is not usable.
    """
    run_dir = Path(composed.paths.output_dir)
    with locked(run_dir):
        _train(composed, run_dir)


def _train(composed: DictConfig, run_dir: Path) -> None:
    point = None
    resumed = composed.resume is not None
    if resumed:
        refuse_other_overrides("resume")
        config = check_config(run_dir / CONFIG, TrainConfig)
        check_unfinished(run_dir, config.paths.output_dir)
    else:
        config = check_config(composed, TrainConfig)
        for key, name in unknown_code(config.as_dict()):
            log.warning("%s: a file in conf/ must name %s to load the run.", key, name)
        if config.finetune is not None:
            log.info(
                "Fine-tuning '%s': weights and config are those of this run, but for %s.",
                config.finetune,
                ", ".join(other_overrides("finetune")) or "nothing",
            )
    hardware = detect_hardware(config.trainer.get("accelerator", "auto"))
    # settings that cannot work are refused before any data is read
    import_metrics(config.metrics)
    trust_classes(config.model)
    plan_loader(config.dataloader, hardware, GATHERED)
    if resumed:
        remove_leftovers(run_dir)
        point = load_point(run_dir)
    else:
        write_config(run_dir, config.as_dict())
    with (build(config.storage) or IN_MEMORY).open(run_dir) as storage:
        _fit_and_test(config, run_dir, hardware, point, storage)


def _fit_and_test(
    config: TrainConfig,
    run_dir: Path,
    hardware: Hardware,
    point: dict[str, Any] | None,
    storage: Storage,
) -> None:
    """Do all that needs the data. Its values are in use until this returns."""
    timer = StageTimer()
    model = build_model(config, run_dir, point)
    if config.finetune is not None and point is None:
        source = load_run(config.finetune, key="finetune")
        trust_classes(source.config.model)
        load_weights(bundle_of(source.folder), model, source.config.model, config.model)
    prepared = prepare_data(model, config, storage)
    digest = fingerprint(prepared.data)
    check_same_data(run_dir, digest)
    timer.end("load")

    windows = make_windows(model, config, prepared, hardware)
    plan = fit_model(model, config, *windows, hardware)
    run = Run(run_dir, config, hardware.accelerator)
    spec = run.backtest_spec()
    compared = reference(prepared.data, prepared.split, spec, model.output_chunk_shift)
    bundle = Bundle(model, prepared.scalers, compared)
    save_bundle(run_dir / BUNDLE, bundle, config.as_dict())
    timer.end("fit")

    # the test runs on what was saved, so a bundle that does not load shows at once
    parts = run.bundle, prepared.data, prepared.split
    validated = validation_backtest(*parts, spec, storage)
    spec = replace(spec, baseline=compared["baseline"])
    tested = backtest(*parts, spec, storage)
    timer.end("evaluate")
    loader = {name: asdict(choice) for name, choice in plan.items()}
    results = RunResults(
        folder=run_dir,
        run_dir=run_dir,
        record=run_record(config.seed, digest, timer.seconds, loader),
        subject=describe_run(config),
        data=prepared.data,
        backtest=tested,
        metric_names=config.metrics,
        loggers=model.trainer_params["logger"],
        validation=validated,
    )
    write_results(results)
    write_json(run_dir / RECORD, results.record)
    finish_run(run_dir)
    for step in build(config.after_run).values():
        step(results)
    print(results.title)
    print(summary(results))
    print(f"Saved in {shown(run_dir)}")
