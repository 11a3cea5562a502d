"""The series of one role as a tensor, from which the windows of a batch are copied at once.

Spawned workers import this module: import nothing of Lightning, the models or plotting here.
"""

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from ..errors import UserError

if TYPE_CHECKING:
    from ..data.panel import SeriesArray, Steps


class SeriesTensor:
    """The values of all series of one role (targets, past covariates, ...), one after the other.

    The float32 array of a panel is not copied. If it is a memory-mapped file, a pickle contains its
    path in place of the values.

    Attributes:
        values: float32, shape (rows of all series, components).
    """

    def __init__(
        self,
        array: "SeriesArray",
        windows: "tuple[Steps, Steps]",
        steps: tuple[int, int],
        role: str,
        device: str = "cpu",
    ) -> None:
        """Take the values of ``array``, and gather windows of them on ``device``.

        ``windows`` are the positions on the time axis of the first and the last window of each
        series, of shape (series,). ``steps`` are those of ``role`` in a window: the first one and
        the one after the last, counted from the position of the window.

        Raises:
            UserError: if steps are missing.
        """
        begin, end = steps
        before = array.start - (windows[0] + begin)
        after = windows[1] + end - array.stop
        for i in np.flatnonzero((before > 0) | (after > 0))[:1]:
            raise UserError(
                f"{role} of series {i}: its values do not cover the windows of the target: "
                f"{max(0, before[i])} steps are missing before and {max(0, after[i])} after."
            )
        values = array.values.astype(np.float32, copy=False)
        self.values = _tensor(values).to(device)
        self._file = str(values.filename) if isinstance(values, np.memmap) else None
        self._length = end - begin
        # of a window at position 0; a tensor, because workers share its memory
        self._row = torch.from_numpy(array.first - array.start + begin)

    def gather(self, series: "Steps", position: "Steps") -> torch.Tensor:
        """Copy windows, given by their series and positions of shape (batch,).

        Returns:
            The values, shape (batch, steps, components).
        """
        length, (rows, width) = self._length, self.values.shape
        windows = self.values.as_strided((rows - length + 1, length, width), (width, width, 1))
        start = torch.from_numpy(self._row.numpy()[series] + position).to(self.values.device)
        if get_worker_info() is None:
            return windows.index_select(0, start)
        # write straight into the shared memory through which the worker sends the batch
        shared = windows.new_empty(len(start), length, width).share_memory_()
        return torch.index_select(windows, 0, start, out=shared)

    @property
    def nbytes(self) -> int:
        """Return the size of the values in memory, 0 if they are in a file."""
        return 0 if self._file is not None else self.values.nbytes

    def __getstate__(self) -> dict[str, Any]:
        """Leave out values that are in a file."""
        return vars(self) if self._file is None else {**vars(self), "values": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the file again."""
        vars(self).update(state)
        if self._file is not None:
            self.values = _tensor(np.load(self._file, mmap_mode="r"))


def static_tensor(table: Any, series: int, device: str = "cpu") -> torch.Tensor | None:
    """Return static covariates, shape (series, 1 or components, covariates).

    ``table`` has a row for each series, or for each of its components; None: there are none.
    """
    if table is None:
        return None
    values = torch.tensor(table.to_numpy(np.float32), device=device)
    return values.reshape(series, -1, values.shape[1])


def _tensor(array: NDArray[np.float32]) -> torch.Tensor:
    with warnings.catch_warnings():
        # nothing writes to the tensor
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
