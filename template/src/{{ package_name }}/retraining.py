"""A backtest whose model is trained again as its origin moves on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from .bundle import Bundle
from .data import SeriesSet, Split
from .evaluation import Array, Backtest, beside_baseline, forecast_origins, test_origins
from .flat import Steps
from .inference import Forecasts
from .machine import Machine
from .settings import QuantileSettings, TrainSettings
from .training import build_model, fit_model, make_windows, scale_data

# callbacks may want a logger, but a tracker shall not get a run for every training
NO_LOGGER = {"none": {"_target_": "pytorch_lightning.loggers.logger.DummyLogger"}}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Retraining:
    """How a run is trained again, on other data.

    Attributes:
        settings: of the run; the seed is the same in every training.
        machine: what the loader plan is made for.
        run_dir: the folder that the settings name, where nothing is written.
        output_dir: where the files that a training writes lie until it is over.
        seconds: how long the training of the run took.
    """

    settings: TrainSettings
    machine: Machine
    run_dir: str
    output_dir: Path
    seconds: float

    def train(self, data: SeriesSet, split: Split) -> Bundle:
        """Fit scalers and model from scratch on training and validation part."""
        with TemporaryDirectory(
            dir=self.output_dir, prefix="training-", ignore_cleanup_errors=True
        ) as folder:
            settings = replace(
                self.settings,
                callbacks=_moved_paths(self.settings.callbacks, self.run_dir, folder),
                trainer=_moved_paths(self.settings.trainer, self.run_dir, folder),
                logger=NO_LOGGER,
                save_every_n_epochs=0,
            )
            model = build_model(settings, Path(folder))
            prepared = scale_data(data, split, settings.data)
            windows = make_windows(model, settings, prepared, self.machine)
            fit_model(model, settings, *windows, self.machine)
        return Bundle(model, prepared.scalers)


def backtest_retrained(
    retraining: Retraining,
    every: int,
    bundle: Bundle,
    data: SeriesSet,
    split: Split,
    horizon: int,
    stride: int,
    season_length: int,
    quantiles: QuantileSettings,
) -> Backtest:
    """Forecast as ``backtest`` does, with a model trained from scratch for every few origins.

    A training sees of each series what lies before the first origin that it is for, and all of a
    series without such an origin. The last steps of that are for validation, as many as in the
    run.

    Args:
        retraining: how the run is trained again.
        every: origins that share a model.
        bundle: of the run; says what a forecast reads.
        data: series in their original unit.
        split: where the test part of every series begins.
        horizon: steps of each forecast.
        stride: steps between two origins.
        season_length: steps in one season, for the seasonal-naive baseline and scaled errors.
        quantiles: those of the forecasts of a model with a likelihood.
    """
    origins = test_origins(bundle, data, split, horizon, stride)
    trainings = -(-max(len(positions) for positions in origins) // every)
    log.info(
        "The model is trained %d times from scratch; the training of the run took %.0f s.",
        trainings,
        retraining.seconds,
    )
    parts = []
    for training in range(trainings):
        log.info("Training %d of %d.", training + 1, trainings)
        due = slice(training * every, (training + 1) * every)
        current = retraining.train(data, _moved_split(split, data, origins, due.start))
        numbers = [number for number, positions in enumerate(origins) if len(positions[due])]
        own = [origins[number][due] for number in numbers]
        found = forecast_origins(current, data.select(numbers), own, horizon, quantiles)
        parts.append((numbers, found))
    shift = int(bundle.model.output_chunk_shift)
    forecasts = _joined(parts, len(data.names))
    return beside_baseline(data, split, origins, forecasts, shift, season_length)


def _joined(parts: list[tuple[list[int], Forecasts]], count: int) -> Forecasts:
    """Put forecasts from consecutive origins together.

    Args:
        parts: positions of series, and the forecasts of these.
        count: of all series.
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
    """Let the test parts begin at the ``number``-th origin, and the validation parts as well."""
    begins = [
        int(positions[number]) if number < len(positions) else len(series)
        for positions, series in zip(origins, data.targets, strict=True)
    ]
    ends = [
        end + begin - start
        for end, begin, start in zip(split.train_end, begins, split.test_start, strict=True)
    ]
    return Split(train_end=ends, test_start=begins)


def _moved_paths(node: Any, old: str, new: str) -> Any:
    """Replace a folder in all texts of nested dicts."""
    if isinstance(node, dict):
        return {key: _moved_paths(value, old, new) for key, value in node.items()}
    if isinstance(node, str) and node.startswith(old):
        return new + node.removeprefix(old)
    return node
