"""The order in which windows are drawn: from the seed and the epoch alone."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, Sampler


class EpochShuffle(Sampler[int]):
    """A new random order every epoch, the same for the same seed however batches are loaded.

    torch's ``RandomSampler`` draws from a generator that a DataLoader also uses when it starts
    workers, so its order depends on whether they persist.
    """

    def __init__(self, length: int, seed: int) -> None:
        """Order ``length`` windows."""
        self.length = length
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this."""
        self.epoch = epoch

    def order(self) -> NDArray[np.int64]:
        """Return the windows of this epoch, shape (length,)."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order: NDArray[np.int64] = torch.randperm(self.length, generator=generator).numpy()
        return order

    def __len__(self) -> int:
        """Return the number of windows."""
        return self.length

    def __iter__(self) -> Iterator[int]:
        """Yield the windows one by one."""
        yield from self.order().tolist()


class ShuffledBatches(BatchSampler):
    """Batches of windows as arrays, not as lists of Python numbers, which take longer to make."""

    sampler: EpochShuffle

    def __iter__(self) -> Iterator[NDArray[np.int64]]:  # type: ignore[override]
        """Yield arrays of ``batch_size`` windows, the last one shorter."""
        order = self.sampler.order()
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]
