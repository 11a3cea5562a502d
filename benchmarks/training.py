"""Steps per second of whole fits: the project, Darts' own ``fit``, and a bare PyTorch loop.

All three train the same module on 256 windows a step, with Adam, no validation, no checkpoint, no
logger and no progress bar. Start-up is not part of it: the first steps are not timed.
"""

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from common import (
    BATCH,
    INPUT,
    OUTPUT,
    Row,
    darts_dataset,
    interleaved,
    medians,
    random_series,
    window_dataset,
)
from darts import TimeSeries
from hydra import compose, initialize_config_dir
from my_forecast.config import TrainConfig, check_config
from my_forecast.loading.epoch_order import EpochOrder, GatheredBatches
from my_forecast.loading.hardware import detect_hardware
from my_forecast.loading.windows import WindowDataset
from my_forecast.modeling.build import build_model
from my_forecast.modeling.fit import fit_model
from pytorch_lightning import Callback
from pytorch_lightning.profilers import PassThroughProfiler
from scripts.processes import project

WARM_UP = 20
STEPS = {"nlinear": 1000, "dlinear": 600, "nhits": 300, "tide": 100}
# the project against Darts' fit, and against the bare loop
FIT_TARGETS = {"nlinear": 2.5, "dlinear": 2.5, "nhits": 1, "tide": 1}
# Darts' defaults where the project's configs differ: no normalisation layer, no dropout
SIZES = {
    "dlinear": ["model.use_reversible_instance_norm=false"],
    "nhits": [
        *("model.num_layers=2", "model.layer_widths=64"),
        *("model.use_reversible_instance_norm=false", "model.dropout=0.0"),
    ],
    "tide": ["model.use_reversible_instance_norm=false"],
}


class Clock(Callback):
    """Ends the training after some steps and notes how long those after the warm-up took."""

    def __init__(self, steps: int) -> None:
        """Time ``steps`` steps."""
        self.steps = steps
        self.start = self.end = 0.0

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Look at the clock."""
        if trainer.global_step == WARM_UP:
            self.start = time.perf_counter()
        elif trainer.global_step == WARM_UP + self.steps:
            self.end = time.perf_counter()
            trainer.should_stop = True


class Waiting(PassThroughProfiler):
    """Measures the share of the steps that is spent waiting for batches."""

    FETCH, STEP = "[_TrainingEpochLoop].train_dataloader_next", "run_training_batch"

    def __init__(self) -> None:
        """Begin at 0."""
        super().__init__()
        self.total = dict.fromkeys((self.FETCH, self.STEP), 0.0)
        self.started = 0.0

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Time batches and steps; the same for every hook would slow the steps down."""
        return super().profile(action_name) if action_name in self.total else nullcontext()

    def start(self, action_name: str) -> None:
        """Look at the clock; one of the two ends before the other begins."""
        self.started = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """Add the time since the start."""
        self.total[action_name] += time.perf_counter() - self.started

    @property
    def share(self) -> float:
        """In percent."""
        return 100 * self.total[self.FETCH] / sum(self.total.values())


