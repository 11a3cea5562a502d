"""Training windows, gathered a batch at a time.

Darts' own datasets build one window per call, in Python. ``WindowDataset`` returns the very same
windows, but a whole batch per call, with one indexed copy out of one flat tensor per role. It is
a top-level class that holds tensors only, so it is pickled to every start method's workers
without copying the data: torch moves tensors to shared memory.

Spawned workers import this module and nothing of Lightning, the models or plotting.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from darts.utils.data import (
    SequentialTorchTrainingDataset,
    ShiftedTorchTrainingDataset,
    TorchTrainingBatch,
    TorchTrainingDataset,
    TorchTrainingSample,
)

from .errors import UserError
from .flat import FlatSeries, Steps


@dataclass(slots=True)
class WindowBatch(TorchTrainingBatch):
    """A Darts batch that can be pinned and moved.

    Darts' batch has neither ``pin_memory`` nor ``to``: the DataLoader's ``pin_memory=True`` then
    does nothing, and Lightning moves the batch by a slow generic path.
    """

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors that there are, by name."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    @property
    def nbytes(self) -> int:
        """Return the bytes of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def split(self, size: int) -> Iterator["WindowBatch"]:
        """Yield consecutive batches of ``size`` windows that share the memory of this one."""
        parts = {name: tensor.split(size) for name, tensor in self.tensors().items()}
        for number in range(len(parts["past_target"])):
            yield WindowBatch(**{name: tensors[number] for name, tensors in parts.items()})

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
        return replace(self, **{name: function(v) for name, v in self.tensors().items()})


def collate_windows(samples: "WindowBatch | Sequence[TorchTrainingSample]") -> WindowBatch:
    """Return a batch: ``WindowDataset`` delivers one, other datasets a list of samples."""
    if isinstance(samples, WindowBatch):
        return samples
    stacked = {}
    for item in fields(TorchTrainingSample):
        values = [getattr(sample, item.name) for sample in samples]
        stacked[item.name] = None if values[0] is None else torch.from_numpy(np.stack(values))
    return WindowBatch(**stacked)


class WindowDataset(ShiftedTorchTrainingDataset):
    """The windows of a Darts training dataset, in the same order, as float32.

    It derives from ``ShiftedTorchTrainingDataset`` because ``RNNModel`` asks for that type.
    """

    def __init__(
        self,
        dataset: ShiftedTorchTrainingDataset,
        sampling: str = "darts",
        device: str = "cpu",
    ) -> None:
        """Flatten the series of ``dataset``.

        Args:
            dataset: any dataset for which ``supports`` is true.
            sampling: ``darts`` repeats the windows of short series until each series has as many
                as the longest one; ``uniform`` has each window once.
            device: where the values are kept and the windows are gathered.

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
        self.max_samples_per_ts = int(dataset.max_samples_per_ts)
        self.sampling = sampling
        self._span = self.shift + self.output_chunk_length

        series = dataset.series
        lengths = np.array([len(one) for one in series])
        self._check_lengths(lengths)
        windows = np.minimum(
            (lengths - self._span + self.stride) // self.stride, self.max_samples_per_ts
        )
        newest = lengths - self._span
        oldest = newest - (windows - 1) * self.stride

        def flat(name: str, begin: int, end: int) -> FlatSeries:
            """Flatten a role that has the steps from ``begin`` to before ``end`` of all windows."""
            group = getattr(dataset, name)
            role = FlatSeries(group, series, oldest + begin, newest + end - 1, name)
            role.to(device)
            return role

        self._target = flat("series", 0, self._span)
        self._past_covariates = (
            flat("past_covariates", 0, self.input_chunk_length)
            if dataset.uses_past_covariates
            else None
        )
        self._future_covariates = (
            flat("future_covariates", 0, self._span) if dataset.uses_future_covariates else None
        )
        self._sample_weight = (
            flat("sample_weight", self.shift, self._span) if dataset.sample_weight else None
        )
        self._static_covariates = (
            torch.from_numpy(np.stack([s.static_covariates_values() for s in series]))
            .float()
            .to(device)
            if dataset.uses_static_covariates_covariates
            else None
        )
        # tensors, for workers share them
        self._windows = torch.from_numpy(windows)
        self._ends = torch.from_numpy(np.cumsum(windows))
        self._newest = torch.from_numpy(newest)

    @property
    def device(self) -> torch.device:
        """Return the device on which windows are gathered."""
        return self._target.values.device

    @property
    def nbytes(self) -> int:
        """Return the bytes of all values in memory; those in files are not."""
        roles = self._target, self._past_covariates, self._future_covariates, self._sample_weight
        return sum(role.nbytes for role in roles if role is not None)

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
        """Return the number of windows, repeated ones counted."""
        if self.sampling == "uniform":
            return int(self._ends[-1])
        return len(self._ends) * self.max_samples_per_ts

    def __getitem__(self, index: int) -> TorchTrainingSample:
        """Return one window as numpy arrays of shape (time, components)."""
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        batch = self.__getitems__([index])
        values = {item.name: getattr(batch, item.name) for item in fields(batch)}
        return TorchTrainingSample(
            **{name: None if v is None else v[0].numpy() for name, v in values.items()}
        )

    def __getitems__(self, indices: Sequence[int] | Steps) -> WindowBatch:
        """Return the windows of a whole batch; torch calls this where a dataset has it.

        Returns:
            float32 tensors of shape (batch, time, components); static covariates have
            (batch, components or 1, covariates). Past and future target share memory.
        """
        series, position = self._locate(np.asarray(indices, dtype=np.int64))
        step = self._newest.numpy()[series] - position * self.stride

        past = slice(0, self.input_chunk_length)
        future = slice(self.shift, None)
        target = self._target.gather(series, step, self._span)
        batch = WindowBatch(past_target=target[:, past], future_target=target[:, future])
        if self._past_covariates is not None:
            batch.past_covariates = self._past_covariates.gather(
                series, step, self.input_chunk_length
            )
        if self._future_covariates is not None:
            covariates = self._future_covariates.gather(series, step, self._span)
            batch.historic_future_covariates = covariates[:, past]
            batch.future_covariates = covariates[:, future]
        if self._sample_weight is not None:
            batch.sample_weight = self._sample_weight.gather(
                series, step + self.shift, self.output_chunk_length
            )
        if self._static_covariates is not None:
            rows = torch.from_numpy(series).to(self._static_covariates.device)
            batch.static_covariates = self._static_covariates[rows]
        return batch

    def _locate(self, index: Steps) -> tuple[Steps, Steps]:
        """Return the series of each window, and its position there: 0 is the newest."""
        windows = self._windows.numpy()
        if self.sampling == "uniform":
            ends = self._ends.numpy()
            series = np.searchsorted(ends, index, side="right")
            return series, index - (ends[series] - windows[series])
        series, position = np.divmod(index, self.max_samples_per_ts)
        return series, position % windows[series]

    def _check_lengths(self, lengths: Steps) -> None:
        short = np.flatnonzero(lengths < self._span)
        if len(short):
            listed = ", ".join(f"{number} ({lengths[number]})" for number in short[:5])
            raise UserError(
                f"{len(short)} of {len(lengths)} series are shorter than one window of "
                f"{self._span} steps; position (length): {listed}. Shorten "
                "model.input_chunk_length or horizon, or leave these series out."
            )
