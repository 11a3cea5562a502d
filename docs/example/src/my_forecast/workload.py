"""What a DataLoader has to do, measured in this process without starting workers."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .windows import WindowDataset, collate_windows

# a measurement ends after so many seconds or so many portions, whichever comes first
PATIENCE = 0.3
PORTIONS = 100


@dataclass(frozen=True)
class Workload:
    """The facts of a data set that decide how it is best loaded.

    Attributes:
        batch_seconds: wall time to make one batch.
        batch_cpu_seconds: processor time of it; the rest is waiting, as for a disk.
        batches: batches of the whole training, all epochs together.
        batch_bytes: size of a batch.
        dataset_bytes: values in memory, which reach workers through shared memory unless they are
            forked; values in a file are not counted.
        loaders: DataLoaders that have workers: training, and validation where its windows are not
            gathered.
        on_accelerator: whether windows are gathered on the accelerator.
    """

    batch_seconds: float
    batch_cpu_seconds: float
    batches: int
    batch_bytes: int
    dataset_bytes: int = 0
    loaders: int = 2
    on_accelerator: bool = False


# windows gathered from memory, as far as it is known before any data is read
GATHERED = Workload(batch_seconds=1e-4, batch_cpu_seconds=1e-4, batches=1000, batch_bytes=1 << 17)


def measure(dataset: Dataset[Any], batch_size: int, epochs: int, loaders: int = 2) -> Workload:
    """Measure how long batches of random windows take, in well under a second.

    The random states of Python, NumPy and torch are left as they were.

    Args:
        dataset: with at least one window.
        batch_size: windows of a batch.
        epochs: of the training.
        loaders: DataLoaders that will have workers.
    """
    length = len(dataset)  # type: ignore[arg-type]
    random_windows = np.random.default_rng(0)
    gathered = hasattr(dataset, "__getitems__")
    # a batch at once where the dataset makes one, else a window, for a batch of those may take long
    portion = min(batch_size, length) if gathered else 1
    times: list[tuple[float, float]] = []
    samples: list[Any] = []
    with _random_states_kept():
        start = time.perf_counter()
        while len(times) < PORTIONS:
            indices = random_windows.integers(length, size=portion)
            before = time.perf_counter(), time.process_time()
            if gathered:
                samples = dataset.__getitems__(indices)  # type: ignore[attr-defined]
            else:
                samples.append(dataset[int(indices[0])])
            after = time.perf_counter(), time.process_time()
            times.append((after[0] - before[0], after[1] - before[1]))
            if after[0] - start > PATIENCE:
                break
        batch = collate_windows(samples)
    wall, cpu = np.median(times, axis=0) * (min(batch_size, length) / portion)
    windows = dataset if isinstance(dataset, WindowDataset) else None
    if windows is not None and windows.nbytes:
        # in memory nothing is waited for but CPUs that are busy with other programs
        wall = min(wall, cpu)
    return Workload(
        batch_seconds=float(wall),
        batch_cpu_seconds=float(cpu),
        batches=epochs * -(-length // batch_size),
        batch_bytes=batch.nbytes * min(batch_size, length) // len(batch.past_target),
        dataset_bytes=0 if windows is None else windows.nbytes,
        loaders=loaders,
        on_accelerator=windows is not None and windows.device.type != "cpu",
    )


@contextmanager
def _random_states_kept() -> Iterator[None]:
    """Undo what happens to the global random states: a run must not depend on a measurement."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