def measure() -> Iterator[Row]:
    """Compare all models, and show how long the project's steps wait for data."""
    quiet()
    series = random_series([2000] * 100)
    windows = window_dataset(darts_dataset(series))
    for name, steps in STEPS.items():
        waiting: list[float] = []
        sides: dict[str, Callable[[], float]] = {
            "darts": lambda name=name: darts_steps(name, series),
            "project": lambda name=name, waiting=waiting: project_steps(name, windows, waiting),
            "bare loop": lambda name=name: bare_steps(name, windows),
        }
        speed = medians(interleaved(sides))
        detail = {f"{side} steps/s": round(value, 1) for side, value in speed.items()}
        ratio = speed["project"] / speed["darts"]
        yield Row("fit", f"{name}: against Darts' fit", ratio, f">= {FIT_TARGETS[name]} x", detail)
        # what no change around the module can get past
        detail["bare loop against Darts' fit"] = round(speed["bare loop"] / speed["darts"], 2)
        share = 100 * speed["project"] / speed["bare loop"]
        yield Row("limit", f"{name}: share of a bare loop's steps/s", share, ">= 75 %", detail)
        if name in ("nlinear", "nhits"):
            median = sorted(waiting)[len(waiting) // 2]
            detail = {"steps": steps}
            yield Row("step", f"{name}: share of a step spent waiting", median, "<= 5 %", detail)


def project_steps(name: str, windows: WindowDataset, waiting: list[float]) -> float:
    """Return steps/s of the project's fit, and note the share of waiting in percent."""
    with TemporaryDirectory() as folder:
        config = settings(name, folder, STEPS[name])
        model = build_model(config, Path(folder))
        fit_model(model, config, windows, None, detect_hardware("cpu"))
        clock = next(one for one in model.trainer_params["callbacks"] if isinstance(one, Clock))
    waiting.append(model.trainer.profiler.share)
    return clock.steps / (clock.end - clock.start)


def darts_steps(name: str, series: list[TimeSeries]) -> float:
    """Return steps/s of Darts' fit with the same arguments."""
    with TemporaryDirectory() as folder:
        config = settings(name, folder, STEPS[name])
        template = build_model(config, Path(folder))
        clock = Clock(STEPS[name])
        arguments = dict(template.model_params)
        arguments["pl_trainer_kwargs"] = {
            "accelerator": "cpu",
            "callbacks": [clock],
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "max_epochs": 10**6,
        }
        type(template)(**arguments).fit(series, dataloader_kwargs={"pin_memory": False})
    return clock.steps / (clock.end - clock.start)


def made_module(name: str, windows: WindowDataset) -> Any:
    """Return the module that Darts makes of a model."""
    with TemporaryDirectory() as folder:
        config = settings(name, folder, 1)
        model = build_model(config, Path(folder))
        fit_model(model, config, windows, None, detect_hardware("cpu"))  # makes the module
    return model.model.train()


def bare_steps(name: str, windows: WindowDataset, **adam: Any) -> float:
    """Return steps/s of the module that Darts makes, trained without Lightning."""
    module = made_module(name, windows)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3, **adam)
    order = EpochOrder(len(windows), BATCH, seed=0)
    loader = GatheredBatches(windows, order)
    step, start = 0, 0.0
    while True:
        order.set_epoch(order.epoch + 1)
        for batch in loader:
            prediction = module(batch.to_module_input())
            loss = module.train_criterion(prediction.prediction.squeeze(-1), batch.future_target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if step == WARM_UP:
                start = time.perf_counter()
            elif step == WARM_UP + STEPS[name]:
                return STEPS[name] / (time.perf_counter() - start)


def quiet() -> None:
    """Keep Lightning and Darts from reporting on every fit."""
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")


def settings(name: str, folder: str, steps: int) -> TrainConfig:
    """Compose the project's configuration for the shared work."""
    with initialize_config_dir(version_base="1.3", config_dir=str(project() / "conf")):
        config = compose(
            "train",
            [
                *("data=synthetic", f"model={name}", *SIZES.get(name, [])),
                *(f"model.input_chunk_length={INPUT}", f"horizon={OUTPUT}"),
                f"model.batch_size={BATCH}",
                *("callbacks=[]", "logger=[]", "data.validation_size=0", "trainer=cpu"),
                "save_every_n_epochs=0",
                *("trainer.max_epochs=1000000", "trainer.gradient_clip_val=null"),
                *("trainer.log_every_n_steps=50", "+trainer.enable_progress_bar=false"),
                f"+callbacks.clock._target_={Clock.__module__}.Clock",
                f"+callbacks.clock.steps={steps}",
                f"+trainer.profiler._target_={Waiting.__module__}.Waiting",
                f"paths.output_dir={folder}",
            ],
        )
    return check_config(config, TrainConfig)
