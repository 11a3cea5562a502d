"""The training, validation and test parts of every series."""

import logging
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from ..config import DataConfig
from ..errors import UserError
from .checks import Problems
from .panel import Panel, SeriesArray, Steps, Storage, show_time
from .times import FEWEST

log = logging.getLogger(__name__)

# series that a message about short ones names
_NAMED = 5


@dataclass(frozen=True)
class Split:
    """Positions on the time axis that divide every series, each of shape (series,).

    A series trains on what lies before ``train_end``, is validated from there to before
    ``test_start``, and tested from there on.
    """

    train_end: Steps
    test_start: Steps

    @property
    def validates(self) -> bool:
        """Whether there is a validation part."""
        return not np.array_equal(self.train_end, self.test_start)

    def train(self, targets: SeriesArray) -> SeriesArray:
        """Return the training parts."""
        return targets.between(0, self.train_end)

    def validation(self, targets: SeriesArray, look_back: int) -> SeriesArray:
        """Return the validation parts with ``look_back`` steps in front."""
        return targets.between(self.train_end - look_back, self.test_start)


def divide(panel: Panel, config: DataConfig) -> Split:
    """Divide every series by ``validation_size`` and ``test_size``, or by times.

    Raises:
        UserError: if a start is not a time of the data's type.
    """
    targets = panel.targets
    test_start = targets.stop - _steps(config.test_size, targets.length)
    if config.test_start is not None:
        test_start = np.full_like(test_start, panel.position(config.test_start, "data.test_start"))
    train_end = test_start - _steps(config.validation_size, targets.length)
    if config.validation_start is not None:
        start = panel.position(config.validation_start, "data.validation_start")
        train_end = np.full_like(test_start, start)
    test_start = np.clip(test_start, targets.start, targets.stop)
    return Split(np.minimum(np.maximum(train_end, targets.start), test_start), test_start)


def split_data(
    panel: Panel,
    config: DataConfig,
    horizon: int,
    train_length: int = 1,
    output_length: int = 1,
) -> tuple[Panel, Split]:
    """Divide every series, and return those whose parts are long enough, and their division.

    Args:
        panel: the series.
        config: how they are divided, and whether short ones are refused or dropped.
        horizon: steps of one test forecast.
        train_length: steps that the model needs to see at least one training window.
        output_length: steps that a validation window predicts.

    Raises:
        UserError: if series are too short, or a start is not a time of the data's type.
    """
    split, targets = divide(panel, config), panel.targets
    train, test = split.train_end - targets.start, targets.stop - split.test_start
    validation = split.test_start - split.train_end
    # there may be no validation part
    validated = np.where(validation > 0, validation, output_length)
    baseline = "the baseline repeats a season of %d (data.season_length)"
    # steps of each series, how many it needs, and what to say if it has fewer
    rules = [
        (train, train_length, "%d remain for training, but one window needs %d"),
        (train, config.season_length, f"%d remain for training, but {baseline}"),
        (validated, output_length, "the validation part has %d, but one window predicts %d"),
        (test, horizon, "the test part has %d, but one forecast needs %d"),
    ]
    remedy = (
        "Shorten model.input_chunk_length or horizon, lower data.validation_size and "
        "data.test_size, or drop these series with data.short_series=drop."
    )
    return _long_enough(panel, split, rules, config.short_series == "drop", remedy)


def split_at(
    panel: Panel, config: DataConfig, horizon: int, input_length: int
) -> tuple[Panel, Split]:
    """Divide every series at ``config.test_start``, to test a model that was trained before.

    No training part is needed, only the steps that forecasts begin with.

    Args:
        panel: the series.
        config: with ``test_start``, and the ``validation_size`` of what lies before it.
        horizon: steps of one test forecast.
        input_length: steps that the model reads.

    Raises:
        UserError: if series are too short, or the start is after their end or not a time of the
            data's type.
    """
    assert config.test_start is not None
    split, targets = divide(panel, config), panel.targets
    last = targets.stop.max() - 1
    if panel.position(config.test_start, "test_start") > last:
        raise UserError(
            f"test_start: {config.test_start} is after the end of the data, "
            f"{show_time(panel.times[last])}. Set an earlier one, or data_path to newer data."
        )
    before, test = split.test_start - targets.start, targets.stop - split.test_start
    rules = [
        (before, input_length, "%d lie before test_start, but the model reads %d"),
        (
            before,
            config.season_length,
            "%d lie before test_start, but baselines repeat a season of %d (data.season_length)",
        ),
        (test, horizon, "%d lie at or after test_start, but one forecast needs %d"),
    ]
    remedy = "Set another test_start, or data_path to data that begins earlier and ends later."
    return _long_enough(panel, split, rules, config.short_series == "drop", remedy)


