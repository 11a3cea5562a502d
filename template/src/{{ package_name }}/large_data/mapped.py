"""Arrays in files, of which the system keeps in memory only what is in use."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..data import IN_MEMORY


@dataclass(frozen=True)
class MappedArrays:
    """Keeps every array in a ``.npy`` file of ``folder``."""

    folder: Path

    def array(self, name: str, rows: int, width: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a new mapped array of shape (rows, width) to write to."""
        # a role may be stored more than once, for training and for the test
        number = sum(1 for _ in self.folder.iterdir())
        path = self.folder / f"{number}-{name}.npy"
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, width))

    def finish(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return the array, mapped for reading only."""
        # a source may have its values in memory, or in files of its own
        if not isinstance(array, np.memmap) or not self._holds(Path(str(array.filename))):
            return IN_MEMORY.finish(array)
        array.flush()
        mapped: NDArray[Any] = np.load(str(array.filename), mmap_mode="r")
        return mapped

    def _holds(self, path: Path) -> bool:
        return path.parent.samefile(self.folder)


class MappedFiles:
    """Keeps arrays in mapped files, as large as the data, while a command runs."""

    @contextmanager
    def open(self, folder: Path) -> Iterator[MappedArrays]:
        """Yield a storage with its files in a new folder in ``folder``; remove them at the end."""
        # Windows does not delete files that are still mapped; that must not end the command
        with TemporaryDirectory(dir=folder, prefix="storage-", ignore_cleanup_errors=True) as name:
            yield MappedArrays(Path(name))
