"""Forecasts from many origins of many series, with inputs gathered a batch at a time."""

import sys
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import torch
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchInferenceBatch, TorchInferenceDataset, TorchInferenceSample
from numpy.typing import NDArray

from ..config import QuantileConfig
from ..data import IN_MEMORY, SeriesSet, Storage, parts
from ..errors import UserError
from ..loading.series_tensor import SeriesTensor, Steps, steps_between
from ..modeling.bundle import Bundle
from ..modeling.fit import steps_ahead

BATCH_SIZE = 1024
# bounds the memory of sampled forecasts to 256 MiB of float32
MAX_SAMPLED_VALUES = 1 << 26

Values = list[NDArray[np.floating]]


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of many series: one array of shape (starts, steps, components) per series.

    Attributes:
        point: the median of a model with a likelihood, else its only forecast.
        quantiles: by level; None for a model without a likelihood.
    """

    point: list[NDArray[np.float64]]
    quantiles: dict[float, list[NDArray[np.float64]]] | None = None


class Calibration(Protocol):
    """Adjusts the quantiles of forecasts to errors that the model made before."""

    def apply(self, forecasts: Forecasts) -> Forecasts:
        """Return the forecasts with calibrated quantiles."""


def forecast_bundle(
    bundle: Bundle,
    data: SeriesSet,
    starts: Sequence[Steps],
    n: int,
    quantiles: QuantileConfig,
    storage: Storage = IN_MEMORY,
) -> Forecasts:
    """Forecast ``n`` steps from every start, in the original unit.

    ``starts`` holds for each series the increasing positions after the last input step, each at
    least ``input_chunk_length``. A model with an ``output_chunk_shift`` forecasts from that many
    steps later. The scaled series are kept in ``storage``.

    Raises:
        UserError: if covariates end too early, or the model did not learn one of the quantiles.
    """
    first = [int(positions[0]) - bundle.model.input_chunk_length for positions in starts]
    scaled = bundle.scalers.transform(data.since(first), storage)
    moved = [positions - step for positions, step in zip(starts, first, strict=True)]

    def unscaled(values: Values) -> list[NDArray[np.float64]]:
        pairs = zip(values, data.names, strict=True)
        return [bundle.scalers.inverse(part, name) for part, name in pairs]

    if bundle.model.likelihood is None:
        return Forecasts(unscaled(forecast_points(bundle.model, scaled, moved, n)))
    found = forecast_quantiles(bundle.model, scaled, moved, n, quantiles)
    levels = {level: unscaled(values) for level, values in found.items()}
    return Forecasts(levels[0.5], levels)


def forecast_points(
    model: TorchForecastingModel, data: SeriesSet, starts: Sequence[Steps], n: int
) -> Values:
    """Forecast scaled float32 series with a model without a likelihood, as ``forecast_bundle``.

    The forecasts equal those of Darts' ``historical_forecasts(retrain=False)``, which builds one
    input and one ``TimeSeries`` per forecast. They have the shape (starts, n, components) for each
    series.
    """
    [values] = _predict(model, data, starts, n)
    return _by_series(values[..., 0], starts)


def forecast_quantiles(
    model: TorchForecastingModel,
    data: SeriesSet,
    starts: Sequence[Steps],
    n: int,
    quantiles: QuantileConfig,
) -> dict[float, Values]:
    """Forecast quantiles with a model with a likelihood: ``forecast_points`` for each level.

    A model that learned quantiles predicts them up to its ``output_chunk_length``. Longer
    forecasts, and those of a model that learned a distribution, are sampled. Quantiles are sorted,
    so that they never cross (arXiv:0704.3649).
    """
    levels, width = quantiles.levels, data.targets[0].n_components
    learned = getattr(model.likelihood, "quantiles", None)
    if learned is not None and (unknown := set(levels) - set(learned)):
        raise UserError(
            f"quantiles: the model did not learn {min(unknown)}. Choose from {learned}."
        )
    if learned is not None and n <= model.output_chunk_length:
        chosen = [learned.index(level) for level in levels]
        [values] = _predict(model, data, starts, n, predict_likelihood_parameters=True)
        portions = [values.reshape(*values.shape[:2], width, -1)[..., chosen]]
    else:
        portion = max(1, MAX_SAMPLED_VALUES // (quantiles.num_samples * n * width))
        # one state for all portions, so that each continues the draws of the one before
        state = np.random.RandomState(quantiles.seed)
        options = {"num_samples": quantiles.num_samples, "random_state": state}
        samples = _predict(model, data, starts, n, portion, **options)
        portions = [np.moveaxis(np.quantile(values, levels, axis=-1), 0, -1) for values in samples]
    ordered = np.sort(np.concatenate(portions), axis=-1)
    return {level: _by_series(ordered[..., number], starts) for number, level in enumerate(levels)}


def last_start(model: TorchForecastingModel, data: SeriesSet, number: int, n: int) -> int:
    """Return the last start whose forecast of ``n`` steps lies within series ``number``.

    Covariates that end early may allow fewer starts than the series itself.
    """
    target = data.targets[number]
    last = len(target) - n - int(model.output_chunk_shift)
    for group, ahead in covariates_read(model, data, n).values():
        offset = steps_between(group[number], target, "covariates")
        last = min(last, len(group[number]) - offset - ahead)
    return last


def covariates_read(
    model: TorchForecastingModel, data: SeriesSet, n: int
) -> dict[str, tuple[list[TimeSeries], int]]:
    """Return by role the covariates, and how many steps after its start a forecast reads them."""
    roles = {
        "past_covariates": (data.past_covariates, max(0, n - model.output_chunk_length)),
        "future_covariates": (data.future_covariates, steps_ahead(model, n)),
    }
    return {role: (group, ahead) for role, (group, ahead) in roles.items() if group is not None}


class InferenceWindows(TorchInferenceDataset):
    """The inputs of a model for forecasts of ``n`` steps from each of the starts."""

    def __init__(
        self, model: TorchForecastingModel, data: SeriesSet, starts: Sequence[Steps], n: int
    ) -> None:
        """Flatten the series, which are scaled float32; see ``forecast_bundle``."""
        super().__init__()
        self._length, self._shift = model.input_chunk_length, model.output_chunk_shift
        self._series, self._start = _series_and_starts(starts)
        ends = np.array([one[0] for one in starts]), np.array([one[-1] for one in starts])
        groups = {"series": (data.targets, 0), **covariates_read(model, data, n)}
        self._roles = {
            role: SeriesTensor(group, data.targets, ends, (-self._length, ahead), role)
            for role, (group, ahead) in groups.items()
        }
        self._static = None
        if model.uses_static_covariates:
            values = np.stack([series.static_covariates_values() for series in data.targets])
            self._static = torch.from_numpy(values).float()

    def part(self, begin: int, end: int) -> "InferenceWindows":
        """Return consecutive inputs, without copying values."""
        part = copy(self)
        part._series, part._start = self._series[begin:end], self._start[begin:end]
        return part

    def __len__(self) -> int:
        """Return the number of forecasts."""
        return len(self._series)

    def __getitem__(self, index: int) -> TorchInferenceSample:
        """Return one input as arrays of shape (time, components)."""
        batch = self.__getitems__([index])
        values = {item.name: getattr(batch, item.name) for item in fields(batch)}
        first = {k: v[0].numpy() for k, v in values.items() if isinstance(v, torch.Tensor)}
        return TorchInferenceSample(**first)

    def __getitems__(self, indices: Sequence[int]) -> TorchInferenceBatch:
        """Return a batch of tensors of shape (batch, time, components)."""
        index, length = np.asarray(indices), self._length
        series, start = self._series[index], self._start[index]
        windows = {role: tensor.gather(series, start) for role, tensor in self._roles.items()}
        batch = TorchInferenceBatch(past_target=windows["series"])
        # Darts would build TimeSeries from these; only the values are used here
        batch.series_schema = batch.pred_time = [None] * len(index)
        if (past := windows.get("past_covariates")) is not None:
            batch.past_covariates = past[:, :length]
            batch.future_past_covariates = past[:, length:] if past.shape[1] > length else None
        if (future := windows.get("future_covariates")) is not None:
            batch.historic_future_covariates = future[:, :length]
            batch.future_covariates = future[:, length + self._shift :]
        if self._static is not None:
            batch.static_covariates = self._static[torch.from_numpy(series)]
        return batch


def _predict(
    model: TorchForecastingModel,
    data: SeriesSet,
    starts: Sequence[Steps],
    n: int,
    portion: int = sys.maxsize,
    **options: Any,
) -> Iterator[NDArray[np.float32]]:
    """Yield forecasts from all starts in order, at most ``portion`` at a time.

    Each array has the shape (forecasts, n, components, samples). Inputs are gathered unless their
    length varies or encoders add covariates; then Darts' ``predict`` gets one history per forecast.
    """
    options = {"n": n, "verbose": False, **options}
    encodes = model.encoders is not None and model.encoders.encoding_available
    if encodes or model.min_input_chunk_length != model.input_chunk_length:
        histories = _histories(data, starts)
        for begin in range(0, sum(map(len, starts)), portion):
            due = slice(begin, begin + portion)
            some = {role: group and group[due] for role, group in histories.items()}
            forecasts = model.predict(**some, dataloader_kwargs={"pin_memory": False}, **options)
            yield np.stack([forecast.all_values(copy=False) for forecast in forecasts])
        return
    windows = InferenceWindows(model, data, starts, n)
    for begin in range(0, len(windows), portion):
        predictions, _, _ = model.predict_from_dataset(
            dataset=windows.part(begin, begin + portion),
            batch_size=BATCH_SIZE,
            values_only=True,
            # what InferenceWindows returns is a batch already
            dataloader_kwargs={"pin_memory": False, "collate_fn": lambda batch: batch},
            **options,
        )
        yield predictions


def _histories(data: SeriesSet, starts: Sequence[Steps]) -> dict[str, list[TimeSeries] | None]:
    """Return the arguments of Darts' ``predict``, with one series per forecast."""
    number, ends = _series_and_starts(starts)
    repeated = data.select(number.tolist())
    return {
        "series": parts(repeated.targets, [0] * len(ends), ends.tolist()),
        "past_covariates": repeated.past_covariates,
        "future_covariates": repeated.future_covariates,
    }


def _series_and_starts(starts: Sequence[Steps]) -> tuple[Steps, Steps]:
    """Return the series and the start of every forecast, shape (forecasts,)."""
    return np.repeat(np.arange(len(starts)), [len(one) for one in starts]), np.concatenate(starts)


def _by_series(values: NDArray[np.floating], starts: Sequence[Steps]) -> Values:
    return np.split(values, np.cumsum([len(positions) for positions in starts])[:-1])
