"""The order of the training windows in an epoch, and loaders that can resume within it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader, Sampler

from .windows import WindowBatch, WindowDataset

# bytes of windows that are gathered at once
CHUNK = 1 << 21
# a batch at such an address gives bit for bit the results of one in its own memory
ALIGNMENT = 64


class EpochShuffle(Sampler[int]):
    """A new random order every epoch, which depends only on the seed and the epoch.

    The order of torch's ``RandomSampler`` also depends on whether workers persist, because the
    DataLoader draws from the same generator when it starts them.

    Attributes:
        epoch: the current epoch.
        batches: number of batches of the epoch that training has received.
    """

    def __init__(self, length: int, seed: int) -> None:
        """Create the order of ``length`` windows."""
        self.length = length
        self.seed = seed
        self.epoch = 0
        self.batches = 0

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch; called by Lightning."""
        if epoch != self.epoch:
            self.epoch, self.batches = epoch, 0

    def remaining(self, batch_size: int) -> NDArray[np.int64]:
        """Return the windows of the epoch that training has not received, shape (windows,)."""
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        order: NDArray[np.int64] = torch.randperm(self.length, generator=generator).numpy()
        return order[self.batches * batch_size :]

    def __len__(self) -> int:
        """Return the number of windows."""
        return self.length

    def __iter__(self) -> Iterator[int]:
        """Yield the windows of the whole epoch."""
        yield from self.remaining(batch_size=0).tolist()


class ShuffledBatches(BatchSampler):
    """Batches of windows as arrays, which are faster to make than lists of Python integers."""

    sampler: EpochShuffle

    def __iter__(self) -> Iterator[NDArray[np.int64]]:  # type: ignore[override]
        """Yield arrays of shape (batch_size,), the last one shorter."""
        order = self.sampler.remaining(self.batch_size)
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]


class _Resumable:
    """A loader whose position in the epoch Lightning saves and restores, if it is for training."""

    batch_sampler: Any

    def state_dict(self) -> dict[str, int]:
        """Return the position in the epoch; called by Lightning."""
        order = self.batch_sampler.sampler
        return {"epoch": order.epoch, "batches": order.batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a saved position; called by Lightning."""
        order = self.batch_sampler.sampler
        order.epoch, order.batches = state["epoch"], state["batches"]


class ResumableLoader(_Resumable, DataLoader[Any]):
    """A DataLoader over ``ShuffledBatches`` that can resume within an epoch."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of an epoch; count those received, because workers prefetch more."""
        for batch in super().__iter__():
            self.batch_sampler.sampler.batches += 1
            yield batch


class GatheredBatches(_Resumable):
    """Batches of ``WindowDataset``, gathered many at once in this process and then split.

    Lightning accepts it in place of a DataLoader without workers, which costs more per batch.
    """

    num_workers = 0

    def __init__(
        self, windows: WindowDataset, batch_size: int, order: EpochShuffle | None = None
    ) -> None:
        """Batch ``windows`` in the given order, or unshuffled."""
        self.windows = windows
        self.batch_size = batch_size
        # Lightning calls set_epoch of batch_sampler.sampler
        self.batch_sampler = order and ShuffledBatches(order, batch_size, drop_last=False)
        one = windows.__getitems__(np.zeros(min(batch_size, len(windows)), dtype=np.int64))
        aligned = all(tensor.nbytes % ALIGNMENT == 0 for tensor in one.tensors().values())
        self._at_once = batch_size * max(1, CHUNK // one.nbytes if aligned else 1)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.windows) // self.batch_size)

    def __iter__(self) -> Iterator[WindowBatch]:
        """Yield the batches of an epoch, the last one smaller."""
        order = None if self.batch_sampler is None else self.batch_sampler.sampler
        count = len(self.windows)
        indices = np.arange(count) if order is None else order.remaining(self.batch_size)
        for start in range(0, len(indices), self._at_once):
            chunk = self.windows.__getitems__(indices[start : start + self._at_once])
            for batch in chunk.split(self.batch_size):
                if order is not None:
                    order.batches += 1
                yield batch
