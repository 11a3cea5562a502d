"""Where the values of all series of one role are kept."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Storage(Protocol):
    """Makes the arrays that hold the values of many series, one series after the other."""

    @property
    def sorts(self) -> bool:
        """Return whether rows may be read in any order, which is slow in files."""

    def array(self, name: str, rows: int, width: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a new array of shape (rows, width) to write to."""

    def finish(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array that was written to, now for reading only."""


class InMemory:
    """Keeps arrays in memory."""

    sorts = True

    @contextmanager
    def open(self, folder: Path) -> Iterator[Storage]:
        """Yield the storage; nothing is written to ``folder``."""
        yield self

    def array(self, name: str, rows: int, width: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a new array of shape (rows, width) to write to."""
        return np.empty((rows, width), dtype)

    def finish(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array, now for reading only."""
        array.flags.writeable = False
        return array


IN_MEMORY = InMemory()
