"""The series of one role in one tensor, from which the windows of a batch are copied at once.

Spawned workers import this module: import nothing of Lightning, the models or plotting here.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from darts import TimeSeries
from darts.utils.utils import n_steps_between
from numpy.typing import NDArray
from torch.utils.data import get_worker_info

from ..errors import UserError

Steps = NDArray[np.int64]


class SeriesTensor:
    """The values of all series of one role (targets, past covariates, ...), one after the other.

    Series that are views of one float32 array are not copied. If that array is a memory-mapped
    file, a pickle contains its path in place of the values.

    Attributes:
        values: float32, shape (rows of all series, components).
    """

    def __init__(
        self,
        series: Sequence[TimeSeries],
        targets: Sequence[TimeSeries],
        windows: tuple[Steps, Steps],
        steps: tuple[int, int],
        role: str,
        device: str = "cpu",
    ) -> None:
        """Concatenate the series, or find the array that they share.

        Args:
            series: deterministic series, one per target.
            targets: the target series; positions are counted from the start of each.
            windows: positions of the first and the last window of each target, shape (series,).
            steps: of this role in a window: the first one and the one after the last, counted from
                the position of the window.
            role: name of the role in error messages.
            device: where the values are stored and windows are gathered.

        Raises:
            UserError: if components differ, times are not aligned, or steps are missing.
        """
        if len({one.n_components for one in series}) > 1:
            raise UserError(f"{role}: all series must have the same number of components.")
        array, start_row = _flatten([one.values(copy=False) for one in series])
        pairs = enumerate(zip(series, targets, strict=True))
        offset = np.array([steps_between(s, t, f"{role} of series {i}") for i, (s, t) in pairs])
        begin, end = steps
        before = -(offset + windows[0] + begin)
        after = offset + windows[1] + end - np.array([len(one) for one in series])
        for i in np.flatnonzero((before > 0) | (after > 0))[:1]:
            raise UserError(
                f"{role} of series {i}: the values from {series[i].start_time()} to "
                f"{series[i].end_time()} do not cover the windows of the target: "
                f"{max(0, before[i])} steps are missing before and {max(0, after[i])} after."
            )
        self.values = _tensor(array).to(device)
        self._file = str(array.filename) if isinstance(array, np.memmap) else None
        self._length = end - begin
        # of a window at position 0; a tensor, because workers share its memory
        self._row = torch.from_numpy(start_row + offset + begin)

    def gather(self, series: Steps, position: Steps) -> torch.Tensor:
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
        state = self.__dict__.copy()
        if self._file is not None:
            del state["values"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map the file again."""
        self.__dict__.update(state)
        if self._file is not None:
            self.values = _tensor(np.load(self._file, mmap_mode="r"))


def steps_between(series: TimeSeries, target: TimeSeries, name: str) -> int:
    """Return the step of ``series`` at which ``target`` starts; negative if it starts earlier.

    Raises:
        UserError: if the two have no time steps in common.
    """
    if series is target:
        return 0
    time, start = target.start_time(), series.start_time()
    if time == start:
        return 0
    steps: int = n_steps_between(end=time, start=start, freq=series.freq)
    if start + steps * series.freq != time:
        raise UserError(
            f"{name}: the time steps ({start}, every {series.freq_str}) are not aligned with the "
            f"target, which starts at {time}. Give covariates the time steps of their target."
        )
    return steps


def _flatten(parts: list[NDArray[Any]]) -> tuple[NDArray[np.float32], Steps]:
    """Return one array of shape (rows, components) with all parts, and the first row of each."""
    base = _base(parts[0])
    shared = (
        base.dtype == np.float32
        and base.ndim == 2
        and base.flags.c_contiguous
        and all(_base(part) is base and part.strides == base.strides for part in parts)
    )
    if shared:
        address = np.array([part.ctypes.data for part in parts])
        return base, (address - base.ctypes.data) // base.strides[0]
    lengths = np.array([len(part) for part in parts])
    return np.concatenate(parts).astype(np.float32), np.cumsum(lengths) - lengths


def _base(array: NDArray[Any]) -> NDArray[Any]:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _tensor(array: NDArray[np.float32]) -> torch.Tensor:
    with warnings.catch_warnings():
        # nothing writes to the tensor
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
