"""What it costs to load a batch, measured in this process without starting workers."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from .windows import WindowDataset, collate_windows

# a measurement ends after this many seconds or fetches, whichever comes first
MAX_SECONDS = 0.3
MAX_FETCHES = 100


@dataclass(frozen=True)
class BatchCost:
    """What the loader plan needs to know about a dataset.

    Attributes:
        batch_seconds: wall time to load one batch.
        batch_cpu_seconds: CPU time to load it; the rest is waiting, for a disk for example.
        batches: number of training batches in all epochs together.
        batch_bytes: size of a batch.
        dataset_bytes: values in memory, without those in files; workers that are not forked receive
            them through shared memory.
        loaders: number of DataLoaders with workers: training, and validation if its windows are
            not gathered.
        on_accelerator: whether windows are gathered on the accelerator.
    """

    batch_seconds: float
    batch_cpu_seconds: float
    batches: int
    batch_bytes: int
    dataset_bytes: int = 0
    loaders: int = 2
    on_accelerator: bool = False


# an assumption for windows gathered from memory, before any data is read
GATHERED = BatchCost(batch_seconds=1e-4, batch_cpu_seconds=1e-4, batches=1000, batch_bytes=1 << 12)


def measure_batch_cost(
    dataset: Dataset[Any], batch_size: int, batches: int, loaders: int = 2
) -> BatchCost:
    """Measure the loading of random windows in less than a second."""
    # imported here because doctor.py needs nothing else of Lightning
    from pytorch_lightning.utilities.seed import isolate_rng

    length = len(dataset)  # type: ignore[arg-type]
    batch_size = min(batch_size, length)
    fetch = getattr(dataset, "__getitems__", lambda one: [dataset[int(one[0])]])
    # single windows where the dataset has no batches, because a batch of slow ones may take long
    fetched = batch_size if hasattr(dataset, "__getitems__") else 1
    times: list[tuple[float, float]] = []
    with isolate_rng(include_cuda=False):
        end = time.perf_counter() + MAX_SECONDS
        for indices in np.random.default_rng(0).integers(length, size=(MAX_FETCHES, fetched)):
            wall, cpu = time.perf_counter(), time.process_time()
            samples = fetch(indices)
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
            if time.perf_counter() > end:
                break
    batch_seconds, cpu_seconds = np.median(times, axis=0) * batch_size / fetched
    dataset_bytes, device = 0, "cpu"
    if isinstance(dataset, WindowDataset):
        dataset_bytes, device = dataset.nbytes, dataset.device
    if dataset_bytes:
        # gathering from memory never waits: the difference is the time of other programs
        batch_seconds = min(batch_seconds, cpu_seconds)
    return BatchCost(
        batch_seconds=float(batch_seconds),
        batch_cpu_seconds=float(cpu_seconds),
        batches=batches,
        batch_bytes=collate_windows(samples).nbytes * batch_size // fetched,
        dataset_bytes=dataset_bytes,
        loaders=loaders,
        on_accelerator=device != "cpu",
    )
