"""Forecasts from many origins of many series, their inputs gathered a batch at a time."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TypeVar

import numpy as np
import torch
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchInferenceBatch, TorchInferenceDataset, TorchInferenceSample
from numpy.typing import NDArray

from .data import SeriesSet, parts
from .flat import FlatSeries, Steps, steps_between

# inputs that are predicted at once
BATCH_SIZE = 1024

Samples = TypeVar("Samples")


def forecast_from(
    model: TorchForecastingModel, data: SeriesSet, starts: Sequence[Steps], n: int
) -> list[NDArray[np.float32]]:
    """Forecast from every start, with the weights as they are.

    The forecasts are those of Darts' ``historical_forecasts(retrain=False)``, which builds one
    input and one ``TimeSeries`` per forecast.

    Args:
        model: trained.
        data: scaled float32 series, deterministic.
        starts: for each series the positions after the last input steps, each at least
            ``model.input_chunk_length``. A model with an ``output_chunk_shift`` forecasts from so
            many steps later.
        n: steps of a forecast.

    Returns:
        For each series an array of shape (starts, n, components).

    Raises:
        UserError: when covariates do not cover what a forecast reads.
    """
    if not _gathers(model):
        return _forecast_with_darts(model, data, starts, n)
    predictions, _, _ = model.predict_from_dataset(
        n=n,
        dataset=InferenceWindows(model, data, starts, n),
        batch_size=BATCH_SIZE,
        verbose=False,
        values_only=True,
        dataloader_kwargs={"pin_memory": False, "collate_fn": _unchanged},
    )
    ends = np.cumsum([len(positions) for positions in starts])
    return np.split(predictions[..., 0], ends[:-1])


def last_start(model: TorchForecastingModel, data: SeriesSet, number: int, n: int) -> int:
    """Return the last position from which a forecast ends within its series.

    Args:
        model: says which covariates it reads, and how far ahead.
        data: series and covariates, which may allow less.
        number: position of the series.
        n: steps of a forecast.
    """
    last = len(data.targets[number]) - n - int(model.output_chunk_shift)
    for group, ahead in (
        (data.past_covariates, max(0, n - model.output_chunk_length)),
        (data.future_covariates, max(n, model.output_chunk_length) + model.output_chunk_shift),
    ):
        if group is not None:
            offset = steps_between(group[number], data.targets[number], "covariates")
            last = min(last, len(group[number]) - offset - ahead)
    return last


class InferenceWindows(TorchInferenceDataset):
    """What a model reads to forecast ``n`` steps from each of the starts."""

    def __init__(
        self, model: TorchForecastingModel, data: SeriesSet, starts: Sequence[Steps], n: int
    ) -> None:
        """Flatten the series; see ``forecast_from``."""
        super().__init__()
        self._length = model.input_chunk_length
        self._past_ahead = max(0, n - model.output_chunk_length)
        self._shift = model.output_chunk_shift
        self._future_ahead = max(n, model.output_chunk_length)
        counts = [len(positions) for positions in starts]
        self._series = np.repeat(np.arange(len(starts)), counts)
        self._start = np.concatenate(starts)

        first = np.array([positions[0] for positions in starts]) - self._length
        last = np.array([positions[-1] for positions in starts])

        def flat(group: list[TimeSeries], ahead: int, name: str) -> FlatSeries:
            return FlatSeries(group, data.targets, first, last + ahead - 1, name)

        past, future = data.past_covariates, data.future_covariates
        self._target = flat(data.targets, 0, "series")
        self._past = flat(past, self._past_ahead, "past_covariates") if past else None
        ahead = self._shift + self._future_ahead
        self._future = flat(future, ahead, "future_covariates") if future else None
        self._static = None
        if model.uses_static_covariates:
            values = np.stack([series.static_covariates_values() for series in data.targets])
            self._static = torch.from_numpy(values).float()

    def __len__(self) -> int:
        """Return the number of forecasts."""
        return len(self._series)

    def __getitem__(self, index: int) -> TorchInferenceSample:
        """Return one input as numpy arrays of shape (time, components)."""
        batch = self.__getitems__([index])
        values = {item.name: getattr(batch, item.name) for item in fields(batch)}
        return TorchInferenceSample(
            **{
                name: value[0].numpy() if isinstance(value, torch.Tensor) else None
                for name, value in values.items()
            }
        )

    def __getitems__(self, indices: Sequence[int]) -> TorchInferenceBatch:
        """Return a whole batch; tensors are of shape (batch, time, components)."""
        index = np.asarray(indices)
        series, start = self._series[index], self._start[index]
        step, length = start - self._length, self._length
        batch = TorchInferenceBatch(past_target=self._target.gather(series, step, length))
        # Darts builds TimeSeries from these; here the values are all that is wanted
        batch.series_schema = batch.pred_time = [None] * len(index)
        if self._past is not None:
            past = self._past.gather(series, step, length + self._past_ahead)
            batch.past_covariates = past[:, :length]
            batch.future_past_covariates = past[:, length:] if self._past_ahead else None
        if self._future is not None:
            batch.historic_future_covariates = self._future.gather(series, step, length)
            batch.future_covariates = self._future.gather(
                series, start + self._shift, self._future_ahead
            )
        if self._static is not None:
            batch.static_covariates = self._static[torch.from_numpy(series)]
        return batch


def _gathers(model: TorchForecastingModel) -> bool:
    """Tell whether inputs can be gathered: of a fixed length, no covariates made by encoders."""
    encodes = model.encoders is not None and model.encoders.encoding_available
    return model.min_input_chunk_length == model.input_chunk_length and not encodes


def _forecast_with_darts(
    model: TorchForecastingModel, data: SeriesSet, starts: Sequence[Steps], n: int
) -> list[NDArray[np.float32]]:
    """Do the work of ``forecast_from`` with ``predict``, one history per forecast."""

    def repeated(group: list[TimeSeries] | None) -> list[TimeSeries] | None:
        if group is None:
            return None
        pairs = zip(group, starts, strict=True)
        return [series for series, positions in pairs for _ in positions]

    histories = repeated(data.targets) or []
    forecasts = model.predict(
        n=n,
        series=parts(histories, [0] * len(histories), np.concatenate(starts).tolist()),
        past_covariates=repeated(data.past_covariates),
        future_covariates=repeated(data.future_covariates),
        verbose=False,
        dataloader_kwargs={"pin_memory": False},
    )
    values = np.stack([forecast.values(copy=False) for forecast in forecasts])
    return np.split(values, np.cumsum([len(positions) for positions in starts])[:-1])


def _unchanged(batch: Samples) -> Samples:
    """Collate what is a batch already."""
    return batch
