"""How much slower the plan's choice of workers is than the best of a grid, start-up included.

Three data sets: windows in memory, windows that take 2 ms of Python each, and windows that wait
10 ms each, as for a disk or a network.
"""

import multiprocessing
import time
from collections.abc import Iterator
from typing import Any

from common import Row, darts_dataset, interleaved, medians, random_series, seconds, window_dataset
from my_forecast.config import LoaderConfig
from my_forecast.loading.batch_cost import measure_batch_cost
from my_forecast.loading.hardware import detect_hardware
from my_forecast.loading.plan import LoaderPlan, dataloader_kwargs, plan_loader, preload
from scripts.slow_windows import SlowWindows
from torch.utils.data import DataLoader, Dataset, Subset

WORKERS = (0, 1, 2, 4, 8, 16)
# name, data set, windows of a batch, batches
WINDOWS = window_dataset(darts_dataset(random_series([2000] * 100)))
WORK: dict[str, tuple[Dataset[Any], int, int]] = {
    "in memory": (WINDOWS, 256, 734),
    "2 ms of Python a window": (SlowWindows(computing=0.002), 32, 120),
    "10 ms of waiting a window": (SlowWindows(waiting=0.010), 16, 60),
}


def measure() -> Iterator[Row]:
    """Compare the choice with all others, for a training of one epoch."""
    machine = detect_hardware("cpu")
    for case, (whole, batch_size, batches) in WORK.items():
        dataset = Subset(whole, range(batch_size * batches)) if whole is not WINDOWS else whole
        decided = []

        def decide(dataset: Dataset[Any] = dataset, batch_size: int = batch_size) -> LoaderPlan:
            workload = measure_batch_cost(dataset, batch_size, epochs=1, loaders=1)
            return plan_loader(LoaderConfig(), machine, workload)

        for _ in range(5):
            start = time.perf_counter()
            plan = decide()
            decided.append(time.perf_counter() - start)
        chosen = plan["num_workers"].value
        sides = {
            str(number): lambda number=number, dataset=dataset, size=batch_size: seconds(
                lambda: _epoch(dataset, size, number)
            )
            for number in sorted({*WORKERS, chosen})
        }
        times = medians(interleaved(sides))
        best = min(times, key=lambda name: times[name])
        detail = {f"{name} workers, s": round(value, 2) for name, value in times.items()}
        detail |= {"chosen": chosen, "best": int(best), "reason": plan["num_workers"].reason}
        regret = 100 * (times[str(chosen)] / times[best] - 1)
        yield Row("auto", f"{case}: slower than the best", regret, "<= 5 %", detail)
        slowest = max(decided)
        yield Row("auto", f"{case}: time to decide", slowest, "<= 1 s", {})


def _epoch(dataset: Dataset[Any], batch_size: int, workers: int) -> None:
    """Load every batch once, with workers started as the plan starts them."""
    settings = LoaderConfig(num_workers=workers)
    workload = measure_batch_cost(WINDOWS, batch_size, epochs=1, loaders=1)
    plan = plan_loader(settings, detect_hardware("cpu"), workload)
    preload(plan)
    for _ in DataLoader(dataset, batch_size=batch_size, **dataloader_kwargs(plan, seed=0)):
        time.sleep(0.002)  # the training step
    # a fork server that is running already would start later workers in no time
    _stop_fork_server()


def _stop_fork_server() -> None:
    from multiprocessing.forkserver import _forkserver  # there is no public way

    if "forkserver" in multiprocessing.get_all_start_methods():
        _forkserver._stop()
