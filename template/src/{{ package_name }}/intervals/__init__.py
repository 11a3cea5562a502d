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

import numpy as np

from ..data import Panel, Split, Steps
from ..errors import UserError
from ..evaluation.backtest import BacktestSpec
from ..evaluation.baselines import truth_at
from ..evaluation.inference import Array, Forecasts, Origins, forecast_bundle, last_origins
from ..evaluation.metrics import central_intervals
from ..modeling.bundle import Bundle

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ConformalMargins:
    """How much wider calibrated intervals are.

    ``margins`` holds an array of shape (series, horizon, components) for each interval, which is
    named by its two quantile levels, the widest first.
    """

    margins: dict[tuple[float, float], Array]

    def apply(self, forecasts: Forecasts, series: Steps) -> Forecasts:
        """Return the forecasts with calibrated quantiles; point forecasts do not change.

        Wider intervals contain the narrower ones, and all contain the point forecast.
        """
        quantiles = {0.5: forecasts.point}
        low = high = forecasts.point
        for interval, margins in reversed(self.margins.items()):
            lower, upper = _bounds(forecasts, interval)
            low = np.minimum(low, lower - margins[series])
            high = np.maximum(high, upper + margins[series])
            quantiles |= {interval[0]: low, interval[1]: high}
        return Forecasts(forecasts.point, dict(sorted(quantiles.items())))


def calibrate(bundle: Bundle, data: Panel, split: Split, spec: BacktestSpec) -> ConformalMargins:
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
    if not split.validates:
        raise UserError(
            "intervals: the run has no validation part to calibrate on. Train it with "
            "data.validation_size=0.1."
        )
    origins = _origins(bundle, data, split, spec.horizon)
    forecasts = forecast_bundle(bundle, data, origins, spec.horizon, spec.quantiles)
    steps = int(bundle.model.output_chunk_shift) + np.arange(spec.horizon)
    truth = truth_at(data.targets, origins, steps)
    times, series = origins.position[:, None] + steps, origins.series
    begin, end = split.train_end[series, None], split.test_start[series, None]
    truth[(times < begin) | (times >= end)] = np.nan
    margins = {}
    first = np.cumsum(origins.counts(len(data.names)))[:-1]
    for low, high in intervals:
        lower, upper = _bounds(forecasts, (low, high))
        outside = np.split(np.maximum(lower - truth, truth - upper), first)
        margins[low, high] = np.stack([_margin(part, high - low) for part in outside])
    shortest, widest = (split.test_start - split.train_end).min(), np.ptp(intervals[0])
    if _rank(shortest, widest) > shortest:
        log.warning(
            "intervals: %d validation steps are too few for a %.0f%% interval, so their largest "
            "error bounds it.",
            shortest,
            100 * widest,
        )
    return ConformalMargins(margins)


def _bounds(forecasts: Forecasts, interval: tuple[float, float]) -> tuple[Array, Array]:
    if not forecasts.quantiles:
        return forecasts.point, forecasts.point
    low, high = interval
    return forecasts.quantiles[low], forecasts.quantiles[high]


def _origins(bundle: Bundle, data: Panel, split: Split, horizon: int) -> Origins:
    shift = int(bundle.model.output_chunk_shift)
    earliest = data.targets.start + bundle.model.input_chunk_length
    first = np.maximum(earliest, split.train_end - shift - horizon + 1)
    last = np.minimum(split.test_start - 1 - shift, last_origins(bundle.model, data, horizon))
    for number in np.flatnonzero(last < first + horizon - 1)[:1]:
        raise UserError(
            f"intervals: the validation part of {data.names[number]} is too short for forecasts of "
            f"{horizon} steps. Shorten the horizon, or train with a larger data.validation_size."
        )
    return Origins.between(first, last)


def _margin(outside: Array, coverage: float) -> Array:
    """Return by how much to widen an interval that should contain ``coverage`` of the values.

    ``outside`` has the distances outside the interval, shape (starts, horizon, components), NaN
    where the truth is unknown. The margins have the shape (horizon, components).
    """
    known = (~np.isnan(outside)).sum(axis=0, keepdims=True)
    rank = np.minimum(_rank(known, coverage), known)
    # NaN comes last
    margin: Array = np.take_along_axis(np.sort(outside, axis=0), rank - 1, axis=0)[0]
    return margin


def _rank(count: Steps, coverage: float) -> Steps:
    """Return the rank, from 1, of the distance that a share ``coverage`` does not exceed."""
    # rounded, because 0.9 - 0.1 is 0.8 only up to the last digits
    rank: Steps = np.ceil(np.round((count + 1) * coverage, 8)).astype(np.int64)
    return rank
