"""Prints the time from making a DataLoader's iterator to its first batch, with spawned workers.

Its top level is that of the project's ``train.py``, for that is what spawned workers import again.
"""

import json
import sys
import time

import hydra  # noqa: F401
from my_forecast.cli import launch, report_errors  # noqa: F401
from omegaconf import DictConfig  # noqa: F401


def main(workers: int) -> None:
    """Fetch one batch of 256 windows of 96 + 24 steps out of 100 series of 2,000."""
    import numpy as np
    import pandas as pd
    from darts import TimeSeries
    from darts.utils.data import SequentialTorchTrainingDataset
    from my_forecast.config import LoaderConfig
    from my_forecast.data import Panel
    from my_forecast.loading.batch_cost import GATHERED
    from my_forecast.loading.epoch_order import EpochOrder
    from my_forecast.loading.hardware import detect_hardware
    from my_forecast.loading.plan import dataloader_kwargs, plan_loader
    from my_forecast.loading.windows import WindowDataset
    from torch.utils.data import DataLoader

    walks = np.random.default_rng(0).standard_normal((100, 2000, 1), dtype=np.float32).cumsum(1)
    times = pd.date_range("2020-01-01", periods=walks.shape[1], freq="h")
    series = [TimeSeries(times, walk) for walk in walks]
    shape = SequentialTorchTrainingDataset(series, input_chunk_length=96, output_chunk_length=24)
    windows = WindowDataset(shape, Panel.from_series(series))
    batches = EpochOrder(len(windows), 256, seed=0)
    settings = LoaderConfig(num_workers=workers, multiprocessing_context="spawn")
    plan = plan_loader(settings, detect_hardware("cpu"), GATHERED)
    loader = DataLoader(windows, batch_sampler=batches, **dataloader_kwargs(plan, seed=0))
    start = time.perf_counter()
    iterator = iter(loader)
    batch = next(iterator)
    elapsed = time.perf_counter() - start
    assert batch.past_target.shape == (256, 96, 1)
    # ends the workers, which would still be sending batches while the interpreter shuts down
    del iterator, loader
    print(json.dumps({"seconds": elapsed}))


if __name__ == "__main__":
    main(workers=int(sys.argv[1]))
