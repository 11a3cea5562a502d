"""Missing values: a NaN in the training data makes every forecast NaN."""

import logging

import numpy as np
from numpy.typing import NDArray

from ..config import DataConfig
from .checks import PLACES, Problems
from .panel import Array, Panel, SeriesArray, Steps, show_time
from .split import Split, divide

log = logging.getLogger(__name__)

Mask = NDArray[np.bool_]


def fill_gaps(panel: Panel, config: DataConfig, problems: Problems) -> Panel:
    """Cut missing values off both ends of every series, then fill the others in place.

    A target is cut where all components are missing, a covariate where one of them is: values
    beyond what is known must not be made up. Weights are not cut; missing ones become 0. A value
    of the training part is never filled from the parts after it, nor one of the validation part
    from the test part.

    Args:
        panel: series that may hold NaN.
        config: ``fill`` is ``linear``, ``seasonal`` (the value ``season_length`` steps before, or
            else after), ``zero``, or ``forbid``.
        problems: collects infinite values and what cannot be filled.
    """
    cut = {
        role: _fill_weights(array, panel, problems)
        if role == "sample_weight"
        else _cut_ends(array, panel, "all" if role == "targets" else "any", problems)
        for role, array in panel.roles.items()
    }
    panel = panel.with_roles(cut)
    split, filled = divide(panel, config), 0
    for role in set(cut) - {"sample_weight"}:
        filled += _fill(cut[role], panel, split, config, problems)
    if filled and not problems:
        log.info("Filled %d missing values (data.fill=%s).", filled, config.fill)
    return panel


def warn_of_constants(panel: Panel) -> None:
    """Log the targets that never change: a model learns nothing from them."""
    constant = []
    for numbers, values in panel.targets.batches():
        # few series are constant at their start, and the others need no longer look
        suspects = np.flatnonzero((values[:, :100] == values[:, :1]).all(axis=1).any(axis=1))
        same = (values[suspects] == values[suspects, :1]).all(axis=1)
        constant += [(numbers[suspects[row]], column) for row, column in np.argwhere(same)]
    if constant:
        names, columns = panel.names, panel.targets.components
        texts = [
            f"{names[number]} ({columns[column]})" if len(columns) > 1 else names[number]
            for number, column in sorted(constant)
        ]
        rest = f" and {len(texts) - PLACES} more" if len(texts) > PLACES else ""
        log.warning("Constant: %s%s.", ", ".join(texts[:PLACES]), rest)


def _cut_ends(array: SeriesArray, panel: Panel, ends: str, problems: Problems) -> SeriesArray:
    """Return the steps from the first known value of each series to its last one."""
    begin, end = np.zeros_like(array.length), array.length.copy()
    for numbers, values in array.batches():
        if np.isfinite(values).all():
            continue
        _add_cells(np.isinf(values), numbers, array, panel, problems, _INFINITE)
        missing = np.isnan(values)
        empty: Mask = np.all(missing, axis=1)
        for row, column in np.argwhere(empty):
            problems.add(
                "no values at all",
                "Remove the column, or the series.",
                subject=f"column {array.components[column]!r}",
                series={panel.names[numbers[row]]: 1},
            )
        known: Mask = ~(np.all if ends == "all" else np.any)(missing, axis=2)
        for row in np.flatnonzero(~np.any(known, axis=1) & ~np.any(empty, axis=1)):
            problems.add(
                "no time at which all have values",
                "Remove one of these columns, or the series.",
                subject=f"columns {', '.join(map(repr, array.components))}",
                series={panel.names[numbers[row]]: 1},
            )
        begin[numbers] = known.argmax(axis=1)
        # nothing is left of what cannot be filled
        usable = np.any(known, axis=1) & ~np.any(empty, axis=1)
        end[numbers] = np.where(usable, known.shape[1] - known[:, ::-1].argmax(axis=1), 0)
    return array.between(array.start + begin, array.start + end)


