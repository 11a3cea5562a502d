"""Missing times and missing values: a NaN in the training data makes every forecast NaN."""

import logging

import numpy as np
import pandas as pd
from darts import TimeSeries

from ..config import DataConfig
from ..errors import UserError
from .checks import PLACES, Problems
from .series import SeriesSet, rebuild, show_time

log = logging.getLogger(__name__)


def regular_times(
    times: pd.Index, name: str, frequency: str | None, problems: Problems
) -> pd.Index | None:
    """Return times with a frequency, which Darts needs.

    Args:
        times: increasing dates or whole numbers.
        name: of the series.
        frequency: inserts missing times; None: ``times`` must be regular.
        problems: collects times that are not regular.

    Returns:
        The regular times, None if there are none.

    Raises:
        UserError: if ``frequency`` is not a frequency of these times.
    """
    if len(times) < 3:
        problems.add(
            "too few rows for a time series",
            "Add rows (at least 3), or remove the series.",
            series={name: 1},
            places=[f"{len(times)} row{'s' if len(times) > 1 else ''}"],
        )
        return None
    dates = isinstance(times, pd.DatetimeIndex)
    if frequency is not None:
        return _inserted(times, name, frequency, problems)
    if dates and (inferred := pd.infer_freq(times)) is not None:
        return pd.DatetimeIndex(times, freq=inferred)
    steps = pd.Series(times[1:] - times[:-1])
    usual = steps.mode()[0]
    odd = np.flatnonzero(steps != usual)
    if len(odd) == 0:
        return times
    before, after = times[odd[0]], times[odd[0] + 1]
    kinds = "D, h, W-SUN, MS ..." if dates else "a number"
    hint = "" if dates else " If these are dates, set data.time_format, such as %Y%m%d."
    problems.add(
        "irregular step",
        f"Set data.frequency ({kinds}) to insert the missing times as gaps.{hint}",
        count=len(odd),
        series={name: len(odd)},
        places=[f"{show_time(before)} to {show_time(after)} instead of {_show_step(usual)}"],
    )
    return None


def _inserted(times: pd.Index, name: str, frequency: str, problems: Problems) -> pd.Index | None:
    """Return all times of a frequency, from the first to the last."""
    dates = isinstance(times, pd.DatetimeIndex)
    try:
        if dates:
            full: pd.Index = pd.date_range(times[0], times[-1], freq=frequency)
        else:
            full = pd.RangeIndex(int(times[0]), int(times[-1]) + 1, int(frequency))
    except ValueError as error:
        wanted = "a frequency such as D, h, W-SUN or MS" if dates else "a whole number of steps"
        raise UserError(f"data.frequency: {frequency!r} is not valid. Set {wanted}.") from error
    outside = times.difference(full)
    if len(outside) == 0:
        return full
    problems.add(
        "unexpected time",
        "Correct these times, or set another frequency.",
        subject=f"data.frequency={frequency}",
        count=len(outside),
        series={name: len(outside)},
        places=[show_time(time) for time in outside[:PLACES]],
    )
    return None


def fill_gaps(data: SeriesSet, config: DataConfig, problems: Problems) -> SeriesSet:
    """Cut missing values off both ends of every series, then fill the others.

    A target is cut where all components are missing, a covariate where one of them is: values
    beyond what is known must not be made up. Weights are not cut; missing ones become 0.

    Args:
        data: series that may hold NaN.
        config: ``fill`` is ``linear``, ``seasonal`` (the value ``season_length`` steps before, or
            else after), ``zero``, or ``forbid``.
        problems: collects what cannot be filled, as ``kept_steps`` does.
    """
    filled = 0

    def fill(group: list[TimeSeries] | None, ends: str) -> list[TimeSeries] | None:
        nonlocal filled
        if group is None:
            return None
        found = []
        for name, series in zip(data.names, group, strict=True):
            values = series.values(copy=False)
            if np.isfinite(values).all():
                found.append(series)
                continue
            frame = pd.DataFrame(values, series.time_index, list(series.components))
            kept = kept_steps(name, frame, ends, config.fill, problems)
            if kept is not None:
                filled += int(frame[kept].isna().to_numpy().sum())
                values = _filled(name, frame[kept], config, problems).to_numpy(values.dtype)
                times = series.time_index[kept]
                found.append(rebuild(series, times, values, series.static_covariates))
        return found

    completed = SeriesSet(
        names=data.names,
        targets=fill(data.targets, "all") or [],
        past_covariates=fill(data.past_covariates, "any"),
        future_covariates=fill(data.future_covariates, "any"),
        sample_weight=_fill_weights(data, problems),
    )
    if filled and not problems:
        log.info("Filled %d missing values (data.fill=%s).", filled, config.fill)
    return completed


