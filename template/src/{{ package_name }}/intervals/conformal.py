"""Intervals that are calibrated on the validation part, for any trained model.

Split conformal prediction, separately for every step of the horizon: the distances by which known
values lie outside an interval are sorted, and the interval is widened by the distance that the
wanted share of them does not exceed. A point forecast is an interval of zero width
(doi:10.1080/01621459.2017.1307116). Quantiles are intervals, which may also shrink
(arXiv:1905.03222). Darts' ``ConformalNaiveModel`` and ``ConformalQRModel`` do the same one forecast
at a time.
"""

import logging
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..data import SeriesSet, Split
from ..errors import UserError
from ..evaluation.backtest import Array, BacktestSpec
from ..evaluation.inference import Forecasts, forecast_bundle, last_start
from ..evaluation.metrics import central_intervals
from ..loading.series_tensor import Steps
from ..modeling.bundle import Bundle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConformalMargins:
    """How much wider calibrated intervals are.

    Attributes:
        margins: by interval, as its two quantile levels, the widest first: for each series an array
            of shape (horizon, components).
    """

    margins: dict[tuple[float, float], list[Array]]

    def apply(self, forecasts: Forecasts) -> Forecasts:
        """Return the forecasts with calibrated quantiles; point forecasts do not change.

        Wider intervals contain the narrower ones, and all contain the point forecast.
        """
        quantiles = {0.5: forecasts.point}
        low = high = forecasts.point
        for interval, margins in reversed(self.margins.items()):
            lower, upper = _bounds(forecasts, interval)
            low = [np.minimum(a, b - m) for a, b, m in zip(low, lower, margins, strict=True)]
            high = [np.maximum(a, b + m) for a, b, m in zip(high, upper, margins, strict=True)]
            quantiles |= {interval[0]: low, interval[1]: high}
        return Forecasts(forecasts.point, dict(sorted(quantiles.items())))


def calibrate(
    bundle: Bundle, data: SeriesSet, split: Split, spec: BacktestSpec
) -> ConformalMargins:
    """Calibrate intervals on the validation part; nothing after it is used.

    Each step of the horizon is compared with the whole validation part. The first values of the
    part are many steps ahead of forecasts that start before it, as early as the series allows.

    Args:
        bundle: trained model and scalers.
        data: series in their original unit.
        split: gives the validation part of every series.
        spec: horizon, and the quantile levels that bound the intervals.

    Raises:
        UserError: if there is no validation part, no interval, or no known value for a step.
    """
    intervals = central_intervals(spec.quantiles.levels)
    if not intervals:
        raise UserError("intervals: one quantile is not an interval. Set quantiles=[0.1,0.5,0.9].")
    if split.train_end == split.test_start:
        raise UserError(
            "intervals: the run has no validation part to calibrate on. Train it with "
            "data.validation_size=0.1."
        )
    parts = [_ValidationPart(*ends) for ends in zip(split.train_end, split.test_start, strict=True)]
    origins = [_origins(bundle, data, i, part, spec.horizon) for i, part in enumerate(parts)]
    forecasts = forecast_bundle(bundle, data, origins, spec.horizon, spec.quantiles)
    shift = int(bundle.model.output_chunk_shift)
    truth = [
        _truth(series.values(copy=False), start + shift, part, spec.horizon)
        for series, start, part in zip(data.targets, origins, parts, strict=True)
    ]
    margins = {}
    for low, high in intervals:
        bounds = zip(truth, *_bounds(forecasts, (low, high)), strict=True)
        margins[low, high] = [
            _margin(np.maximum(lower - known, known - upper), high - low)
            for known, lower, upper in bounds
        ]
    _warn_of_short_part(min(part.end - part.begin for part in parts), *intervals[0])
    return ConformalMargins(margins)


def _bounds(forecasts: Forecasts, interval: tuple[float, float]) -> tuple[list[Array], list[Array]]:
    if forecasts.quantiles is None:
        return forecasts.point, forecasts.point
    low, high = interval
    return forecasts.quantiles[low], forecasts.quantiles[high]


class _ValidationPart(NamedTuple):
    begin: int
    end: int


def _origins(
    bundle: Bundle, data: SeriesSet, number: int, part: _ValidationPart, horizon: int
) -> Steps:
    shift = int(bundle.model.output_chunk_shift)
    first = max(bundle.model.input_chunk_length, part.begin - shift - horizon + 1)
    last = min(part.end - 1 - shift, last_start(bundle.model, data, number, horizon))
    if last < first + horizon - 1:
        raise UserError(
            f"intervals: the validation part of {data.names[number]} is too short for forecasts of "
            f"{horizon} steps. Shorten the horizon, or train with a larger data.validation_size."
        )
    return np.arange(first, last + 1)


def _truth(values: Array, starts: Steps, part: _ValidationPart, horizon: int) -> Array:
    """Return the values of the validation part by (start, step, component), NaN elsewhere."""
    times = starts[:, None] + np.arange(horizon)
    known = (part.begin <= times) & (times < part.end)
    return np.where(known[..., None], values[times], np.nan)


def _margin(outside: Array, coverage: float) -> Array:
    """Return by how much to widen an interval, shape (horizon, components).

    Args:
        outside: distances outside the interval, shape (starts, horizon, components), NaN where the
            truth is unknown.
        coverage: share of values that the interval should contain.
    """
    # NaN comes last
    ordered = np.sort(outside, axis=0)
    counts = (~np.isnan(outside[..., 0])).sum(axis=0)
    ranks = [_rank(int(count), coverage) for count in counts]
    return np.stack([ordered[rank - 1, step] for step, rank in enumerate(ranks)])


def _rank(count: int, coverage: float) -> int:
    """Return which of ``count`` sorted distances, from 1, a new one exceeds rarely enough."""
    # rounded, because 0.9 - 0.1 is 0.8 only up to the last digits
    return min(count, int(np.ceil(np.round((count + 1) * coverage, 8))))


def _warn_of_short_part(steps: int, low: float, high: float) -> None:
    if np.round((steps + 1) * (high - low), 8) > steps:
        log.warning(
            "intervals: %d validation steps are too few for a %.0f%% interval, so their largest "
            "error bounds it.",
            steps,
            100 * (high - low),
        )
