"""Missing values: a NaN in the training data makes every forecast NaN."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..config import DataConfig
from .checks import PLACES, Problems
from .panel import Array, Panel, SeriesArray, Steps, show_time
from .split import Split, divide

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]
# beyond it, the squares of a sum of values would not be finite
LARGEST = 1e100


def fill_gaps(panel: Panel, config: DataConfig, problems: Problems) -> Panel:
    """Cut missing values off both ends of every series, then fill the others in place.

    A target is cut where all components are missing, a covariate where one of them is: values
    beyond what is known must not be made up. Weights are not cut; missing ones become 0. A value
    of the training part is never filled from the parts after it, nor one of the validation part
    from the test part. With ``end_together``, targets that end early have missing values up to the
    end of the last one. ``targets.filled`` remembers what was filled; a zero counts as known.

    Args:
        panel: series that may hold NaN.
        config: ``fill`` is ``linear``, ``seasonal`` (the value ``season_length`` steps before, or
            else after), ``zero``, or ``forbid``.
        problems: collects infinite values and what cannot be filled.
    """
    cut = {
        role: _cut_ends(array, role, panel, problems)
        for role, array in panel.roles.items()
        if role != "sample_weight"
    }
    if panel.sample_weight is not None:
        _fill_weights(panel.sample_weight, panel, problems)
    if config.end_together:
        cut["targets"] = _end_together(cut["targets"])
    panel = panel.with_roles(cut)
    split = divide(panel, config)
    filled = {role: _fill(array, panel, split, config, problems) for role, array in cut.items()}
    count = sum(
        np.count_nonzero(array.filled) for array in filled.values() if array.filled is not None
    )
    if count and not problems:
        log.info("Filled %d missing values (data.fill=%s).", count, config.fill)
    if config.fill == "zero":
        # what was not recorded did not happen: zeros are as good as any other value
        return panel
    return panel.with_roles(filled)


def warn_of_constants(panel: Panel) -> None:
    """Log the targets that never change: a model learns nothing from them."""
    names, columns = panel.names, panel.targets.components
    constant = []
    for numbers, values in panel.targets.batches():
        same = (values == values[:, :1]).all(axis=1)
        constant += [(numbers[row], column) for row, column in np.argwhere(same)]
    if constant:
        texts = [
            f"{names[number]} ({columns[column]})" if len(columns) > 1 else names[number]
            for number, column in sorted(constant)
        ]
        rest = f" and {len(texts) - PLACES} more" if len(texts) > PLACES else ""
        log.warning("Constant: %s%s.", ", ".join(texts[:PLACES]), rest)


def _cut_ends(array: SeriesArray, role: str, panel: Panel, problems: Problems) -> SeriesArray:
    """Return the steps from the first known value of each series to its last one."""
    begin, end = np.zeros_like(array.length), array.length.copy()
    for numbers, values in array.batches():
        # not where one is NaN
        if np.abs(values).max() <= _limit(values):
            continue
        _add_cells(np.abs(values) > _limit(values), numbers, array, panel, problems, *_INFINITE)
        missing = np.isnan(values)
        known: Mask = ~(np.all if role == "targets" else np.any)(missing, axis=2)
        empty: Mask = np.all(missing, axis=1)
        for row, column in np.argwhere(empty):
            problems.add(
                "no values at all",
                "Remove the column, or the series.",
                subject=f"column {array.components[column]!r}",
                series={panel.names[numbers[row]]: 1},
            )
        never, has_empty = ~known.any(axis=1), empty.any(axis=1)
        for row in np.flatnonzero(never & ~has_empty):
            problems.add(
                "no time at which all have values",
                "Remove one of these columns, or the series.",
                subject=f"columns {', '.join(map(repr, array.components))}",
                series={panel.names[numbers[row]]: 1},
            )
        begin[numbers] = known.argmax(axis=1)
        last = known.shape[1] - known[:, ::-1].argmax(axis=1)
        # nothing is left of what cannot be filled
        end[numbers] = np.where(never | has_empty, 0, last)
    return array.between(array.start + begin, array.start + end)


def _end_together(array: SeriesArray) -> SeriesArray:
    """Return the series with NaN up to the last step of any of them."""
    length = np.where(array.length > 0, array.stop.max() - array.start, 0)
    values = np.full((int(length.sum()), len(array.components)), np.nan, array.values.dtype)
    longer = replace(array, values=values, first=np.cumsum(length) - length, length=length)
    known = longer.between(0, array.stop)
    for numbers, own in array.batches():
        values[known.rows(numbers)] = own.reshape(-1, own.shape[2])
    return longer


def _limit(values: Array) -> np.floating:
    """Return the largest usable value, in the type of the values."""
    found: np.floating = values.dtype.type(min(LARGEST, float(np.finfo(values.dtype).max)))
    return found


def _fill(
    array: SeriesArray, panel: Panel, split: Split, config: DataConfig, problems: Problems
) -> SeriesArray:
    """Fill the missing values of one role, and return it with what was filled."""
    season, subject = 1, f"data.fill={config.fill}"
    if config.fill == "seasonal":
        season = config.season_length
        subject += f" with data.season_length={season}"
    mask: Mask | None = None
    for numbers, values in array.batches():
        gaps = np.isnan(values).any(axis=(1, 2))
        if not gaps.any():
            continue
        numbers, values = numbers[gaps], values[gaps]
        if config.fill == "forbid":
            _add_cells(np.isnan(values), numbers, array, panel, problems, *_MISSING)
            continue
        if config.fill == "zero":
            filled = np.nan_to_num(values, nan=0.0)
        else:
            step = array.start[numbers, None] + np.arange(values.shape[1])
            parts = (step >= split.train_end[numbers, None]).astype(np.int64)
            parts += step >= split.test_start[numbers, None]
            filled = _from_neighbours(values, parts, season)
        _add_cells(np.isnan(filled), numbers, array, panel, problems, *_UNFILLED, subject)
        mask = np.zeros(array.values.shape, bool) if mask is None else mask
        mask[array.rows(numbers)] = np.isnan(values).reshape(-1, filled.shape[2])
        array.values[array.rows(numbers)] = filled.reshape(-1, filled.shape[2])
    return replace(array, filled=mask)


def _from_neighbours(values: Array, parts: Steps, season: int) -> Array:
    """Fill from known values whole seasons away: the last one before, else the next one after.

    Without a season, values in between are interpolated. What comes after is used within a part
    only. NaN stays where there is neither.

    Args:
        values: shape (series, steps, components).
        parts: number of the part of each step, shape (series, steps).
        season: steps of a season, 1 for none.
    """
    series, steps, components = values.shape
    step = np.tile(np.arange(steps), series)
    phase = np.repeat(np.arange(series), steps) * season + step % season
    # there are three parts
    within = 3 * phase + parts.ravel()
    known = pd.DataFrame(values.reshape(-1, components))
    previous, following = known.groupby(phase).ffill(), known.groupby(within).bfill()
    if season == 1:
        at = known.where(known.isna(), np.broadcast_to(step[:, None], known.shape))
        before, after = at.groupby(phase).ffill(), at.groupby(within).bfill()
        weight = (step[:, None] - before) / (after - before)
        known = known.fillna(previous + weight * (following - previous))
    filled: Array = known.fillna(previous).fillna(following).to_numpy().reshape(values.shape)
    return filled


def _fill_weights(array: SeriesArray, panel: Panel, problems: Problems) -> None:
    for numbers, values in array.batches():
        _add_cells(np.abs(values) > _limit(values), numbers, array, panel, problems, *_INFINITE)
        for row in np.flatnonzero(np.isnan(values).all(axis=(1, 2))):
            problems.add(
                "no weights at all",
                "Set weights in data.sample_weight_column, or remove the series.",
                series={panel.names[numbers[row]]: 1},
            )
    np.nan_to_num(array.values, copy=False, nan=0.0)


_INFINITE = "infinite or too large value", f"Replace it by a number below {LARGEST:g}, or NaN."
_MISSING = "missing value", "Set data.fill=linear, seasonal or zero to fill it."
_UNFILLED = (
    "unfilled value",
    "No earlier value, and no later value in the same part of the data (training, validation or "
    "test), can fill the gap. Set data.fill=linear or zero, or another data.season_length.",
)


def _add_cells(
    where: Mask,
    numbers: Steps,
    array: SeriesArray,
    panel: Panel,
    problems: Problems,
    what: str,
    remedy: str,
    subject: str = "",
) -> None:
    """Add a problem of the cells that are true in ``where``, (series, steps, components)."""
    counts = where.sum(axis=(1, 2))
    for row in np.flatnonzero(counts):
        start = array.start[numbers[row]]
        problems.add(
            what,
            remedy,
            subject=subject,
            count=int(counts[row]),
            series={panel.names[numbers[row]]: int(counts[row])},
            places=[
                f"{array.components[column]} at {show_time(panel.times[start + step])}"
                for step, column in np.argwhere(where[row])[:PLACES]
            ],
        )
