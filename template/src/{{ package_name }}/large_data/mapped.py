"""Arrays in files, of which the system keeps in memory only what is in use."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..data import Storage


@dataclass(frozen=True)
class MappedArrays(Storage):
    """Keeps every array in a ``.npy`` file of ``folder``."""

    folder: Path

    def array(self, name: str, rows: int, width: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a new mapped array of shape (rows, width) to write to."""
        # a role may be stored more than once, for training and for the test
        number = sum(1 for _ in self.folder.iterdir())
        path = self.folder / f"{number}-{name}.npy"
        array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, width))
        if hasattr(os, "posix_fallocate"):
            # writing to a mapped file would kill the process when the disk is full
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        return array

    def finish(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array, mapped for reading only."""
        path = Path(str(getattr(array, "filename", "")))
        # a source may have its values in memory, or in files of its own
        if not isinstance(array, np.memmap) or not path.parent.samefile(self.folder):
            return super().finish(array)
        array.flush()
        mapped: NDArray[Any] = np.load(path, mmap_mode="r")
        return mapped


class MappedFiles:
    """Keeps arrays in mapped files, as large as the data, while a command runs."""

    @contextmanager
    def open(self, folder: Path) -> Iterator[MappedArrays]:
        """Yield a storage with its files in a new folder in ``folder``; remove them at the end."""
        # Windows does not delete files that are still mapped; that must not end the command
        with TemporaryDirectory(dir=folder, prefix="storage-", ignore_cleanup_errors=True) as name:
            yield MappedArrays(Path(name))
            # a model and its trainer refer to each other, and to the arrays
            gc.collect()
