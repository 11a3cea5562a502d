"""The order in which windows are drawn, and how they become batches without a DataLoader."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader, Sampler

from .windows import WindowBatch, WindowDataset

# bytes of windows that are gathered at once
CHUNK = 1 << 21
# a batch that starts at such an address is computed as one in memory of its own
ALIGNMENT = 64


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
        # batches that the epoch has had already
        self.batches = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Lightning calls this."""
        if epoch != self.epoch:
            self.epoch, self.batches = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Return the place in the order, from which a killed training goes on."""
        return {"epoch": self.epoch, "batches": self.batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a place."""
        self.epoch, self.batches = state["epoch"], state["batches"]

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
        for start in range(self.sampler.batches * self.batch_size, len(order), self.batch_size):
            yield order[start : start + self.batch_size]


class ResumableLoader(DataLoader[Any]):
    """A DataLoader over ``ShuffledBatches`` that goes on where a killed training was."""

    batch_sampler: ShuffledBatches

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of an epoch, counting them: workers ask for some ahead of time."""
        for batch in super().__iter__():
            self.batch_sampler.sampler.batches += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the place in the epoch; Lightning saves it."""
        return self.batch_sampler.sampler.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a place; Lightning calls this."""
        self.batch_sampler.sampler.load_state_dict(state)


class GatheredBatches:
    """Batches of gathered windows, several of them gathered at once and then divided.

    It does what a DataLoader does without workers, at a fraction of its cost per batch. Lightning
    takes it in place of one.
    """

    num_workers = 0

    def __init__(
        self, windows: WindowDataset, batch_size: int, order: EpochShuffle | None = None
    ) -> None:
        """Batch ``windows`` in the order given, or in their own."""
        self.windows = windows
        self.batch_size = batch_size
        # where Lightning looks for what it tells the epoch
        self.batch_sampler = (
            None if order is None else ShuffledBatches(order, batch_size, drop_last=False)
        )
        one = windows.__getitems__(np.zeros(min(batch_size, len(windows)), dtype=np.int64))
        self._at_once = batch_size * max(1, CHUNK // one.nbytes if _aligned(one) else 1)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.windows) // self.batch_size)

    def __iter__(self) -> Iterator[WindowBatch]:
        """Yield the batches of an epoch, the last one smaller."""
        if self.batch_sampler is None:
            yield from self._gather(np.arange(len(self.windows)))
            return
        shuffle = self.batch_sampler.sampler
        for batch in self._gather(shuffle.order()[shuffle.batches * self.batch_size :]):
            shuffle.batches += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """Return the place in the epoch; Lightning saves it."""
        return self.batch_sampler.sampler.state_dict() if self.batch_sampler else {}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a place; Lightning calls this."""
        if self.batch_sampler:
            self.batch_sampler.sampler.load_state_dict(state)

    def _gather(self, order: NDArray[np.int64]) -> Iterator[WindowBatch]:
        for start in range(0, len(order), self._at_once):
            chunk = self.windows.__getitems__(order[start : start + self._at_once])
            yield from chunk.split(self.batch_size)


def _aligned(batch: WindowBatch) -> bool:
    return all(tensor.nbytes % ALIGNMENT == 0 for tensor in batch.tensors().values())
