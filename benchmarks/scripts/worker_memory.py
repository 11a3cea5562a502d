"""Prints the memory of two DataLoader workers after they fetched random batches of a data set.

USS is the memory that a process has for itself alone; in the PSS every page that processes share
is divided among them, so the sum over processes counts each page once. Pages of the data that a
worker has for itself are those of the one mapping that is as large as the data.

The top level is that of the project's ``train.py``, for workers import the main program again.
"""

import argparse
import json
from contextlib import ExitStack
from multiprocessing import active_children
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hydra  # noqa: F401
from my_forecast.cli import launch, report_errors  # noqa: F401
from omegaconf import DictConfig  # noqa: F401

SERIES, INPUT, OUTPUT, BATCH = 100, 96, 24, 256
WORKERS = 2


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", choices=["spawn", "forkserver", "fork"], required=True)
    parser.add_argument("--storage", choices=["memory", "mmap"], required=True)
    parser.add_argument("--megabytes", type=int, required=True, help="of float32 values")
    parser.add_argument("--batches", type=int, default=400)
    arguments = parser.parse_args()

    from my_forecast.data import IN_MEMORY
    from my_forecast.large_data import MappedFiles

    with ExitStack() as stack:
        storage: Any = IN_MEMORY
        if arguments.storage == "mmap":
            folder = stack.enter_context(TemporaryDirectory(ignore_cleanup_errors=True))
            storage = stack.enter_context(MappedFiles().open(Path(folder)))
        windows = _windows(storage, arguments.megabytes * 10**6 // 4 // SERIES)
        size = arguments.megabytes * 10**6
        print(json.dumps(_measure(windows, arguments.method, arguments.batches, size)))


def _windows(storage: Any, length: int) -> Any:
    """Return the windows of series that are parts of one array, as the project's data are."""
    import numpy as np
    import pandas as pd
    from darts import TimeSeries
    from darts.utils.data import SequentialTorchTrainingDataset
    from my_forecast.data import Panel, SeriesArray
    from my_forecast.loading.windows import WindowDataset

    values = storage.array("targets", SERIES * length, 1, np.float32)
    random = np.random.default_rng(0)
    for row in range(0, len(values), length):
        values[row : row + length] = random.standard_normal((length, 1), dtype=np.float32)
    values = storage.finish(values)
    # A page of a file that only one process has mapped counts as that process's own, although it
    # is in memory once: the main process maps all of them.
    assert np.isfinite(values).all()
    times = pd.date_range("2020-01-01", periods=length, freq="h")
    first = np.arange(0, len(values), length)
    lengths = np.full(SERIES, length)
    targets = SeriesArray(values, first, lengths, np.zeros(SERIES, np.int64), ["value"])
    panel = Panel([str(number) for number in range(SERIES)], times, targets)
    shape = SequentialTorchTrainingDataset(
        TimeSeries(times, values[:length], copy=False),
        input_chunk_length=INPUT,
        output_chunk_length=OUTPUT,
    )
    return WindowDataset(shape, panel)


def _measure(windows: Any, method: str, batches: int, size: int) -> dict[str, Any]:
    """Fetch random batches and return megabytes while all processes still exist."""
    import numpy as np
    import psutil
    from my_forecast.config import LoaderConfig
    from my_forecast.loading.batch_cost import GATHERED
    from my_forecast.loading.hardware import detect_hardware
    from my_forecast.loading.plan import dataloader_kwargs, plan_loader, preload
    from torch.utils.data import DataLoader

    settings = LoaderConfig(num_workers=WORKERS, multiprocessing_context=method)
    plan = plan_loader(settings, detect_hardware("cpu"), GATHERED)
    preload(plan)
    # not an order of all windows, which are more than are fetched
    indices = np.random.default_rng(1).integers(len(windows), size=(batches, BATCH))
    loader = DataLoader(windows, batch_sampler=list(indices), **dataloader_kwargs(plan, seed=0))
    assert sum(len(batch.past_target) for batch in loader) == indices.size

    processes = [psutil.Process(child.pid) for child in active_children()]
    assert len(processes) == WORKERS
    workers = [process.memory_full_info() for process in processes]
    own = psutil.Process().memory_full_info()
    return {
        "worker USS": [worker.uss / 1e6 for worker in workers],
        "data of a worker alone": [_private(process, size) / 1e6 for process in processes],
        "main USS": own.uss / 1e6,
        # Linux alone tells this
        "sum of PSS": sum(getattr(one, "pss", 0) for one in (*workers, own)) / 1e6,
    }


def _private(process: Any, size: int) -> int:
    """Return the bytes that a process alone has in memory of mappings as large as the data."""
    mappings = [
        mapping
        for mapping in process.memory_maps(grouped=False)
        if mapping.size >= 0.9 * size and not mapping.path.endswith(".so")
    ]
    assert sum(mapping.rss for mapping in mappings) > size / 10, "the data was not found"
    return sum(mapping.private_clean + mapping.private_dirty for mapping in mappings)


if __name__ == "__main__":
    main()
