"""Forecasts from many origins of many series, with inputs gathered a batch at a time."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import repeat
from typing import Any, Protocol

import numpy as np
import torch
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchInferenceBatch, TorchInferenceDataset, TorchInferenceSample
from numpy.typing import NDArray

from ..config import QuantileConfig
from ..data import IN_MEMORY, Panel, SeriesArray, Steps, Storage
from ..errors import UserError
from ..loading.series_tensor import SeriesTensor, static_tensor
from ..modeling.bundle import Bundle
from ..modeling.fit import steps_ahead

BATCH_SIZE = 1024
# bounds the memory of sampled forecasts to 256 MiB of float32
MAX_SAMPLED_VALUES = 1 << 26

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Origins:
    """Where forecasts start, ordered by series.

    Attributes:
        series: the number of the series of each forecast, shape (forecasts,).
        position: the position on the time axis after its last known step.
    """

    series: Steps
    position: Steps

    @classmethod
    def between(cls, first: Steps, last: Steps, stride: int = 1) -> "Origins":
        """Return every ``stride``-th position from ``first`` to ``last``, each (series,)."""
        counts = np.maximum(last - first + stride, 0) // stride
        series = np.repeat(np.arange(len(counts)), counts)
        number = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
        return cls(series, first[series] + number * stride)

    def __len__(self) -> int:
        """Return the number of forecasts."""
        return len(self.series)

    def select(self, which: NDArray[Any] | slice) -> "Origins":
        """Return some of the origins, by index or mask."""
        return Origins(self.series[which], self.position[which])

    def counts(self, series: int) -> Steps:
        """Return the number of forecasts of each of ``series`` series."""
        return np.bincount(self.series, minlength=series)


@dataclass(frozen=True)
class Forecasts:
    """Forecasts from many origins, each array of shape (forecasts, steps, components).

    Attributes:
        point: the median of a model with a likelihood, else its only forecast.
        quantiles: by level; none for a model without a likelihood.
    """

    point: Array
    quantiles: dict[float, Array] = field(default_factory=dict)


class Calibration(Protocol):
    """Adjusts the quantiles of forecasts to errors that the model made before."""

    def apply(self, forecasts: Forecasts, series: Steps) -> Forecasts:
        """Return the forecasts, given the series of each, with calibrated quantiles."""


def forecast_bundle(
    bundle: Bundle,
    data: Panel,
    origins: Origins,
    n: int,
    quantiles: QuantileConfig,
    storage: Storage = IN_MEMORY,
) -> Forecasts:
    """Forecast ``n`` steps from every origin, in the original unit.

    Every series has an origin, and each origin at least ``input_chunk_length`` steps of its series
    before it. A model with an ``output_chunk_shift`` forecasts from that many steps later. The
    scaled series are kept in ``storage``.

    Raises:
        UserError: if covariates end too early, or the model did not learn one of the quantiles.
    """
    first = np.full(len(data.names), len(data.times))
    np.minimum.at(first, origins.series, origins.position - bundle.model.input_chunk_length)
    inputs = replace(data, sample_weight=None)
    # nothing before the first input is read
    recent = {role: array.between(first, sys.maxsize) for role, array in inputs.roles.items()}
    scaled = bundle.scalers.transform(inputs.with_roles(recent), storage)

    def unscaled(values: Array) -> Array:
        return bundle.scalers.inverse(values, data.names, origins.series)

    found = forecast_scaled(bundle.model, scaled, origins, n, quantiles)
    levels = {level: unscaled(values) for level, values in found.quantiles.items()}
    return Forecasts(levels[0.5] if levels else unscaled(found.point), levels)


def forecast_scaled(
    model: TorchForecastingModel, data: Panel, origins: Origins, n: int, quantiles: QuantileConfig
) -> Forecasts:
    """Forecast scaled float32 series, as ``forecast_bundle`` does those in their original unit.

    Point forecasts equal those of Darts' ``historical_forecasts(retrain=False)``, which builds one
    input and one ``TimeSeries`` per forecast. A model that learned quantiles predicts them up to
    its ``output_chunk_length``. Longer forecasts, and those of a model that learned a distribution,
    are sampled. Quantiles are sorted, so that they never cross (arXiv:0704.3649).
    """
    if model.likelihood is None:
        [values] = _predict(model, data, origins, n)
        return Forecasts(values[..., 0])
    levels, width = quantiles.levels, len(data.targets.components)
    learned = getattr(model.likelihood, "quantiles", None)
    if learned is not None and (unknown := set(levels) - set(learned)):
        raise UserError(
            f"quantiles: the model did not learn {min(unknown)}. Choose from {learned}."
        )
    if learned is not None and n <= model.output_chunk_length:
        chosen = [learned.index(level) for level in levels]
        [values] = _predict(model, data, origins, n, predict_likelihood_parameters=True)
        found = values.reshape(*values.shape[:2], width, -1)[..., chosen]
    else:
        portion = max(1, MAX_SAMPLED_VALUES // (quantiles.num_samples * n * width))
        # one state for all portions, so that each continues the draws of the one before
        state = np.random.RandomState(quantiles.seed)
        options = {"num_samples": quantiles.num_samples, "random_state": state}
        samples = _predict(model, data, origins, n, portion, **options)
        portions = [np.quantile(values, levels, axis=-1) for values in samples]
        found = np.moveaxis(np.concatenate(portions, axis=1), 0, -1)
    ordered = np.sort(found, axis=-1)
    by_level = {level: ordered[..., number] for number, level in enumerate(levels)}
    return Forecasts(by_level[0.5], by_level)


def last_origins(model: TorchForecastingModel, data: Panel, n: int) -> Steps:
    """Return the last origin of each series whose forecast of ``n`` steps lies within it.

    Covariates that end early may allow fewer origins than the series itself.
    """
    last = data.targets.stop - n - int(model.output_chunk_shift)
    for array, ahead in covariates_read(model, data, n).values():
        last = np.minimum(last, array.stop - ahead)
    return last


def covariates_read(
    model: TorchForecastingModel, data: Panel, n: int
) -> dict[str, tuple[SeriesArray, int]]:
    """Return by role the covariates, and how many steps after its origin a forecast reads them."""
    roles = {
        "past_covariates": (data.past_covariates, max(0, n - model.output_chunk_length)),
        "future_covariates": (data.future_covariates, steps_ahead(model, n)),
    }
    return {role: (array, ahead) for role, (array, ahead) in roles.items() if array is not None}


class InferenceWindows(TorchInferenceDataset):
    """The inputs of a model for forecasts of ``n`` steps from each of the origins."""

    def __init__(self, model: TorchForecastingModel, data: Panel, origins: Origins, n: int) -> None:
        """Take the values of the series, which are scaled float32; see ``forecast_bundle``."""
        super().__init__()
        self._length, self._shift = model.input_chunk_length, model.output_chunk_shift
        self._origins = origins
        first, last = data.targets.stop, data.targets.start.copy()
        np.minimum.at(first, origins.series, origins.position)
        np.maximum.at(last, origins.series, origins.position)
        groups = {"targets": (data.targets, 0), **covariates_read(model, data, n)}
        self._roles = {
            role: SeriesTensor(array, (first, last), (-self._length, ahead), role)
            for role, (array, ahead) in groups.items()
        }
        static = data.static_covariates if model.uses_static_covariates else None
        self._static = static_tensor(static, len(data.names))

    def __len__(self) -> int:
        """Return the number of forecasts."""
        return len(self._origins)

    def __getitem__(self, index: int) -> TorchInferenceSample:
        """Return one input as arrays of shape (time, components); Darts checks the first one."""
        batch = self.__getitems__([index])
        values = {item.name: getattr(batch, item.name) for item in fields(batch)}
        first = {k: v[0].numpy() for k, v in values.items() if isinstance(v, torch.Tensor)}
        return TorchInferenceSample(**first)

    def __getitems__(self, indices: Sequence[int]) -> TorchInferenceBatch:
        """Return a batch of tensors of shape (batch, time, components)."""
        origins, length = self._origins.select(np.asarray(indices)), self._length
        windows = {
            role: tensor.gather(origins.series, origins.position)
            for role, tensor in self._roles.items()
        }
        batch = TorchInferenceBatch(past_target=windows["targets"])
        # Darts would build TimeSeries from these; only the values are used here. Lightning looks
        # into every item of a list when it moves a batch to its device, but not into an iterator
        batch.series_schema, batch.pred_time = (repeat(None, len(origins)) for _ in range(2))
        if (past := windows.get("past_covariates")) is not None:
            batch.past_covariates = past[:, :length]
            batch.future_past_covariates = past[:, length:] if past.shape[1] > length else None
        if (future := windows.get("future_covariates")) is not None:
            batch.historic_future_covariates = future[:, :length]
            batch.future_covariates = future[:, length + self._shift :]
        if self._static is not None:
            batch.static_covariates = self._static[torch.from_numpy(origins.series)]
        return batch


def _predict(
    model: TorchForecastingModel,
    data: Panel,
    origins: Origins,
    n: int,
    portion: int = sys.maxsize,
    **options: Any,
) -> Iterator[NDArray[np.float32]]:
    """Yield forecasts from all origins in order, at most ``portion`` at a time.

    Each array has the shape (forecasts, n, components, samples). Inputs are gathered unless their
    length varies or encoders add covariates; then Darts' ``predict`` gets one history per forecast.
    """
    options = {"n": n, "verbose": False, **options}
    encodes = model.encoders is not None and model.encoders.encoding_available
    gathers = not encodes and model.min_input_chunk_length == model.input_chunk_length
    for begin in range(0, len(origins), portion):
        due = origins.select(slice(begin, begin + portion))
        if gathers:
            predictions, _, _ = model.predict_from_dataset(
                dataset=InferenceWindows(model, data, due, n),
                batch_size=BATCH_SIZE,
                values_only=True,
                # what InferenceWindows returns is a batch already
                dataloader_kwargs={"pin_memory": False, "collate_fn": lambda batch: batch},
                **options,
            )
            yield predictions
        else:
            known = data.select(due.series)
            known = replace(known, targets=known.targets.between(0, due.position))
            histories = {role: known.to_series(role) for role in known.roles}
            forecasts = model.predict(
                series=histories.pop("targets"),
                **histories,
                dataloader_kwargs={"pin_memory": False},
                **options,
            )
            yield np.stack([forecast.all_values(copy=False) for forecast in forecasts])
