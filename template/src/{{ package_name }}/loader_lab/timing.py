"""How long training steps take and wait for their batches."""

import time
from typing import Any

import psutil
from pytorch_lightning import Callback

from ..modeling.callbacks import NoProfiler


class LoaderTimer(Callback):
    """Record the times of batches and steps; the trainer needs a ``FetchProfiler``.

    Attributes:
        first: for each epoch, seconds from its start to its first batch.
        waits: for every other batch, seconds that the training waited for it.
        steps: for the same batches, seconds of the whole step including the wait.
        worker_bytes: mean memory that a worker does not share.
    """

    def __init__(self) -> None:
        """Create a timer without records."""
        self.first: list[float] = []
        self.waits: list[float] = []
        self.steps: list[float] = []
        self.worker_bytes = 0.0
        self._last = 0.0

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Start the clock."""
        self._last = time.perf_counter()

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, index: int) -> None:
        """Record the wait for the batch."""
        if index == 0:
            self.first.append(time.perf_counter() - self._last)
            self._last = time.perf_counter()
        else:
            self.waits.append(trainer.profiler.waited)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *outputs: Any) -> None:
        """Record the time of the step, and once the memory of the workers."""
        if len(self.waits) > len(self.steps):
            self.steps.append(time.perf_counter() - self._last)
        workers = trainer.train_dataloader.num_workers
        if workers and not self.worker_bytes:
            self.worker_bytes = _unshared_memory(workers)
        self._last = time.perf_counter()


class FetchProfiler(NoProfiler):
    """Record in ``waited`` how many seconds the last training batch took to arrive."""

    waited = 0.0
    _start = 0.0

    def start(self, action_name: str) -> None:
        """Start the clock when Lightning requests a batch."""
        if action_name.endswith("train_dataloader_next"):
            self._start = time.perf_counter()

    def stop(self, action_name: str) -> None:
        """Stop the clock when the batch has arrived."""
        if action_name.endswith("train_dataloader_next"):
            self.waited = time.perf_counter() - self._start


def _unshared_memory(workers: int) -> float:
    """Return the mean unshared memory of the largest ``workers`` child processes, in bytes."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        try:
            sizes.append(process.memory_full_info().uss)
        except psutil.Error:  # it has ended, or belongs to another user
            continue
    largest = sorted(sizes)[-workers:]
    return float(sum(largest)) / max(1, len(largest))
