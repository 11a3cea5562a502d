"""Training windows, gathered a batch at a time.

Darts' own datasets build one window per call, in Python. ``WindowDataset`` returns the very same
windows, but a whole batch per call, with one indexed copy out of one flat tensor per role. It is
a top-level class that holds tensors only, so it is pickled to every start method's workers
without copying the data: torch moves tensors to shared memory.

Spawned workers import this module and nothing of Lightning, the models or plotting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from darts import TimeSeries
from darts.utils.data import (
    SequentialTorchTrainingDataset,
    ShiftedTorchTrainingDataset,
    TorchTrainingBatch,
    TorchTrainingDataset,
    TorchTrainingSample,
)
from darts.utils.utils import n_steps_between

from .errors import UserError


@dataclass(slots=True)
class WindowBatch(TorchTrainingBatch):
    """A Darts batch that can be pinned and moved.

    Darts' batch has neither ``pin_memory`` nor ``to``: the DataLoader's ``pin_memory=True`` then
    does nothing, and Lightning moves the batch by a slow generic path.
    """

    def pin_memory(self) -> "WindowBatch":
        """Return the batch in page-locked memory; the DataLoader calls this."""
        return self._replace_tensors(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device | str) -> "WindowBatch":
        """Return the batch on ``device``; Lightning calls this.

        The copy to a GPU is asynchronous where the batch is pinned.
        """
        non_blocking = torch.device(device).type == "cuda"
        return self._replace_tensors(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def _replace_tensors(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "WindowBatch":
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        moved = {name: function(v) for name, v in values.items() if isinstance(v, torch.Tensor)}
        return replace(self, **moved)


def collate_windows(samples: "WindowBatch | Sequence[TorchTrainingSample]") -> WindowBatch:
    """Return a batch: ``WindowDataset`` delivers one, other datasets a list of samples."""
    if isinstance(samples, WindowBatch):
        return samples
    stacked = {}
    for item in fields(TorchTrainingSample):
        values = [getattr(sample, item.name) for sample in samples]
        stacked[item.name] = None if values[0] is None else torch.from_numpy(np.stack(values))
    return WindowBatch(**stacked)


class _Role(NamedTuple):
    """All series of one role, one after the other.

    values: float32, shape (rows of all series, components).
    first: int64, shape (series,); the row that holds the first time of the target series.
    """

    values: torch.Tensor
    first: torch.Tensor

    def gather(self, series: torch.Tensor, start: torch.Tensor, length: int) -> torch.Tensor:
        """Copy the windows ``[start, start + length)``: shape (batch, length, components)."""
        rows, width = self.values.shape
        windows = self.values.as_strided((rows - length + 1, length, width), (width, width, 1))
        return windows.index_select(0, self.first[series] + start)


class WindowDataset(ShiftedTorchTrainingDataset):
    """The windows of a Darts training dataset, in the same order, as float32.

    It derives from ``ShiftedTorchTrainingDataset`` because ``RNNModel`` asks for that type.
    """

    def __init__(self, dataset: ShiftedTorchTrainingDataset) -> None:
        """Flatten the series of ``dataset``.

        Args:
            dataset: any dataset for which ``supports`` is true.

        Raises:
            UserError: naming series that are too short, or covariates that do not cover their
                target.
        """
        # Not the parent's __init__, which would keep the series.
        TorchTrainingDataset.__init__(self)
        self.input_chunk_length = dataset.input_chunk_length
        self.output_chunk_length = dataset.output_chunk_length
        self.shift = dataset.shift
        self.stride = dataset.stride
        self.max_samples_per_ts = dataset.max_samples_per_ts
        self._span = self.shift + self.output_chunk_length

        lengths = torch.tensor([len(series) for series in dataset.series])
        self._check_lengths(lengths, dataset.series)
        self._windows = (lengths - self._span + self.stride) // self.stride
        self._last_start = lengths - self.output_chunk_length - self.shift

        series = dataset.series
        past = (0, self.input_chunk_length)
        future = (self.shift, self.shift + self.output_chunk_length)
        both = (0, self._span)

        def role(
            group: Sequence[TimeSeries] | None, window: tuple[int, int], name: str
        ) -> _Role | None:
            return None if group is None else self._role(series, group, window, name)

        self._target = self._role(series, series, both, "series")
        self._past_covariates = role(dataset.past_covariates, past, "past_covariates")
        self._future_covariates = role(dataset.future_covariates, both, "future_covariates")
        self._sample_weight = role(dataset.sample_weight, future, "sample_weight")
        self._static_covariates = (
            torch.from_numpy(np.stack([s.static_covariates_values() for s in series])).float()
            if dataset.uses_static_covariates_covariates
            else None
        )

    @staticmethod
    def supports(dataset: TorchTrainingDataset) -> bool:
        """Tell whether the windows can be gathered.

        They can where the input length is fixed, the output ends no earlier than the input, and
        the series are deterministic: in all cases that arise from the models in ``conf/model``.
        """
        return (
            type(dataset) in (SequentialTorchTrainingDataset, ShiftedTorchTrainingDataset)
            and dataset.min_input_chunk_length == dataset.input_chunk_length
            and dataset.input_chunk_length <= dataset.shift + dataset.output_chunk_length
            and all(
                series.is_deterministic
                for group in (dataset.series, dataset.past_covariates, dataset.future_covariates)
                for series in group or []
            )
        )

    def __len__(self) -> int:
        """Return the number of windows; short series are repeated, as Darts does."""
        return len(self._windows) * int(self.max_samples_per_ts)

    def __getitem__(self, index: int) -> TorchTrainingSample:
        """Return one window as numpy arrays of shape (time, components)."""
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        batch = self.__getitems__([index])
        values = {item.name: getattr(batch, item.name) for item in fields(batch)}
        return TorchTrainingSample(
            **{name: None if v is None else v[0].numpy() for name, v in values.items()}
        )

    def __getitems__(self, indices: Sequence[int]) -> WindowBatch:
        """Return the windows of a whole batch; torch calls this where a dataset has it.

        Returns:
            float32 tensors of shape (batch, time, components); static covariates have
            (batch, components or 1, covariates). Past and future target share memory.
        """
        index = torch.from_numpy(np.asarray(indices, dtype=np.int64))
        series = index // self.max_samples_per_ts
        position = index % self.max_samples_per_ts % self._windows[series]
        start = self._last_start[series] - position * self.stride

        past = slice(0, self.input_chunk_length)
        future = slice(self.shift, self.shift + self.output_chunk_length)
        target = self._target.gather(series, start, self._span)
        batch = WindowBatch(past_target=target[:, past], future_target=target[:, future])
        if self._past_covariates is not None:
            batch.past_covariates = self._past_covariates.gather(
                series, start, self.input_chunk_length
            )
        if self._future_covariates is not None:
            covariates = self._future_covariates.gather(series, start, self._span)
            batch.historic_future_covariates = covariates[:, past]
            batch.future_covariates = covariates[:, future]
        if self._sample_weight is not None:
            batch.sample_weight = self._sample_weight.gather(
                series, start + self.shift, self.output_chunk_length
            )
        if self._static_covariates is not None:
            batch.static_covariates = self._static_covariates[series]
        return batch

    def _check_lengths(self, lengths: torch.Tensor, series: Sequence[TimeSeries]) -> None:
        short = torch.nonzero(lengths < self._span).flatten().tolist()
        if short:
            listed = ", ".join(f"{number} ({len(series[number])})" for number in short[:5])
            raise UserError(
                f"{len(short)} of {len(series)} series are shorter than one window of {self._span} "
                f"steps; position (length): {listed}. Shorten model.input_chunk_length or "
                "horizon, or leave these series out."
            )

    def _role(
        self,
        targets: Sequence[TimeSeries],
        group: Sequence[TimeSeries],
        window: tuple[int, int],
        name: str,
    ) -> _Role:
        """Flatten one role; ``window`` holds the steps it covers relative to a window's start."""
        if len({series.n_components for series in group}) > 1:
            raise UserError(f"{name}: all series must have the same number of components.")
        first, row = [], 0
        for number, (target, series) in enumerate(zip(targets, group, strict=True)):
            offset = _position(target.start_time(), series, f"{name} of series {number}")
            used = min(int(self._windows[number]), self.max_samples_per_ts)
            last = int(self._last_start[number])
            begin = offset + last - (used - 1) * self.stride + window[0]
            end = offset + last + window[1]
            if begin < 0 or end > len(series):
                raise UserError(
                    f"{name} of series {number}: they run from {series.start_time()} to "
                    f"{series.end_time()}, but windows of the target need {max(0, -begin)} steps "
                    f"before and {max(0, end - len(series))} after that."
                )
            first.append(row + offset)
            row += len(series)
        values = np.concatenate([series.values(copy=False) for series in group])
        return _Role(torch.from_numpy(values.astype(np.float32)), torch.tensor(first))


def _position(time: pd.Timestamp | int, series: TimeSeries, name: str) -> int:
    """Return the row of ``time`` in ``series``, negative before its start."""
    steps: int = n_steps_between(end=time, start=series.start_time(), freq=series.freq)
    if series.start_time() + steps * series.freq != time:
        raise UserError(
            f"{name}: its times ({series.start_time()}, every {series.freq_str}) never meet the "
            f"target's start {time}. Give covariates the times of their target."
        )
    return steps
