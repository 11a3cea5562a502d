"""Print the seconds of a hundred epochs of a training loader; it knows release 0.2.0, too."""

import time

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.data import SequentialTorchTrainingDataset

LENGTH, SERIES, INPUT, OUTPUT, BATCH = 2000, 100, 96, 24, 256
times = pd.date_range("2020-01-01", periods=LENGTH, freq="h")
random = np.random.default_rng(0)
series = [
    TimeSeries(times, random.standard_normal((LENGTH, 1), dtype=np.float32)) for _ in range(SERIES)
]
dataset = SequentialTorchTrainingDataset(
    series, input_chunk_length=INPUT, output_chunk_length=OUTPUT
)
try:
    from my_forecast.data import Panel
    from my_forecast.loading.epoch_order import EpochOrder, GatheredBatches
    from my_forecast.loading.windows import WindowDataset

    windows = WindowDataset(dataset, Panel.from_series(series))
    loader = GatheredBatches(windows, EpochOrder(len(windows), BATCH, seed=0))
except ImportError:
    from my_forecast.sampling import EpochShuffle, GatheredBatches
    from my_forecast.windows import WindowDataset

    windows = WindowDataset(dataset)
    loader = GatheredBatches(windows, BATCH, EpochShuffle(len(windows), seed=0))
for _ in loader:
    pass
start = time.perf_counter()
for epoch in range(1, 101):
    loader.batch_sampler.sampler.set_epoch(epoch)
    for _batch in loader:
        pass
print(time.perf_counter() - start)
