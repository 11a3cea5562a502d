"""A backtest whose model is trained from scratch for every few origins."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..data import SeriesSet, Split
from ..errors import UserError
from ..evaluation.backtest import Array, Backtest, BacktestSpec, baseline_backtest
from ..evaluation.inference import Forecasts, forecast_bundle
from ..loading.hardware import detect_hardware
from ..loading.series_tensor import Steps
from ..modeling.build import build_model
from ..modeling.bundle import Bundle
from ..modeling.fit import fit_model, make_windows, scale_data
from ..run import Run

# callbacks may need a logger, but a tracker should not get a run per training
NO_LOGGER = {"none": {"_target_": "pytorch_lightning.loggers.logger.DummyLogger"}}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retraining:
    """The node ``backtest: retrain``; ``every`` is the number of origins that share a model."""

    every: int

    def __post_init__(self) -> None:
        """Raise UserError unless ``every`` is a whole number of at least 1."""
        if type(self.every) is not int or self.every < 1:
            raise UserError(f"backtest.every: {self.every!r} must be a whole number of at least 1.")

    def __call__(
        self, run: Run, data: SeriesSet, split: Split, spec: BacktestSpec, output_dir: Path
    ) -> Backtest:
        """Forecast as ``evaluation.backtest`` does, with a new model for every few origins.

        A training uses each series up to the first origin that it is for, and the whole series if
        it has no such origin. The last steps are for validation, as many as in the run.

        Args:
            run: gives the config of the trainings, and the model whose inputs are read.
            data: series in their original unit.
            split: where the test part of every series begins.
            spec: horizon, stride, season and quantiles.
            output_dir: holds the files of a training until it ends.
        """
        windows = baseline_backtest(run.bundle.model, data, split, spec)
        origins = windows.origins
        trainings = -(-max(map(len, origins)) // self.every)
        log.info(
            "Training the model %d times from scratch; the training of the run took %.0f s.",
            trainings,
            run.record["seconds"]["fit"],
        )
        parts = []
        for training in range(trainings):
            log.info("Training %d of %d.", training + 1, trainings)
            due = slice(training * self.every, (training + 1) * self.every)
            bundle = _train(run, data, _moved_split(split, data, origins, due.start), output_dir)
            numbers = [number for number, positions in enumerate(origins) if len(positions[due])]
            own = [origins[number][due] for number in numbers]
            forecasts = forecast_bundle(
                bundle, data.select(numbers), own, spec.horizon, spec.quantiles
            )
            parts.append((numbers, forecasts))
        return windows.with_model(_join(parts, len(origins)))


def _train(run: Run, data: SeriesSet, split: Split, output_dir: Path) -> Bundle:
    """Fit scalers and model from scratch on training and validation part."""
    hardware = detect_hardware(run.accelerator)
    old = run.config.paths.output_dir
    with TemporaryDirectory(dir=output_dir, prefix="training-", ignore_cleanup_errors=True) as new:
        trainer = {**run.config.trainer, "accelerator": hardware.accelerator}
        changes = {
            "callbacks": _moved_paths(run.config.callbacks, old, new),
            "trainer": _moved_paths(trainer, old, new),
            "logger": NO_LOGGER,
            "save_every_n_epochs": 0,
        }
        config = run.config.model_copy(update=changes)
        model = build_model(config, Path(new))
        prepared = scale_data(data, split, config.data)
        windows = make_windows(model, config, prepared, hardware)
        fit_model(model, config, *windows, hardware)
    return Bundle(model, prepared.scalers)


def _join(parts: list[tuple[list[int], Forecasts]], count: int) -> Forecasts:
    """Concatenate forecasts from consecutive origins.

    Args:
        parts: positions of series, and the forecasts of these series.
        count: number of all series.
    """

    def join(values: list[list[Array]]) -> list[Array]:
        found: list[list[Array]] = [[] for _ in range(count)]
        for (numbers, _), group in zip(parts, values, strict=True):
            for number, own in zip(numbers, group, strict=True):
                found[number].append(own)
        return [np.concatenate(one) for one in found]

    point = join([forecasts.point for _, forecasts in parts])
    levels = [forecasts.quantiles for _, forecasts in parts if forecasts.quantiles]
    if not levels:
        return Forecasts(point)
    return Forecasts(point, {level: join([one[level] for one in levels]) for level in levels[0]})


def _moved_split(split: Split, data: SeriesSet, origins: Sequence[Steps], number: int) -> Split:
    """Start the test parts at the ``number``-th origin, and move the validation parts with them."""
    starts = [
        int(positions[number]) if number < len(positions) else len(series)
        for positions, series in zip(origins, data.targets, strict=True)
    ]
    ends = [
        end + start - old
        for end, start, old in zip(split.train_end, starts, split.test_start, strict=True)
    ]
    return Split(train_end=ends, test_start=starts)


def _moved_paths(node: Any, old: str, new: str) -> Any:
    """Replace a folder at the start of every text in nested dicts."""
    if isinstance(node, dict):
        return {key: _moved_paths(value, old, new) for key, value in node.items()}
    if isinstance(node, str) and node.startswith(old):
        return new + node.removeprefix(old)
    return node
