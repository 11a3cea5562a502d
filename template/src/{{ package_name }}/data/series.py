"""The container that travels from the data to the model."""

import hashlib
from dataclasses import dataclass

import numpy as np
from darts import TimeSeries


@dataclass(frozen=True)
class SeriesSet:
    """Target series with their covariates, in the same order.

    Every target has the same components; ``past_covariates`` and ``future_covariates`` are
    ``None`` or as long as ``targets``. Covariates may start earlier and end later.
    """

    names: list[str]
    targets: list[TimeSeries]
    past_covariates: list[TimeSeries] | None = None
    future_covariates: list[TimeSeries] | None = None


def fingerprint(data: SeriesSet) -> str:
    """Return a SHA-256 over names, components, time indices and float64 values of all series.

    Equal data gives equal fingerprints on every platform.
    """
    digest = hashlib.sha256()
    for group in (data.targets, data.past_covariates or [], data.future_covariates or []):
        for name, series in zip(data.names, group, strict=False):
            header = f"{name}|{list(series.components)}|{series.start_time()}|{series.freq_str}"
            digest.update(header.encode())
            digest.update(np.ascontiguousarray(series.values(copy=False), dtype="<f8").tobytes())
    return digest.hexdigest()
