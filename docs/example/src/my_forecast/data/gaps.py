"""Missing values: a NaN that reaches the model comes back as a NaN forecast, without an error."""

import logging

import numpy as np
from darts import TimeSeries
from darts.utils.missing_values import fill_missing_values

from ..errors import UserError
from .series import SeriesSet, parts

log = logging.getLogger(__name__)


def fill_gaps(data: SeriesSet, policy: str) -> SeriesSet:
    """Cut missing values off both ends of every series, then fill the others.

    A target is cut where all components are missing. A covariate is cut where one of them is: what
    lies beyond is not known, and must not be made up.

    Args:
        data: series that may hold NaN.
        policy: ``linear`` interpolates; ``forbid`` refuses missing values.

    Raises:
        UserError: on infinite values, on components without any value, and on missing values
            under ``forbid``.
    """

    def fill(group: list[TimeSeries] | None, ends: str) -> list[TimeSeries] | None:
        if group is None:
            return None
        cut = [_strip(name, series, ends) for name, series in zip(data.names, group, strict=True)]
        gaps.extend(int(np.isnan(series.values(copy=False)).sum()) for series in cut)
        return [_fill(name, series, policy) for name, series in zip(data.names, cut, strict=True)]

    gaps: list[int] = []
    filled = SeriesSet(
        names=data.names,
        targets=fill(data.targets, "all") or [],
        past_covariates=fill(data.past_covariates, "any"),
        future_covariates=fill(data.future_covariates, "any"),
    )
    if any(gaps):
        log.info("Filled %d missing values by linear interpolation.", sum(gaps))
    return filled


def _strip(name: str, series: TimeSeries, how: str) -> TimeSeries:
    values = series.values(copy=False)
    if np.isfinite(values).all():
        return series
    if np.isinf(values).any():
        raise UserError(f"{name}: infinite values. Replace them in the data by numbers or NaN.")
    missing = np.isnan(values)
    empty = [str(column) for column in series.components[missing.all(axis=0)]]
    if empty:
        raise UserError(f"{name}: no values at all in column {', '.join(empty)}. Drop the column.")
    kept = np.flatnonzero(~(missing.all(axis=1) if how == "all" else missing.any(axis=1)))
    if len(kept) == 0:
        raise UserError(f"{name}: no time has values in all columns.")
    if kept[-1] - kept[0] + 1 == len(series):
        return series
    return parts([series], [int(kept[0])], [int(kept[-1]) + 1])[0]


def _fill(name: str, series: TimeSeries, policy: str) -> TimeSeries:
    missing = np.isnan(series.values(copy=False))
    if not missing.any():
        return series
    if policy == "forbid":
        first = series.time_index[missing.any(axis=1)][0]
        raise UserError(
            f"{name}: {missing.sum()} missing values, the first at {first}. "
            "Set data.fill=linear to interpolate them."
        )
    return fill_missing_values(series)
