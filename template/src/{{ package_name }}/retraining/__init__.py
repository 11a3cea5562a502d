"""A backtest that trains the model from scratch for every few origins."""

import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ..data import Panel, Split, Steps
from ..errors import UserError
from ..evaluation.backtest import Backtest, BacktestSpec, baseline_backtest
from ..evaluation.inference import Array, Forecasts, Origins, forecast_bundle
from ..loading.hardware import detect_hardware
from ..modeling.build import build_model
from ..modeling.bundle import Bundle
from ..modeling.fit import fit_model, make_windows, scale_data
from ..run import Run
from ..run_config import moved_paths

# callbacks may need a logger, but a tracker should not get a run per training
NO_LOGGER = {"none": {"_target_": "pytorch_lightning.loggers.logger.DummyLogger"}}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retraining:
    """The node ``backtest: retrain``; ``every`` is the number of origins that share a model."""

    every: int

    def __post_init__(self) -> None:
        """Check the number."""
        if type(self.every) is not int or self.every < 1:
            raise UserError(f"backtest.every: {self.every!r} must be a whole number of at least 1.")

    def __call__(
        self, run: Run, data: Panel, split: Split, spec: BacktestSpec, output_dir: Path
    ) -> Backtest:
        """Forecast as ``evaluation.backtest`` does, with a new model for every few origins.

        Each training uses a series up to the first of its origins in that training, or the whole
        series if it has none there. The last steps are for validation, as many as in the run.

        Args:
            run: gives the config of the trainings, and the model whose inputs are read.
            data: series in their original unit.
            split: where the test part of every series begins.
            spec: horizon, stride, season and quantiles.
            output_dir: holds the files of a training until it ends.
        """
        windows = baseline_backtest(run.bundle.model, data, split, spec)
        origins, counts = windows.origins, windows.windows
        # the number of each origin among those of its series gives its training
        order = np.arange(len(origins)) - (np.cumsum(counts) - counts)[origins.series]
        training_of = order // self.every
        trainings = int(training_of.max()) + 1
        log.info(
            "Training the model %d times from scratch; the training of the run took %.0f s.",
            trainings,
            run.record["seconds"]["fit"],
        )
        parts = []
        for training in range(trainings):
            log.info("Training %d of %d.", training + 1, trainings)
            due = np.flatnonzero(training_of == training)
            starts = data.targets.stop.copy()
            np.minimum.at(starts, origins.series[due], origins.position[due])
            moved = Split(split.train_end + starts - split.test_start, starts)
            bundle = _train(run, data, moved, output_dir)
            numbers, series = np.unique(origins.series[due], return_inverse=True)
            own, selected = Origins(series, origins.position[due]), data.select(numbers)
            parts.append(forecast_bundle(bundle, selected, own, spec.horizon, spec.quantiles))
        place = np.argsort(np.argsort(training_of, kind="stable"))
        return windows.with_model(_join(parts, place))


def _train(run: Run, data: Panel, split: Split, output_dir: Path) -> Bundle:
    """Fit scalers and model from scratch on training and validation part."""
    hardware = detect_hardware(run.accelerator)
    old = run.config.paths.output_dir
    with TemporaryDirectory(dir=output_dir, prefix="training-", ignore_cleanup_errors=True) as new:
        trainer = {**run.config.trainer, "accelerator": hardware.accelerator}
        changes = {
            "callbacks": moved_paths(run.config.callbacks, old, new),
            "trainer": moved_paths(trainer, old, new),
            "logger": NO_LOGGER,
            "save_every_n_epochs": 0,
        }
        config = run.config.model_copy(update=changes)
        model = build_model(config, Path(new))
        prepared = scale_data(data, split, config.data)
        windows = make_windows(model, config, prepared, hardware)
        fit_model(model, config, *windows, hardware)
    return Bundle(model, prepared.scalers)


def _join(parts: list[Forecasts], place: Steps) -> Forecasts:
    """Return the forecasts of all trainings; ``place`` is where each one stands in ``parts``."""

    def join(arrays: list[Array]) -> Array:
        return np.concatenate(arrays)[place]

    quantiles = {
        level: join([part.quantiles[level] for part in parts]) for level in parts[0].quantiles
    }
    return Forecasts(join([part.point for part in parts]), quantiles)