def _fill(
    array: SeriesArray, panel: Panel, split: Split, config: DataConfig, problems: Problems
) -> int:
    """Fill the missing values of one role, and return how many there were."""
    count = 0
    for numbers, values in array.batches():
        gaps = np.isnan(values).any(axis=(1, 2))
        if not gaps.any():
            continue
        numbers, values = numbers[gaps], values[gaps]
        missing = np.isnan(values)
        count += int(missing.sum())
        if config.fill == "forbid":
            _add_cells(missing, numbers, array, panel, problems, _MISSING)
            continue
        if config.fill == "zero":
            filled = np.nan_to_num(values, nan=0.0)
        else:
            own = array.start[numbers, None] + np.arange(values.shape[1])
            ends = np.stack([split.train_end[numbers], split.test_start[numbers]], axis=1)
            parts = (own[:, :, None] >= ends[:, None]).sum(axis=2)
            season = config.season_length if config.fill == "seasonal" else 1
            filled = _from_neighbours(values, parts, season)
        what = config.fill, f"with data.season_length={config.season_length}"
        subject = f"data.fill={' '.join(what) if config.fill == 'seasonal' else config.fill}"
        _add_cells(np.isnan(filled), numbers, array, panel, problems, _UNFILLED, subject)
        for number, own_values in zip(numbers, filled, strict=True):
            array.of(number)[:] = own_values
    return count


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
    pad = -steps % season
    shape = series, -1, season * components
    seasons = np.pad(values, ((0, 0), (0, pad), (0, 0)), constant_values=np.nan).reshape(shape)
    of_part = np.pad(parts, ((0, 0), (0, pad)), constant_values=-1)
    part = np.repeat(of_part.reshape(series, -1, season), components, axis=2)

    step = np.arange(seasons.shape[1])[None, :, None]
    known, last = ~np.isnan(seasons), seasons.shape[1] - 1
    before = np.maximum.accumulate(np.where(known, step, -1), axis=1)
    after = np.where(known, step, last + 1)[:, ::-1]
    after = np.minimum.accumulate(after, axis=1)[:, ::-1]
    inside = np.minimum(after, last)
    usable = (after <= last) & (np.take_along_axis(part, inside, axis=1) == part)
    previous = np.where(before >= 0, np.take_along_axis(seasons, before.clip(0), axis=1), np.nan)
    following = np.where(usable, np.take_along_axis(seasons, inside, axis=1), np.nan)
    weight = (step - before) / np.maximum(after - before, 1) if season == 1 else 0.0
    filled = previous + np.where(np.isnan(following), 0, weight * (following - previous))
    filled = np.where(known, seasons, np.where(np.isnan(previous), following, filled))
    found: Array = filled.reshape(series, -1, components)[:, :steps]
    return found


def _fill_weights(array: SeriesArray, panel: Panel, problems: Problems) -> SeriesArray:
    for numbers, values in array.batches():
        missing = np.isnan(values)
        for row in np.flatnonzero(missing.all(axis=(1, 2))):
            problems.add(
                "no weights at all",
                "Set weights in data.sample_weight_column, or remove the series.",
                series={panel.names[numbers[row]]: 1},
            )
        for row in np.flatnonzero(missing.any(axis=(1, 2))):
            array.of(numbers[row])[:] = np.nan_to_num(values[row], nan=0.0)
    return array


_INFINITE = "infinite value", "Replace it by a number or NaN."
_MISSING = "missing value", "Set data.fill=linear, seasonal or zero to fill it."
_UNFILLED = (
    "unfilled value",
    "Nothing before it, and nothing after it in its part of the data (training, validation or "
    "test), can fill it. Set data.fill=linear or zero, or another data.season_length.",
)


def _add_cells(
    where: Mask,
    numbers: Steps,
    array: SeriesArray,
    panel: Panel,
    problems: Problems,
    problem: tuple[str, str],
    subject: str = "",
) -> None:
    """Add a problem of the cells that are true in ``where``, (series, steps, components)."""
    counts = where.sum(axis=(1, 2))
    for row in np.flatnonzero(counts):
        start = array.start[numbers[row]]
        problems.add(
            *problem,
            subject=subject,
            count=int(counts[row]),
            series={panel.names[numbers[row]]: int(counts[row])},
            places=[
                f"{array.components[column]} at {show_time(panel.times[start + step])}"
                for step, column in np.argwhere(where[row])[:PLACES]
            ],
        )
