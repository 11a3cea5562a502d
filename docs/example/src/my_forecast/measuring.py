"""The loader grid of ``doctor.py measure=true``: real training steps with every way to load."""

import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from darts.utils.data import TorchTrainingDataset
from pytorch_lightning import Callback
from tqdm import tqdm

from .errors import UserError
from .machine import Machine
from .settings import LoaderSettings, TrainSettings
from .training import NoProfiler, build_model, fit_model

EPOCHS = 2
# fewer workers are preferred if they cost no more than this
TOLERANCE = 1.03


@dataclass(frozen=True)
class Measurement:
    """One point of the grid.

    Attributes:
        num_workers: of the training DataLoader; there is no validation in a measurement.
        multiprocessing_context: how they start, None without workers.
        persistent_workers: whether they live on between epochs, None without workers.
        windows_per_second: once the first batch of an epoch is there.
        first_batch_seconds: from the start of the first epoch to its first batch.
        restart_seconds: the same for the second epoch.
        worker_mib: memory that a worker has for itself alone.
        waiting: share of the time of a step spent waiting for its batch.
        training_seconds: estimated for the whole training as it is configured.
    """

    num_workers: int
    multiprocessing_context: str | None
    persistent_workers: bool | None
    windows_per_second: float
    first_batch_seconds: float
    restart_seconds: float
    worker_mib: float
    waiting: float
    training_seconds: float


class LoaderTimer(Callback):
    """Notes how long batches were waited for and how long whole steps took.

    The trainer needs a ``FetchProfiler``.
    """

    def __init__(self) -> None:
        """Start with nothing noted."""
        # per epoch, in seconds: until its first batch was there, and of all others one a step
        self.first: list[float] = []
        self.waits: list[float] = []
        self.steps: list[float] = []
        self.worker_bytes = 0.0
        self._last = 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin an epoch: workers start from here."""
        self._last = time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, index: int) -> None:
        """Note how long this batch was waited for."""
        if index == 0:
            self.first.append(time.perf_counter() - self._last)
            self._last = time.perf_counter()
        else:
            self.waits.append(trainer.profiler.waited)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *outputs: Any) -> None:
        """Note how long the step took, its batch included; look once at the workers' memory."""
        now = time.perf_counter()
        if len(self.waits) > len(self.steps):
            self.steps.append(now - self._last)
        workers = trainer.train_dataloader.num_workers
        if workers and not self.worker_bytes:
            self.worker_bytes = _unique_memory(workers)
            now = time.perf_counter()
        self._last = now


class FetchProfiler(NoProfiler):
    """Notes how long the last training batch was waited for."""

    waited = 0.0
    _start = 0.0

    def start(self, action_name: str) -> None:
        """Take the time where Lightning asks for a batch."""
        if action_name.endswith("train_dataloader_next"):
            self._start = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """Take the time where it has got one."""
        if action_name.endswith("train_dataloader_next"):
            self.waited = time.perf_counter() - self._start


def grid(machine: Machine) -> list[LoaderSettings]:
    """Return the settings to compare: none, and 1, 2, 4, ... workers started in every way."""
    cpus = max(2, machine.usable_cpus)
    numbers = [number for number in (1, 2, 4, 8, 16) if number <= cpus]
    return [LoaderSettings(num_workers=0)] + [
        LoaderSettings(
            num_workers=number, multiprocessing_context=method, persistent_workers=persistent
        )
        for method in machine.start_methods
        for number in numbers
        for persistent in (True, False)
    ]


def measure_grid(
    settings: TrainSettings, train: TorchTrainingDataset, machine: Machine, batches: int
) -> list[Measurement]:
    """Train for two short epochs at every point of the grid, and show a progress bar.

    Args:
        settings: of the training that is measured; model and accelerator are used as they are.
        train: its windows.
        machine: what the grid is made for.
        batches: training steps of an epoch, at least 2.

    Raises:
        UserError: when the windows make a single batch.
    """
    if len(train) <= settings.model["batch_size"]:
        raise UserError(
            f"measure: {len(train)} windows are a single batch of {settings.model['batch_size']}, "
            "whose loading is not worth measuring. Lower model.batch_size or use more data."
        )
    results = []
    with _quiet():
        for loader in tqdm(grid(machine), "Measuring", unit="setting"):
            results.append(_measure(settings, loader, train, machine, batches))
    return results