def _long_enough(
    panel: Panel, split: Split, rules: list[tuple[Steps, int, str]], drop: bool, remedy: str
) -> tuple[Panel, Split]:
    """Return the series that are long enough by all rules; refuse the others, or drop them."""
    targets = panel.targets
    short = np.any([steps < needed for steps, needed, _ in rules], axis=0)
    if not short.any():
        return panel, split
    reasons = []
    for number in np.flatnonzero(short)[:_NAMED]:
        broken = [
            text % (steps[number], needed)
            for steps, needed, text in rules
            if steps[number] < needed
        ]
        reasons.append(f"{panel.names[number]}, {targets.length[number]} steps: {broken[0]}")
    message = f"{short.sum()} of {len(short)} series too short"
    if not drop or short.all():
        raise UserError(f"{message}. {'; '.join(reasons)}. {remedy}")
    log.warning("Dropped %s. %s.", message, "; ".join(reasons))
    kept = np.flatnonzero(~short)
    return panel.select(kept), Split(split.train_end[kept], split.test_start[kept])


def cut_after(panel: Panel, end: str | int, problems: Problems) -> Panel:
    """Cut every target after the time ``end``; covariates may be known longer and stay.

    Raises:
        UserError: if ``end`` is not a time of the data's type.
    """
    targets = panel.targets.between(0, panel.position(end, "data.end", side="right"))
    for number in np.flatnonzero(targets.length < FEWEST):
        steps = targets.length[number]
        problems.add(
            f"fewer than {FEWEST} steps",
            "Set a later data.end, or remove the series.",
            subject=f"data.end={end}",
            series={panel.names[number]: 1},
            places=[f"{steps} step{'s' if steps != 1 else ''}"],
        )
    return replace(panel, targets=targets)


def split_components(panel: Panel, storage: Storage) -> Panel:
    """Return a series for each target component, with all covariates of the series it comes from.

    It is named after its component, with the name of the series in front if there are several. Its
    only component is called ``value``. The keys get a column ``component``.

    Raises:
        UserError: if there is a key of this name.
    """
    targets, columns = panel.targets, panel.targets.components
    rows, width = targets.values.shape
    values = storage.array("targets", width * rows, 1, targets.values.dtype)
    # one column after the other
    values.reshape(width, rows)[:] = targets.values.T
    numbers = np.repeat(np.arange(len(panel.names)), width)
    place = targets.select(numbers)
    first = place.first + np.tile(np.arange(width) * rows, len(panel.names))
    found = panel.select(numbers)
    static = found.static_covariates
    if static is not None and panel.static_rows == width > 1:
        static = panel.static_covariates
    names = [
        f"{name} {column}" if len(panel.names) > 1 else column
        for name in panel.names
        for column in columns
    ]
    keys = found.keys
    if keys is not None:
        if "component" in keys.columns:
            raise UserError(
                "data.component_series: forecasts have a column 'component', but a column of this "
                "name in data.series_column names the series. Rename it in the data."
            )
        keys = keys.with_columns(component=pl.Series(columns * len(panel.names)))
    filled = None if targets.filled is None else targets.filled.T.reshape(-1, 1)
    new = replace(place, values=values, first=first, components=["value"], filled=filled)
    return replace(found, names=names, targets=new, static_covariates=static, keys=keys)


def _steps(size: float, length: Steps) -> Steps:
    steps: Steps = np.full_like(length, size) if size >= 1 else np.rint(size * length).astype(int)
    return steps
