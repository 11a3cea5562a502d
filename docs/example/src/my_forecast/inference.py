"""Forecasts from many origins of many series, their inputs gathered a batch at a time."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any, TypeVar

import numpy as np
import torch
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchInferenceBatch, TorchInferenceDataset, TorchInferenceSample
from numpy.typing import NDArray

from .data import SeriesSet, parts
from .errors import UserError
from .flat import FlatSeries, Steps, steps_between
from .settings import QuantileSettings

# inputs that are predicted at once
BATCH_SIZE = 1024
# sampled values that are kept at once, a quarter of a gigabyte
VALUES = 1 << 26

Samples = TypeVar("Samples")


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of many series, one array of shape (starts, steps, components) per series.

    Attributes:
        point: what a model without a likelihood forecasts, else the median.
        quantiles: by quantile, ``None`` for a model without a likelihood.
    """

    point: list[NDArray[np.float64]]
    quantiles: dict[float, list[NDArray[np.float64]]] | None = None


def forecast_from(
    model: TorchForecastingModel, data: SeriesSet, starts: Sequence[Steps], n: int
) -> list[NDArray[np.float32]]:
    """Forecast from every start, with the weights as they are.

    The forecasts are those of Darts' ``historical_forecasts(retrain=False)``, which builds one
    input and one ``TimeSeries`` per forecast.

    Args:
        model: trained, without a likelihood.
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
    [values] = _predicted(model, data, starts, n, sum(map(len, starts)))
    return _by_series(values[..., 0], starts)


def forecast_quantiles(
    model: TorchForecastingModel,
    data: SeriesSet,
    starts: Sequence[Steps],
    n: int,
    quantiles: QuantileSettings,
) -> dict[float, list[NDArray[np.floating]]]:
    """Forecast quantiles from every start, with the weights as they are.

    A model that learned quantiles gives them itself, as far as it predicts at once. Beyond that,
    and for a model that learned a distribution, they are estimated from samples, step by step.
    Quantiles of a step never cross: they are put in order (arXiv:0704.3649).

    Args:
        model: trained, with a likelihood.
        data: as in ``forecast_from``.
        starts: as in ``forecast_from``.
        n: steps of a forecast.
        quantiles: which, and how many samples are drawn of which seed.

    Returns:
        For each quantile what ``forecast_from`` returns.

    Raises:
        UserError: as ``forecast_from``, and when the model did not learn one of the quantiles.
    """
    levels, width = quantiles.levels, data.targets[0].n_components
    learned = getattr(model.likelihood, "quantiles", None)
    if learned is not None and (unknown := set(levels) - set(learned)):
        raise UserError(f"quantiles: {min(unknown)} is none of those that were learned: {learned}.")
    if learned is not None and n <= model.output_chunk_length:
        chosen = [learned.index(level) for level in levels]
        own = {"predict_likelihood_parameters": True}
        [values] = _predicted(model, data, starts, n, sum(map(len, starts)), **own)
        portions = [values.reshape(*values.shape[:2], width, -1)[..., chosen]]
    else:
        portion = max(1, VALUES // (quantiles.num_samples * n * width))
        drawn = {
            "num_samples": quantiles.num_samples,
            # every portion draws on from where the last one stopped
            "random_state": np.random.RandomState(quantiles.seed),
        }
        samples = _predicted(model, data, starts, n, portion, **drawn)
        portions = [np.moveaxis(np.quantile(values, levels, axis=-1), 0, -1) for values in samples]
    ordered = np.sort(np.concatenate(portions), axis=-1)
    return {level: _by_series(ordered[..., number], starts) for number, level in enumerate(levels)}


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

    def part(self, begin: int, end: int) -> "InferenceWindows":
        """Return consecutive forecasts, without copying values."""
        part = copy(self)
        part._series, part._start = self._series[begin:end], self._start[begin:end]
        return part

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


def _predicted(
    model: TorchForecastingModel,
    data: SeriesSet,
    starts: Sequence[Steps],
    n: int,
    portion: int,
    **options: Any,
) -> Iterator[NDArray[np.float32]]:
    """Yield the forecasts from all starts in order, at most ``portion`` at once.

    Args:
        model: as in ``forecast_from``.
        data: as in ``forecast_from``.
        starts: as in ``forecast_from``.
        n: as in ``forecast_from``.
        portion: bounds the memory that is used.
        options: of Darts' ``predict_from_dataset``.

    Yields:
        Shape (forecasts, n, components, samples).
    """
    if not _gathers(model):
        yield from _predicted_by_darts(model, data, starts, n, portion, **options)
        return
    windows = InferenceWindows(model, data, starts, n)
    for begin in range(0, len(windows), portion):
        predictions, _, _ = model.predict_from_dataset(
            n=n,
            dataset=windows.part(begin, begin + portion),
            batch_size=BATCH_SIZE,
            verbose=False,
            values_only=True,
            dataloader_kwargs={"pin_memory": False, "collate_fn": _unchanged},
            **options,
        )
        yield predictions


def _predicted_by_darts(
    model: TorchForecastingModel,
    data: SeriesSet,
    starts: Sequence[Steps],
    n: int,
    portion: int,
    **options: Any,
) -> Iterator[NDArray[np.float32]]:
    """Do the work of ``_predicted`` with ``predict``, one history per forecast."""

    def repeated(group: list[TimeSeries] | None) -> list[TimeSeries] | None:
        if group is None:
            return None
        pairs = zip(group, starts, strict=True)
        return [series for series, positions in pairs for _ in positions]

    ends = np.concatenate(starts).tolist()
    histories = parts(repeated(data.targets) or [], [0] * len(ends), ends)
    past, future = repeated(data.past_covariates), repeated(data.future_covariates)
    for begin in range(0, len(histories), portion):
        some = slice(begin, begin + portion)
        forecasts = model.predict(
            n=n,
            series=histories[some],
            past_covariates=past and past[some],
            future_covariates=future and future[some],
            verbose=False,
            dataloader_kwargs={"pin_memory": False},
            **options,
        )
        yield np.stack([forecast.all_values(copy=False) for forecast in forecasts])


def _by_series(values: NDArray[np.floating], starts: Sequence[Steps]) -> list[NDArray[np.floating]]:
    return np.split(values, np.cumsum([len(positions) for positions in starts])[:-1])


def _unchanged(batch: Samples) -> Samples:
    """Collate what is a batch already."""
    return batch
