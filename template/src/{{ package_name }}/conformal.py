"""Intervals that are calibrated on the validation part, for any trained model.

Split conformal prediction for every step of the horizon by itself: of forecasts whose truth is
known, the distance by which the truth lies outside of an interval is ranked, and the interval is
widened by the distance that the wanted share of them does not exceed. A point forecast is an
interval of no width (doi:10.1080/01621459.2017.1307116); quantiles are intervals already, which may
also shrink (arXiv:1905.03222). Darts' ``ConformalNaiveModel`` and ``ConformalQRModel`` do the same
with one forecast at a time.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .data import SeriesSet, Split
from .errors import UserError
from .evaluation import Backtest, forecast_origins
from .inference import Forecasts, last_start
from .intervals import central_intervals
from .settings import QuantileSettings

Array = NDArray[np.float64]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """By how much intervals are widened.

    Attributes:
        margins: for each interval, by its quantiles, and each series: shape (horizon, components).
    """

    margins: dict[tuple[float, float], list[Array]]

    def apply(self, forecasts: Forecasts) -> Forecasts:
        """Return the forecasts with calibrated quantiles; point forecasts stay as they are.

        Wider intervals hold the narrower ones, and all hold the point forecast.
        """
        quantiles = {0.5: forecasts.point}
        inner = forecasts.point, forecasts.point
        # from the narrowest to the widest
        for interval, margins in reversed(self.margins.items()):
            outer = _bounds(forecasts, interval)
            inner = (
                [np.minimum(a, b - m) for a, b, m in zip(inner[0], outer[0], margins, strict=True)],
                [np.maximum(a, b + m) for a, b, m in zip(inner[1], outer[1], margins, strict=True)],
            )
            quantiles |= dict(zip(interval, inner, strict=True))
        return Forecasts(forecasts.point, dict(sorted(quantiles.items())))


def calibrate(
    bundle: Bundle, data: SeriesSet, split: Split, horizon: int, quantiles: QuantileSettings
) -> Calibration:
    """Calibrate intervals on what happened in the validation part; nothing later is looked at.

    For every step of the horizon the truth is the whole validation part: its first steps are far
    ahead in forecasts that start before it, as early as the series allows.

    Args:
        bundle: trained model and scalers.
        data: series in their original unit.
        split: where the validation part of every series begins and ends.
        horizon: steps of a forecast.
        quantiles: the bounds of the intervals, and how they are estimated.

    Raises:
        UserError: when there is no validation part, no interval, or no example for a step.
    """
    intervals = central_intervals(quantiles.levels)
    if not intervals:
        raise UserError("conformal: there is no interval. Set quantiles=[0.1,0.5,0.9], say.")
    if split.train_end == split.test_start:
        raise UserError(
            "conformal: the run has no validation part to calibrate on. Train it with "
            "data.validation_size=0.1."
        )
    length, shift = bundle.model.input_chunk_length, bundle.model.output_chunk_shift
    parts = list(zip(split.train_end, split.test_start, strict=True))
    origins = []
    for number, (begin, end) in enumerate(parts):
        first = max(length, begin - shift - horizon + 1)
        last = min(end - 1 - shift, last_start(bundle.model, data, number, horizon))
        if last < first + horizon - 1:
            raise UserError(
                f"conformal: {data.names[number]} has too few validation steps for forecasts of "
                f"{horizon}. Shorten the horizon, or train with a larger data.validation_size."
            )
        origins.append(np.arange(first, last + 1))
    forecasts = forecast_origins(bundle, data, origins, horizon, quantiles)

    margins: dict[tuple[float, float], list[Array]] = {}
    for low, high in intervals:
        lower, upper = _bounds(forecasts, (low, high))
        margins[low, high] = [
            _margin(
                lower[number],
                upper[number],
                origins[number] + shift,
                series.values(copy=False),
                parts[number],
                high - low,
            )
            for number, series in enumerate(data.targets)
        ]
    _warn_of_few(intervals[0], min(np.subtract(split.test_start, split.train_end)))
    return Calibration(margins)


def with_calibration(result: Backtest, calibration: Calibration) -> Backtest:
    """Return a backtest with calibrated quantiles beside those of the model."""
    calibrated = calibration.apply(Forecasts(result.forecasts["model"], result.quantiles))
    return replace(result, quantiles=calibrated.quantiles, uncalibrated=result.quantiles)


def _bounds(forecasts: Forecasts, interval: tuple[float, float]) -> tuple[list[Array], list[Array]]:
    """Return the uncalibrated bounds of an interval."""
    if forecasts.quantiles is None:
        return forecasts.point, forecasts.point
    low, high = interval
    return forecasts.quantiles[low], forecasts.quantiles[high]


def _margin(
    lower: Array,
    upper: Array,
    starts: NDArray[np.int64],
    values: Array,
    part: tuple[int, int],
    coverage: float,
) -> Array:
    """Return by how much to widen the interval of one series, shape (horizon, components).

    Args:
        lower: forecasts, shape (starts, horizon, components).
        upper: forecasts, shaped alike.
        starts: positions of the first forecast step.
        values: of the series, shape (time, components).
        part: begin and end of the truth that counts.
        coverage: share of values that the interval should hold.
    """
    begin, end = part
    steps = []
    for step in range(lower.shape[1]):
        times = starts + step
        known = (begin <= times) & (times < end)
        truth = values[times[known]]
        outside = np.maximum(lower[known, step] - truth, truth - upper[known, step])
        steps.append(np.sort(outside, axis=0)[_rank(len(outside), coverage) - 1])
    return np.stack(steps)


def _rank(count: int, coverage: float) -> int:
    """Return which of so many distances, 1 the smallest, bounds the wanted share of new ones.

    The largest of them where they are too few.
    """
    # rounded, for 0.8 may be 0.8000000000000002
    return min(count, int(np.ceil(np.round((count + 1) * coverage, 8))))


def _warn_of_few(interval: tuple[float, float], count: int) -> None:
    coverage = interval[1] - interval[0]
    if np.round((count + 1) * coverage, 8) > count:
        log.warning(
            "conformal: %d validation steps are too few for an interval of %.0f %%, which takes "
            "the largest error of them.",
            count,
            100 * coverage,
        )
