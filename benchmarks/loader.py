"""Windows per second out of the training DataLoader, without workers.

Darts' dataset and collation against ``WindowDataset``, and against a bare loop that gathers the
same windows out of one tensor: the least that any loader must do.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from typing import Any

import numpy as np
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
from common import seconds as wall
from darts.utils.data.torch_datasets.utils import _batch_collate_fn_train
from my_forecast.loading.epoch_order import EpochOrder, GatheredBatches
from my_forecast.loading.windows import WindowDataset
from torch.utils.data import DataLoader, Dataset, Subset

# windows of one measurement of Darts' side, spread over all; the others do whole epochs of at least
# so many in all
PART = 20_000
LEAST = 2_000_000


def measure() -> Iterator[Row]:
    """Compare the loaders on one long, many equal, many ragged series, and with covariates."""
    ragged = np.random.default_rng(1).integers(200, 4000, 1000).tolist()
    for case, lengths in {
        "100 x 2,000": [2000] * 100,
        "1 x 200,000": [200_000],
        "1,000 ragged": ragged,
    }.items():
        yield from _compare("loader", case, darts_dataset(random_series(lengths)), 25, bare=True)
    lengths = [2000] * 100
    dataset = darts_dataset(
        random_series(lengths, static=3),
        past_covariates=random_series(lengths, components=4),
        future_covariates=random_series(lengths, components=4),
    )
    yield from _compare("loader with covariates", "past 4, future 4, static 3", dataset, 20)


def _compare(
    bench: str, case: str, dataset: Dataset[Any], target: int, bare: bool = False
) -> Iterator[Row]:
    windows = window_dataset(dataset)
    _check_equal(dataset, windows)
    loaders = _loaders(dataset, windows)
    epochs = max(1, LEAST // len(windows))
    sides: dict[str, Callable[[], float]] = {
        "darts": partial(_speed, loaders["darts"], 1),
        "project": partial(_speed, loaders["project"], epochs),
    }
    if bare:
        flat = torch.cat([torch.from_numpy(s.values(copy=False)) for s in dataset.series])
        sides["bare gather"] = partial(_bare_speed, flat, len(windows), epochs)
    speed = medians(interleaved(sides))
    detail = {f"{name} windows/s": round(value) for name, value in speed.items()}
    ratio = speed["project"] / speed["darts"]
    yield Row(bench, f"{case}: against Darts", ratio, f">= {target} x", detail)
    if bare:
        ratio = speed["bare gather"] / speed["project"]
        yield Row(bench, f"{case}: bare gather against it", ratio, "<= 3 x", detail)
        ratio = speed["project"] / 1e6
        yield Row(bench, f"{case}: million windows/s", ratio, ">= 1 M/s", detail)


def _check_equal(dataset: Dataset[Any], windows: WindowDataset) -> None:
    """Make sure that the two sides deliver the very same windows."""
    numbers = np.random.default_rng(2).integers(0, len(windows), BATCH).tolist()
    gathered = windows.__getitems__(numbers)
    collated = _batch_collate_fn_train([dataset[number] for number in numbers])
    for item in fields(collated):
        expected, found = getattr(collated, item.name), getattr(gathered, item.name)
        assert (expected is None) == (found is None)
        assert expected is None or torch.equal(expected, found)


def _loaders(dataset: Dataset[Any], windows: WindowDataset) -> dict[str, Any]:
    """Return both sides as their training uses them: Darts' with torch's sampler."""
    darts_part = Subset(dataset, range(0, len(windows), max(1, len(windows) // PART)))
    return {
        "darts": DataLoader(
            darts_part, batch_size=BATCH, shuffle=True, collate_fn=_batch_collate_fn_train
        ),
        "project": GatheredBatches(windows, EpochOrder(len(windows), BATCH, seed=0)),
    }


def _speed(loader: Any, epochs: int) -> float:
    """Return the windows per second of ``epochs`` epochs."""
    count, order = 0, loader.batch_sampler

    def consume() -> None:
        nonlocal count
        for _ in range(epochs):
            if isinstance(order, EpochOrder):
                order.set_epoch(order.epoch + 1)
            for batch in loader:
                count += len(batch.past_target)

    elapsed = wall(consume)
    return count / elapsed


def _bare_speed(flat: torch.Tensor, count: int, epochs: int) -> float:
    """Gather ``count`` windows out of one tensor in random order, with nothing around it."""
    rows, width = flat.shape
    span = INPUT + OUTPUT
    view = flat.as_strided((rows - span + 1, span, width), (width, width, 1))

    def consume() -> None:
        for _ in range(epochs):
            for start in (torch.randperm(count) % len(view)).split(BATCH):
                window = view.index_select(0, start)
                _ = window[:, :INPUT], window[:, INPUT:]

    return count * epochs / wall(consume)
