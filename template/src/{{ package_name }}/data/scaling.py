"""Scalers that are fitted on the training part only and saved with the model."""

from dataclasses import dataclass

import numpy as np
from darts import TimeSeries
from darts.dataprocessing.transformers import Scaler
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from .series import SeriesSet
from .splits import Split

_SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler}


@dataclass(frozen=True)
class Scalers:
    """One fitted Darts ``Scaler`` per role, each with parameters per series; None: no scaling."""

    targets: Scaler | None
    past_covariates: Scaler | None
    future_covariates: Scaler | None

    def transform(self, data: SeriesSet) -> SeriesSet:
        """Return the scaled series as float32, the precision that the model trains in."""
        return SeriesSet(
            names=data.names,
            targets=_transform(self.targets, data.targets),
            past_covariates=data.past_covariates
            and _transform(self.past_covariates, data.past_covariates),
            future_covariates=data.future_covariates
            and _transform(self.future_covariates, data.future_covariates),
        )

    def inverse(self, values: NDArray[np.float32], series: int) -> NDArray[np.float64]:
        """Bring forecasts of one series back to the original scale.

        Args:
            values: scaled target values, shape ``(..., components)``.
            series: position of the series among those that the scaler was fitted on.
        """
        flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
        if self.targets is not None:
            scaled = TimeSeries.from_values(flat)
            flat = self.targets.inverse_transform(scaled, series_idx=series).values()
        return flat.reshape(values.shape)


def fit_scalers(data: SeriesSet, split: Split, kind: str) -> Scalers:
    """Fit scalers on what lies before the end of the training part of every series.

    Args:
        data: unscaled series.
        split: the division whose training part may be looked at.
        kind: ``standard``, ``minmax`` or ``none``.
    """
    if kind == "none":
        return Scalers(None, None, None)
    train = split.train(data.targets)

    def fit(group: list[TimeSeries] | None) -> Scaler | None:
        if group is None:
            return None
        ends = [series.end_time() for series in train]
        known = [
            series.slice(series.start_time(), end) for series, end in zip(group, ends, strict=True)
        ]
        return Scaler(_SCALERS[kind]()).fit(known)

    return Scalers(
        targets=fit(data.targets),
        past_covariates=fit(data.past_covariates),
        future_covariates=fit(data.future_covariates),
    )


def _transform(scaler: Scaler | None, group: list[TimeSeries]) -> list[TimeSeries]:
    scaled = group if scaler is None else scaler.transform(group)
    return [series.astype(np.float32) for series in scaled]
