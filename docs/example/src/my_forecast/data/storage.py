"""Where the values of all series of one role are kept: in memory, or in a file that is mapped."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class Storage:
    """Makes the flat arrays that hold the values of many series, one after the other.

    ``folder`` is None for arrays in memory. Otherwise every array is a ``.npy`` file there, of
    which the system keeps in memory what is in use, so the data may be larger than the memory.
    """

    folder: Path | None = None

    def array(self, name: str, rows: int, width: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return a new array of shape (rows, width) to be written to."""
        if self.folder is None:
            return np.empty((rows, width), dtype)
        # a role may be stored more than once, for training and for the test
        number = sum(1 for _ in self.folder.iterdir())
        path = self.folder / f"{number}-{name}.npy"
        return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows, width))

    def finish(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return an array that was written to for reading only."""
        if isinstance(array, np.memmap):
            array.flush()
            mapped: NDArray[Any] = np.load(str(array.filename), mmap_mode="r")
            return mapped
        array.flags.writeable = False
        return array


@contextmanager
def open_storage(kind: str, folder: Path) -> Iterator[Storage]:
    """Yield a storage, and remove its files at the end.

    Args:
        kind: ``memory`` or ``mmap``.
        folder: where a folder for the files is made; as large as the data, if not larger.
    """
    if kind == "memory":
        yield IN_MEMORY
        return
    # Windows does not delete files while they are mapped; they are no reason to fail then
    with TemporaryDirectory(dir=folder, prefix="storage-", ignore_cleanup_errors=True) as name:
        yield Storage(Path(name))


IN_MEMORY = Storage()
