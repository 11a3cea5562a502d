"""Missing values: a NaN that reaches the model comes back as a NaN forecast, without an error."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.missing_values import fill_missing_values
from numpy.typing import NDArray

from ..settings import DataSettings
from .report import EXAMPLES, Report
from .series import SeriesSet, parts
from .times import show_time

log = logging.getLogger(__name__)

_METHODS = {
    "linear": "by linear interpolation",
    "seasonal": "by the value one season before or after",
    "zero": "by zero",
}


def fill_gaps(data: SeriesSet, settings: DataSettings, report: Report) -> SeriesSet:
    """Cut missing values off both ends of every series, then fill the others.

    A target is cut where all components are missing. A covariate is cut where one of them is: what
    lies beyond is not known, and must not be made up.

    Args:
        data: series that may hold NaN.
        settings: ``fill`` is ``linear``, ``seasonal`` (the value ``season_length`` steps before,
            or else after), ``zero``, or ``forbid``.
        report: where infinite values, components without any value, missing values under
            ``forbid`` and those that no season has are added.
    """
    gaps = 0

    def fill(group: list[TimeSeries] | None, ends: str) -> list[TimeSeries] | None:
        nonlocal gaps
        if group is None:
            return None
        filled = []
        for name, series in zip(data.names, group, strict=True):
            start, stop, missing = check_values(
                name,
                series.time_index,
                series.values(copy=False),
                list(series.components),
                ends,
                settings.fill,
                report,
            )
            cut = stop - start < len(series)
            kept = parts([series], [start], [stop])[0] if cut else series
            filled.append(_fill(name, kept, settings, report) if missing else kept)
            gaps += missing
        return filled

    filled = SeriesSet(
        names=data.names,
        targets=fill(data.targets, "all") or [],
        past_covariates=fill(data.past_covariates, "any"),
        future_covariates=fill(data.future_covariates, "any"),
        sample_weight=_fill_weights(data, report),
    )
    if gaps and not report:
        log.info("Filled %d missing values %s.", gaps, _METHODS[settings.fill])
    return filled


def _fill_weights(data: SeriesSet, report: Report) -> list[TimeSeries] | None:
    """Return weights, 0 where there is none: what was made up is not learned."""
    if data.sample_weight is None:
        return None
    filled = []
    for name, series in zip(data.names, data.sample_weight, strict=True):
        missing = np.isnan(series.values(copy=False))
        if missing.all():
            report.add(
                "no weight at all",
                "Give it weights in data.sample_weight_column, or remove it.",
                series=[name],
            )
        values = np.nan_to_num(series.values(), nan=0.0)[:, :, None]
        filled.append(series.with_values(values) if missing.any() else series)
    return filled


def check_values(
    name: str,
    times: pd.Index,
    values: NDArray[np.floating],
    columns: Sequence[str],
    ends: str,
    fill: str,
    report: Report,
) -> tuple[int, int, int]:
    """Find what is missing in the values of one series.

    Args:
        name: of the series.
        times: shape (time,).
        values: shape (time, components).
        columns: names of the components.
        ends: whether ``all`` or ``any`` of the components miss at a time that is cut off.
        fill: policy; ``forbid`` reports missing values.
        report: where problems are added.

    Returns:
        The first step that is kept, the one after the last, and the missing values in between.
    """
    if np.isfinite(values).all():
        return 0, len(values), 0
    infinite = np.isinf(values)
    if infinite.any():
        report.add(
            "infinite values",
            "Replace them by numbers or NaN.",
            unit="step",
            series=[name],
            examples=_places(infinite, times, columns),
            count=int(infinite.any(axis=1).sum()),
        )
    missing = np.isnan(values)
    empty = [column for column, none in zip(columns, missing.all(axis=0), strict=True) if none]
    for column in empty:
        report.add(
            f"no value at all in column {column!r}",
            "Drop the column, or the series.",
            series=[name],
        )
    if empty:
        return 0, len(values), 0
    kept = np.flatnonzero(~(missing.all(axis=1) if ends == "all" else missing.any(axis=1)))
    if len(kept) == 0:
        report.add(
            f"no time at which {', '.join(columns)} all have values",
            "Drop one of these columns, or the series.",
            series=[name],
        )
        return 0, len(values), 0
    start, stop = int(kept[0]), int(kept[-1]) + 1
    inner = missing[start:stop]
    if fill == "forbid" and inner.any():
        report.add(
            "missing values",
            "Set data.fill=linear, seasonal or zero to fill them.",
            unit="step",
            series=[name],
            examples=_places(inner, times[start:stop], columns),
            count=int(inner.any(axis=1).sum()),
        )
        return start, stop, 0
    return start, stop, int(inner.sum())


def warn_of_constants(data: SeriesSet) -> None:
    """Log the series of which a component never changes: they teach a model nothing."""
    constant = []
    for name, series in zip(data.names, data.targets, strict=True):
        values = series.values(copy=False)
        for column, still in zip(series.components, _constant(values), strict=True):
            if still:
                constant.append(f"{name} ({column})" if values.shape[1] > 1 else name)
    if constant:
        rest = f" and {len(constant) - EXAMPLES} more" if len(constant) > EXAMPLES else ""
        log.warning("Constant: %s%s.", ", ".join(constant[:EXAMPLES]), rest)


def _constant(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Tell of each component whether it never changes; a look at the start suffices for most."""
    still: NDArray[np.bool_] = (values[:100] == values[0]).all(axis=0)
    return (values == values[0]).all(axis=0) if still.any() else still


def _places(where: NDArray[np.bool_], times: pd.Index, columns: Sequence[str]) -> list[str]:
    """Return the first steps as text, each with the first of its columns."""
    rows = np.flatnonzero(where.any(axis=1))[:EXAMPLES]
    return [f"{columns[int(where[row].argmax())]} at {show_time(times[row])}" for row in rows]


def _fill(name: str, series: TimeSeries, settings: DataSettings, report: Report) -> TimeSeries:
    if settings.fill == "linear":
        return fill_missing_values(series)
    values = series.values()
    if settings.fill == "zero":
        return series.with_values(np.nan_to_num(values, nan=0.0)[:, :, None])
    season = np.arange(len(values)) % settings.season_length
    filled = pd.DataFrame(values).groupby(season).ffill().groupby(season).bfill().to_numpy()
    left = np.isnan(filled)
    if left.any():
        report.add(
            f"missing values that no other season has (data.season_length="
            f"{settings.season_length})",
            "Set data.fill=linear, or another data.season_length.",
            unit="step",
            series=[name],
            examples=_places(left, series.time_index, list(series.components)),
            count=int(left.any(axis=1).sum()),
        )
    return series.with_values(filled[:, :, None])
