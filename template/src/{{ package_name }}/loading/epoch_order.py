"""The order of the windows in an epoch, and loaders that can resume within it."""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import BatchSampler, DataLoader

from ..errors import UserError
from .windows import WindowBatch, WindowDataset
from .workers import ignoring_stops

# far apart, so that the epochs of close seeds have different orders; torch uses 32 bits of a seed
SEED_DISTANCE = 1_000_003
# bytes of windows that are gathered at once
CHUNK = 1 << 21
# seconds after which torch looks whether a worker was killed, and what it raises if none was
CHECK_SECONDS = 2.0
TIMED_OUT = "DataLoader timed out after"
# a batch at such an address gives bit for bit the results of one in its own memory
ALIGNMENT = 64


class EpochOrder(BatchSampler):
    """Batches of windows, in a random order that depends only on the seed and the epoch.

    The order of torch's ``RandomSampler`` also depends on whether workers persist, because the
    DataLoader draws from the same generator when it starts them. Without a seed, every epoch has
    all windows in their own order.

    Attributes:
        epoch: the current epoch.
        batches: number of batches of the epoch that training has received.
    """

    def __init__(self, length: int, batch_size: int, seed: int | None = None) -> None:
        """Order ``length`` windows."""
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.epoch = self.batches = 0
        self._complete = False
        # Lightning calls set_epoch of batch_sampler.sampler
        self.sampler: Any = self

    def set_epoch(self, epoch: int) -> None:
        """Start an epoch; called by Lightning."""
        if epoch != self.epoch:
            self.move_to(epoch, 0)

    def move_to(self, epoch: int, batches: int) -> None:
        """Continue in an epoch after its first batches."""
        self.epoch, self.batches, self._complete = epoch, batches, False

    def begin(self) -> int:
        """Start on the rest of the epoch, or on all of it if it was complete.

        Returns:
            The number of batches to come.
        """
        if self._complete or self.seed is None:
            self.move_to(self.epoch, 0)
        return len(self) - self.batches

    def count(self) -> None:
        """Count a batch that training has received."""
        self.batches += 1
        self._complete = self.batches == len(self)

    def remaining(self) -> NDArray[np.integer]:
        """Return the windows of the epoch that training has not received, shape (windows,)."""
        kind = torch.int32 if self.length < 2**31 else torch.int64
        if self.seed is None:
            order = torch.arange(self.length, dtype=kind)
        else:
            generator = torch.Generator().manual_seed(self.seed * SEED_DISTANCE + self.epoch)
            order = torch.randperm(self.length, generator=generator, dtype=kind)
        return order.numpy()[self.batches * self.batch_size :]

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-self.length // self.batch_size)

    def __iter__(self) -> Iterator[NDArray[np.integer]]:  # type: ignore[override]
        """Yield arrays of shape (batch_size,), the last one shorter; lists would be slower."""
        order = self.remaining()
        for start in range(0, len(order), self.batch_size):
            yield order[start : start + self.batch_size]


class _Resumable:
    """A loader whose position in the epoch Lightning saves and restores."""

    batch_sampler: Any

    def state_dict(self) -> dict[str, int]:
        """Return the position in the epoch; called by Lightning."""
        return {"epoch": self.batch_sampler.epoch, "batches": self.batch_sampler.batches}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a saved position; called by Lightning."""
        self.batch_sampler.move_to(state["epoch"], state["batches"])


class ResumableLoader(_Resumable, DataLoader[Any]):
    """A DataLoader with an ``EpochOrder`` as ``batch_sampler`` that can resume within an epoch."""

    _batches: Any = None

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """Yield the batches of an epoch; count those received, because workers prefetch more.

        Raises:
            UserError: when the dataset ends early.
            RuntimeError: when a worker was killed, or no batch arrived within ``timeout`` seconds.
        """
        order, waited = self.batch_sampler, 0.0
        left = order.begin()
        # persistent workers first finish what is left of the epoch before
        _set_timeout(self._batches, self.timeout)
        with ignoring_stops() if self._iterator is None else nullcontext():
            self._batches = super().__iter__()
        for worker in getattr(self._batches, "_workers", []):
            # torch ends hung workers with SIGTERM, which these ignore
            worker.terminate = worker.kill
        _set_timeout(self._batches, wait := min(self.timeout, CHECK_SECONDS))
        while left > 0:
            try:
                batch = next(self._batches)
            except StopIteration as error:
                name = type(self.dataset).__name__
                raise UserError(f"{name} raised StopIteration with {left} batches left.") from error
            except (OSError, EOFError) as error:
                if not (ended := _ended(self._batches)):
                    raise
                message = f"DataLoader worker (pid {ended}) was killed while it sent a batch"
                raise RuntimeError(message) from error
            except RuntimeError as error:
                if not str(error).startswith(TIMED_OUT):
                    raise
                waited += wait
                if waited >= self.timeout:
                    raise RuntimeError(f"{TIMED_OUT} {waited:g} seconds") from error
            else:
                left, waited = left - 1, 0.0
                order.count()
                yield batch


def _ended(batches: Any) -> str:
    """Return the pids of the workers of an iterator that have ended."""
    workers = getattr(batches, "_workers", [])
    for worker in workers:
        worker.join(0.1)
    return ", ".join(str(worker.pid) for worker in workers if not worker.is_alive())


def _set_timeout(batches: Any, seconds: float) -> None:
    """Let an iterator of a DataLoader wait as long; torch sees then whether workers were killed."""
    if batches is not None:
        batches._timeout = seconds


class GatheredBatches(_Resumable):
    """Batches of ``WindowDataset``, gathered many at once in this process and then split.

    Lightning accepts it in place of a DataLoader without workers, which costs more per batch.
    """

    num_workers = 0

    def __init__(self, windows: WindowDataset, order: EpochOrder) -> None:
        """Gather ``windows`` in the given order."""
        self.windows, self.batch_sampler = windows, order
        size = min(order.batch_size, len(windows))
        one = windows.__getitems__(np.zeros(size, dtype=np.int64))
        aligned = all(tensor.nbytes % ALIGNMENT == 0 for tensor in one.tensors().values())
        self._at_once = order.batch_size * max(1, CHUNK // one.nbytes if aligned else 1)

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self.batch_sampler)

    def __iter__(self) -> Iterator[WindowBatch]:
        """Yield the batches of an epoch, the last one smaller."""
        order = self.batch_sampler
        order.begin()
        indices = order.remaining()
        for start in range(0, len(indices), self._at_once):
            chunk = self.windows.__getitems__(indices[start : start + self._at_once])
            for batch in chunk.split(order.batch_size):
                order.count()
                yield batch