def kept_steps(
    name: str, frame: pd.DataFrame, ends: str, fill: str, problems: Problems
) -> slice | None:
    """Check the values of one series, and return which steps to keep.

    Args:
        name: of the series.
        frame: values, with times as index and a column for each component.
        ends: whether ``all`` or ``any`` of the components are missing at a time that is cut off.
        fill: ``forbid`` makes missing values in between a problem.
        problems: collects infinite values, components without values, and those in between.

    Returns:
        The steps, None if there is a problem.
    """
    infinite = np.isinf(frame)
    if infinite.to_numpy().any():
        _add_cells(name, infinite, "infinite value", "Replace it by a number or NaN.", problems)
    missing = frame.isna()
    empty = list(frame.columns[missing.all()])
    for column in empty:
        problems.add(
            "no values at all",
            "Remove the column, or the series.",
            subject=f"column {column!r}",
            series={name: 1},
        )
    if empty:
        return None
    kept = np.flatnonzero(~(missing.all(axis=1) if ends == "all" else missing.any(axis=1)))
    if len(kept) == 0:
        problems.add(
            "no time at which all have values",
            "Remove one of these columns, or the series.",
            subject=f"columns {', '.join(map(repr, frame.columns))}",
            series={name: 1},
        )
        return None
    steps = slice(int(kept[0]), int(kept[-1]) + 1)
    if fill == "forbid" and missing[steps].to_numpy().any():
        remedy = "Set data.fill=linear, seasonal or zero to fill it."
        _add_cells(name, missing[steps], "missing value", remedy, problems)
        return None
    return None if infinite.to_numpy().any() else steps


def warn_of_constants(data: SeriesSet) -> None:
    """Log the targets that never change: a model learns nothing from them."""
    constant = []
    for name, series in zip(data.names, data.targets, strict=True):
        values = series.values(copy=False)
        # few series are constant at their start, and the others need no longer look
        if (values[:100] == values[0]).all(axis=0).any():
            for column in series.components[(values == values[0]).all(axis=0)]:
                constant.append(f"{name} ({column})" if values.shape[1] > 1 else name)
    if constant:
        rest = f" and {len(constant) - PLACES} more" if len(constant) > PLACES else ""
        log.warning("Constant: %s%s.", ", ".join(constant[:PLACES]), rest)


def _filled(name: str, frame: pd.DataFrame, config: DataConfig, problems: Problems) -> pd.DataFrame:
    if config.fill == "linear":
        return frame.reset_index(drop=True).interpolate(limit_direction="both")
    if config.fill == "zero":
        return frame.fillna(0.0)
    season = np.arange(len(frame)) % config.season_length
    filled = frame.groupby(season).ffill().groupby(season).bfill()
    left = filled.isna()
    if left.to_numpy().any():
        subject = f"data.fill=seasonal with data.season_length={config.season_length}"
        remedy = (
            "No other season has a value at this step. Set data.fill=linear, or another "
            "data.season_length."
        )
        _add_cells(name, left, "unfilled value", remedy, problems, subject)
    return filled


def _fill_weights(data: SeriesSet, problems: Problems) -> list[TimeSeries] | None:
    if data.sample_weight is None:
        return None
    found = []
    for name, series in zip(data.names, data.sample_weight, strict=True):
        values = series.values(copy=False)
        missing = np.isnan(values)
        if missing.all():
            problems.add(
                "no weights at all",
                "Set weights in data.sample_weight_column, or remove the series.",
                series={name: 1},
            )
        if missing.any():
            series = rebuild(series, series.time_index, np.nan_to_num(values, nan=0.0), None)
        found.append(series)
    return found


def _add_cells(
    name: str, where: pd.DataFrame, what: str, remedy: str, problems: Problems, subject: str = ""
) -> None:
    """Add a problem of the cells of one series that are true in ``where``."""
    cells = np.argwhere(where.to_numpy())
    problems.add(
        what,
        remedy,
        subject=subject,
        count=len(cells),
        series={name: len(cells)},
        places=[
            f"{where.columns[column]} at {show_time(where.index[row])}"
            for row, column in cells[:PLACES]
        ],
    )


def _show_step(step: object) -> str:
    text = str(step).removesuffix(" 00:00:00").removeprefix("0 days ")
    return "1 day" if text == "1 days" else text
