"""Missing values: a NaN that reaches the model comes back as a NaN forecast, without an error."""

import logging

import numpy as np
from darts import TimeSeries
from darts.utils.missing_values import fill_missing_values

from ..errors import UserError
from .series import SeriesSet

log = logging.getLogger(__name__)


def fill_gaps(data: SeriesSet, policy: str) -> SeriesSet:
    """Strip missing values at both ends of the targets, then fill the others.

    Args:
        data: series that may hold NaN.
        policy: ``linear`` interpolates; ``forbid`` refuses missing values.

    Raises:
        UserError: on infinite values, on components without any value, and on missing values
            under ``forbid``.
    """
    total = 0

    def fill(name: str, series: TimeSeries) -> TimeSeries:
        nonlocal total
        values = series.values(copy=False)
        if np.isinf(values).any():
            raise UserError(f"{name}: infinite values. Replace them in the data by numbers or NaN.")
        missing = np.isnan(values)
        empty = [str(name) for name in series.components[missing.all(axis=0)]]
        if empty:
            raise UserError(
                f"{name}: no values at all in column {', '.join(empty)}. Drop the column."
            )
        if not missing.any():
            return series
        if policy == "forbid":
            first = series.time_index[missing.any(axis=1)][0]
            raise UserError(
                f"{name}: {missing.sum()} missing values, the first at {first}. "
                "Set data.fill=linear to interpolate them."
            )
        total += int(missing.sum())
        return fill_missing_values(series)

    def fill_group(group: list[TimeSeries] | None) -> list[TimeSeries] | None:
        if group is None:
            return None
        return [fill(name, series) for name, series in zip(data.names, group, strict=True)]

    targets = [
        series if np.isnan(series.values(copy=False)).all() else series.strip()
        for series in data.targets
    ]
    filled = SeriesSet(
        names=data.names,
        targets=fill_group(targets) or [],
        past_covariates=fill_group(data.past_covariates),
        future_covariates=fill_group(data.future_covariates),
    )
    if total:
        log.info("Filled %d missing values by linear interpolation.", total)
    return filled
