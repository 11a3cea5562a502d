"""Training windows, gathered a batch at a time.

Darts' own datasets make one window per call. ``WindowDataset`` returns the same windows, but a
whole batch per call, with one indexed copy per role. It contains only tensors, which torch shares
with workers of every start method without copying the data.

Spawned workers import this module: import nothing of Lightning, the models or plotting here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from darts.utils.data import (
    SequentialTorchTrainingDataset,
    ShiftedTorchTrainingDataset,
    TorchTrainingBatch,
    TorchTrainingDataset,
    TorchTrainingSample,
)

from ..errors import UserError
from .series_tensor import SeriesTensor, static_tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..data.panel import Panel, Steps


@dataclass(slots=True)
class WindowBatch(TorchTrainingBatch):
    """A Darts batch with ``pin_memory`` and ``to``.

    Without them, the DataLoader ignores ``pin_memory=True`` and Lightning moves the batch by a
    slow generic function.
    """

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the tensors by name, without those that are None."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in values if value is not None}

    @property
    def nbytes(self) -> int:
        """Return the size of all tensors."""
        return sum(tensor.nbytes for tensor in self.tensors().values())

    def split(self, size: int) -> Iterator["WindowBatch"]:
        """Yield consecutive batches of ``size`` windows, which are views of this one."""
        parts = {name: tensor.split(size) for name, tensor in self.tensors().items()}
        for number in range(len(parts["past_target"])):
            yield WindowBatch(**{name: tensors[number] for name, tensors in parts.items()})

    def pin_memory(self) -> "WindowBatch":
        """Return the batch in page-locked memory; called by the DataLoader."""
        return self._map(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device | str) -> "WindowBatch":
        """Return the batch on ``device``, copied asynchronously to CUDA; called by Lightning."""
        non_blocking = torch.device(device).type == "cuda"
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def _map(self, function: Callable[[torch.Tensor], torch.Tensor]) -> "WindowBatch":
        return replace(self, **{name: function(v) for name, v in self.tensors().items()})


def collate_windows(samples: "WindowBatch | Sequence[TorchTrainingSample]") -> WindowBatch:
    """Return a batch of the samples; the batches of ``WindowDataset`` are returned unchanged."""
    if isinstance(samples, WindowBatch):
        return samples
    stacked = {}
    for field in fields(TorchTrainingSample):
        values = [getattr(sample, field.name) for sample in samples]
        stacked[field.name] = None if values[0] is None else torch.from_numpy(np.stack(values))
    return WindowBatch(**stacked)


class WindowDataset(ShiftedTorchTrainingDataset):
    """The windows of Darts' training dataset for a panel, in the same order, as float32.

    It is a ``ShiftedTorchTrainingDataset`` because ``RNNModel`` requires one.
    """

    def __init__(
        self,
        shape: ShiftedTorchTrainingDataset,
        panel: "Panel",
        max_samples_per_ts: int | None = None,
        sampling: str = "darts",
        device: str = "cpu",
    ) -> None:
        """Take the values of a panel, whose targets end where the training part does.

        Args:
            shape: Darts' dataset of any of the series that ``supports`` accepts: it gives the shape
                of the windows, and whether the model uses static covariates.
            panel: scaled series.
            max_samples_per_ts: newest windows of each series; None for all.
            sampling: ``darts`` repeats the windows of shorter series until every series has as
                many as the longest one; ``uniform`` has every window once.
            device: where the values are stored and windows are gathered.

        Raises:
            UserError: if series are too short or covariates do not cover their target.
        """
        # The parent's __init__ would keep the series.
        TorchTrainingDataset.__init__(self)
        self.input_chunk_length = shape.input_chunk_length
        self.output_chunk_length = shape.output_chunk_length
        self.shift, self.stride = shape.shift, shape.stride
        self.sampling, self.device = sampling, device

        span, lengths = self.shift + self.output_chunk_length, panel.targets.length
        if len(short := np.flatnonzero(lengths < span)):
            listed = ", ".join(f"{panel.names[number]} ({lengths[number]})" for number in short[:5])
            raise UserError(
                f"{len(short)} of {len(lengths)} series are shorter than one window of {span} "
                f"steps: {listed}. Decrease model.input_chunk_length or horizon, or leave these "
                "series out."
            )
        count = (lengths - span + self.stride) // self.stride
        count = np.minimum(count, max_samples_per_ts or count.max())
        self.max_samples_per_ts = int(count.max())
        newest = panel.targets.stop - span
        oldest = newest - (count - 1) * self.stride
        steps = {
            "targets": (0, span),
            "past_covariates": (0, self.input_chunk_length),
            "future_covariates": (0, span),
            "sample_weight": (self.shift, span),
        }
        self._roles = {
            role: SeriesTensor(array, (oldest, newest), steps[role], role, device)
            for role, array in panel.roles.items()
        }
        table = panel.static_covariates if shape.uses_static_covariates_covariates else None
        self._static_covariates = static_tensor(table, len(panel.names), device)
        # tensors, because workers share their memory
        self._count = torch.from_numpy(count)
        self._ends = torch.from_numpy(np.cumsum(count))
        self._newest = torch.from_numpy(newest)

    @property
    def nbytes(self) -> int:
        """Return the size of all values in memory, without those in files."""
        return sum(tensor.nbytes for tensor in self._roles.values())

    @staticmethod
    def supports(dataset: TorchTrainingDataset) -> bool:
        """Return whether the windows can be gathered.

        This requires a fixed input length, an output that ends no earlier than the input, and
        deterministic series, as with all models in ``conf/model``.
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
        """Return the number of windows, including repeated ones."""
        if self.sampling == "uniform":
            return int(self._ends[-1])
        return len(self._ends) * self.max_samples_per_ts

    def __getitem__(self, index: int) -> TorchTrainingSample:
        """Return one window as NumPy arrays of shape (time, components)."""
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        tensors = self.__getitems__([index]).tensors()
        return TorchTrainingSample(**{name: value[0].numpy() for name, value in tensors.items()})

    def __getitems__(self, indices: "Sequence[int] | NDArray[np.integer]") -> WindowBatch:
        """Return a batch of windows; torch calls this method where a dataset has it.

        Returns:
            float32 tensors of shape (batch, time, components); static covariates have shape
            (batch, components or 1, covariates). Past and future target share memory.
        """
        series, position = self.locate(np.asarray(indices, dtype=np.int64))
        windows = {role: tensor.gather(series, position) for role, tensor in self._roles.items()}
        past, future = slice(0, self.input_chunk_length), slice(self.shift, None)
        target, covariates = windows["targets"], windows.get("future_covariates")
        batch = WindowBatch(
            past_target=target[:, past],
            future_target=target[:, future],
            past_covariates=windows.get("past_covariates"),
            sample_weight=windows.get("sample_weight"),
        )
        if covariates is not None:
            batch.historic_future_covariates = covariates[:, past]
            batch.future_covariates = covariates[:, future]
        if self._static_covariates is not None:
            rows = torch.from_numpy(series).to(self.device)
            batch.static_covariates = self._static_covariates[rows]
        return batch

    def locate(self, indices: "Steps") -> "tuple[Steps, Steps]":
        """Return the series of each window, and the position of its start on the time axis."""
        count = self._count.numpy()
        if self.sampling == "uniform":
            ends = self._ends.numpy()
            series = np.searchsorted(ends, indices, side="right")
            number = indices - (ends[series] - count[series])
        else:
            series, number = np.divmod(indices, self.max_samples_per_ts)
            number %= count[series]
        # the newest window is number 0
        return series, self._newest.numpy()[series] - number * self.stride