def best(measurements: list[Measurement]) -> Measurement:
    """Return the fastest measurement for the whole training; of equal ones the fewest workers."""
    shortest = min(measurement.training_seconds for measurement in measurements)
    good = [m for m in measurements if m.training_seconds <= shortest * TOLERANCE]
    return min(good, key=lambda m: (m.num_workers, m.training_seconds))


def table(measurements: list[Measurement]) -> str:
    """Return the measurements as a table for the terminal, the best one marked."""
    lines = [
        f"{'workers':>7} {'start':10} {'persist':7} {'windows/s':>10} {'1st batch':>10} "
        f"{'restart':>8} {'MiB each':>8} {'waiting':>8} {'training':>9}"
    ]
    for m in measurements:
        mark = "  <- best" if m == best(measurements) else ""
        persistent = "-" if m.persistent_workers is None else str(m.persistent_workers).lower()
        lines.append(
            f"{m.num_workers:7} {m.multiprocessing_context or '-':10} {persistent:7} "
            f"{m.windows_per_second:10,.0f} {m.first_batch_seconds:8.2f} s "
            f"{m.restart_seconds:6.2f} s {m.worker_mib:8.0f} {m.waiting:8.0%} "
            f"{m.training_seconds:7.0f} s{mark}"
        )
    return "\n".join(lines)


def write_local(measurement: Measurement, folder: Path) -> Path:
    """Write the settings of a measurement where later runs pick them up.

    Args:
        measurement: the best one.
        folder: the project's ``conf/local``.

    Returns:
        The file that was written.
    """
    names = ("num_workers", "multiprocessing_context", "persistent_workers")
    values = {name: value for name, value in asdict(measurement).items() if name in names}
    lines = ["# measured by doctor.py for this machine; remove the file to have auto again"]
    lines += [
        f"{name}: {str(value).lower()}" for name, value in values.items() if value is not None
    ]
    path = folder / "dataloader.yaml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _measure(
    settings: TrainSettings,
    loader: LoaderSettings,
    train: TorchTrainingDataset,
    machine: Machine,
    batches: int,
) -> Measurement:
    short = {
        "max_epochs": EPOCHS,
        "limit_train_batches": batches,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "profiler": {"_target_": f"{__name__}.FetchProfiler"},
    }
    measured = replace(
        settings,
        dataloader=loader,
        trainer={**settings.trainer, **short},
        callbacks={"timer": {"_target_": f"{__name__}.LoaderTimer"}},
        logger={},
        save_every_n_epochs=0,
    )
    model = build_model(measured, Path.cwd())
    (timer,) = (c for c in model.trainer_params["callbacks"] if isinstance(c, LoaderTimer))
    plan = fit_model(model, measured, train, None, machine)

    step = sum(timer.steps) / len(timer.steps)
    epochs = settings.trainer.get("max_epochs", EPOCHS)
    total = epochs * -(-len(train) // model.batch_size)
    first, restart = timer.first[0], timer.first[-1]
    return Measurement(
        num_workers=plan.num_workers.value,
        multiprocessing_context=plan.multiprocessing_context.value,
        persistent_workers=plan.persistent_workers.value,
        windows_per_second=min(model.batch_size, len(train)) / step,
        first_batch_seconds=first,
        restart_seconds=restart,
        worker_mib=timer.worker_bytes / 2**20,
        waiting=sum(timer.waits) / sum(timer.steps),
        training_seconds=first + (epochs - 1) * restart + total * step,
    )


def _unique_memory(workers: int) -> float:
    """Return the mean of what the largest ``workers`` processes below this one have alone."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        try:
            sizes.append(process.memory_full_info().uss)
        except psutil.Error:  # it has ended, or belongs to another user
            continue
    largest = sorted(sizes)[-workers:]
    return float(sum(largest)) / max(1, len(largest))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning and the plan from reporting on every fit."""
    logging.disable(logging.INFO)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
