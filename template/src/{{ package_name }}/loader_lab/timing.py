"""When the batches of a training are requested and arrive, and when its steps end."""

import time
from collections import defaultdict
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import psutil
from numpy.typing import NDArray
from pytorch_lightning.profilers import PassThroughProfiler

# Lightning's names of what is timed
EPOCH, STEP = "run_training_epoch", "run_training_batch"
FETCH = "[_TrainingEpochLoop].train_dataloader_next"


class LoaderTimer(PassThroughProfiler):
    """Record the times of epochs, batches and steps.

    Attributes:
        worker_bytes: mean memory that a worker does not share.
    """

    def __init__(self, workers: int) -> None:
        """Create a timer for a training with ``workers``."""
        super().__init__()
        self.workers = workers
        self.worker_bytes = 0.0
        self._times: defaultdict[str, list[float]] = defaultdict(list)

    def profile(self, action_name: str) -> AbstractContextManager[None]:  # type: ignore[override]
        """Time epochs and steps; the same for every hook would slow the steps down."""
        return super().profile(action_name) if action_name in (EPOCH, STEP) else nullcontext()

    def start(self, action_name: str) -> None:
        """Record the time."""
        self._times[f"start {action_name}"].append(time.perf_counter())

    def stop(self, action_name: str) -> None:
        """Record the time, and once the memory of the workers."""
        if action_name == STEP and self.workers and not self.worker_bytes:
            self.worker_bytes = _unshared_memory(self.workers)
        self._times[f"stop {action_name}"].append(time.perf_counter())

    def seconds(self, epochs: int) -> tuple[NDArray[np.float64], ...]:
        """Return seconds from the start of each epoch to its first batch, and of all later steps.

        Returns:
            Shape (epochs,) and twice (epochs, batches - 1): the time of a whole step, and how long
            it waited for its batch.
        """
        events = f"start {EPOCH}", f"start {FETCH}", f"stop {FETCH}", f"stop {STEP}"
        times = [np.array(self._times[event]).reshape(epochs, -1) for event in events]
        started, requested, arrived, finished = times
        waits = arrived - requested
        return arrived[:, 0] - started[:, 0], np.diff(finished), waits[:, 1:]


def _unshared_memory(workers: int) -> float:
    """Return the mean unshared memory of the largest ``workers`` child processes, in bytes."""
    sizes = []
    for process in psutil.Process().children(recursive=True):
        try:
            sizes.append(process.memory_full_info().uss)
        except psutil.Error:  # it has ended, or belongs to another user
            continue
    return float(np.mean(sorted(sizes)[-workers:] or [0.0]))
