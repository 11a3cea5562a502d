"""Forecasts that need no training, which a model has to beat."""

from collections.abc import Callable

import numpy as np

from ..data import SeriesArray, Steps
from .inference import Array, Origins

# takes targets, origins, the steps to forecast from each, and the steps of a season; returns
# values of shape (origins, steps, components)
Baseline = Callable[[SeriesArray, Origins, Steps, int], Array]


def seasonal_naive(
    targets: SeriesArray, origins: Origins, steps: Steps, season_length: int
) -> Array:
    """Repeat the last season, as Darts' ``NaiveSeasonal``."""
    return values_at(targets, origins, steps % season_length - season_length)


def naive(targets: SeriesArray, origins: Origins, steps: Steps, _: int) -> Array:
    """Repeat the last value."""
    return seasonal_naive(targets, origins, steps, 1)


def drift(targets: SeriesArray, origins: Origins, steps: Steps, _: int) -> Array:
    """Continue the line from the first value to the last one, as Darts' ``NaiveDrift``."""
    known = origins.position - targets.start[origins.series]
    first = targets.values[targets.first[origins.series], None]
    last = values_at(targets, origins, np.array([-1]))
    rise: Array = (last - first) / np.maximum(known - 1, 1)[:, None, None]
    return last + rise * (steps + 1)[:, None]


def moving_average(
    targets: SeriesArray, origins: Origins, steps: Steps, season_length: int
) -> Array:
    """Repeat the mean of the last season."""
    mean = np.zeros((len(origins), 1, len(targets.components)))
    for back in range(1, season_length + 1):
        mean += values_at(targets, origins, np.array([-back])) / season_length
    return np.repeat(mean, len(steps), axis=1)


# the first one is used where none can be chosen
BASELINES: dict[str, Baseline] = {
    "seasonal naive": seasonal_naive,
    "naive": naive,
    "drift": drift,
    "moving average": moving_average,
}


def values_at(array: SeriesArray, origins: Origins, steps: Steps) -> Array:
    """Return the values ``steps`` after each origin, shape (origins, steps, components)."""
    values: Array = array.values[_rows(array, origins, steps)].astype(np.float64)
    return values


def truth_at(array: SeriesArray, origins: Origins, steps: Steps) -> Array:
    """Return ``values_at``, with NaN where a value was missing and has been filled."""
    values: Array = array.observed(_rows(array, origins, steps)).astype(np.float64)
    return values


def _rows(array: SeriesArray, origins: Origins, steps: Steps) -> Steps:
    row = array.first[origins.series] + origins.position - array.start[origins.series]
    rows: Steps = row[:, None] + steps
    return rows
