"""All series of one role in one flat tensor, from which windows are gathered a batch at a time.

Spawned workers import this module: nothing of Lightning, the models or plotting here.
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

from .errors import UserError

Steps = NDArray[np.int64]


class FlatSeries:
    """The values of all series of one role (targets, past covariates, ...), one after the other.

    Series that are parts of one float32 array are not copied; ``data.storage`` makes such series.
    Where that array is a memory-mapped file, a pickle holds its path instead of the values.

    Attributes:
        values: float32, shape (rows of all series, components).
    """

    def __init__(
        self,
        group: Sequence[TimeSeries],
        targets: Sequence[TimeSeries],
        first: Steps,
        last: Steps,
        name: str,
    ) -> None:
        """Find or make the flat array, and check that it holds all that is needed.

        Args:
            group: deterministic series of the role.
            targets: the target series that belong to them.
            first: shape (series,), the first step that is needed, counted from the target's start.
            last: shape (series,), the last step that is needed.
            name: of the role, for messages.

        Raises:
            UserError: naming a series with another number of components, with times that never
                meet those of its target, or that does not hold all the steps.
        """
        if len({series.n_components for series in group}) > 1:
            raise UserError(f"{name}: all series must have the same number of components.")
        array, begin = _flatten([series.values(copy=False) for series in group])
        pairs = enumerate(zip(targets, group, strict=True))
        offset = np.array([steps_between(s, t, f"{name} of series {i}") for i, (t, s) in pairs])
        before = -(offset + first)
        after = offset + last + 1 - np.array([len(series) for series in group])
        for i in np.flatnonzero((before > 0) | (after > 0))[:1]:
            raise UserError(
                f"{name} of series {i}: they run from {group[i].start_time()} to "
                f"{group[i].end_time()}, but windows of the target need {max(0, before[i])} steps "
                f"before and {max(0, after[i])} after that."
            )
        self.values = _tensor(array)
        self._file = str(array.filename) if isinstance(array, np.memmap) else None
        self._start = torch.from_numpy(begin + offset)

    def gather(self, series: Steps, step: Steps, length: int) -> torch.Tensor:
        """Copy windows: ``length`` steps of each of ``series``, from ``step`` after target's start.

        Args:
            series: shape (batch,), positions of series.
            step: shape (batch,).
            length: steps of a window.

        Returns:
            Shape (batch, length, components), on the device of ``values``.
        """
        rows, width = self.values.shape
        windows = self.values.as_strided((rows - length + 1, length, width), (width, width, 1))
        start = torch.from_numpy(self._start.numpy()[series] + step).to(self.values.device)
        if get_worker_info() is None:
            return windows.index_select(0, start)
        # straight into the memory that a worker sends it through
        shared = windows.new_empty(len(start), length, width).share_memory_()
        return torch.index_select(windows, 0, start, out=shared)

    @property
    def nbytes(self) -> int:
        """Return the bytes of the values in memory; those in a file are not."""
        return 0 if self._file is not None else self.values.nbytes

    def to(self, device: str) -> None:
        """Move the values to ``device``; windows are gathered there."""
        self.values = self.values.to(device)

    def __getstate__(self) -> dict[str, Any]:
        """Leave values in a file where they are."""
        state = self.__dict__.copy()
        if self._file is not None:
            del state["values"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Map values in a file again."""
        self.__dict__.update(state)
        if self._file is not None:
            self.values = _tensor(np.load(self._file, mmap_mode="r"))


def steps_between(series: TimeSeries, target: TimeSeries, name: str) -> int:
    """Return the step of ``series`` at which ``target`` starts, negative before its first.

    Raises:
        UserError: when the times of the two never meet.
    """
    if series is target:
        return 0
    time, start = target.start_time(), series.start_time()
    if time == start:
        return 0
    steps: int = n_steps_between(end=time, start=start, freq=series.freq)
    if start + steps * series.freq != time:
        raise UserError(
            f"{name}: its times ({start}, every {series.freq_str}) never meet the target's start "
            f"{time}. Give covariates the times of their target."
        )
    return steps


def _flatten(parts: list[NDArray[Any]]) -> tuple[NDArray[np.float32], Steps]:
    """Return one array with all parts, of shape (time, components), and the row of each."""
    owner = _owner(parts[0])
    shared = (
        owner.dtype == np.float32
        and owner.ndim == 2
        and owner.flags.c_contiguous
        and all(_owner(part) is owner and part.strides == owner.strides for part in parts)
    )
    if shared:
        address = np.array([part.ctypes.data for part in parts])
        return owner, (address - owner.ctypes.data) // owner.strides[0]
    lengths = np.array([len(part) for part in parts])
    return np.concatenate(parts).astype(np.float32), np.cumsum(lengths) - lengths


def _owner(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array that ``array`` is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _tensor(array: NDArray[np.float32]) -> torch.Tensor:
    with warnings.catch_warnings():
        # nothing writes to the tensor
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array)
