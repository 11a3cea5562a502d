"""Which steps and components become series, and their training, validation and test parts."""

import logging
from dataclasses import dataclass, replace

import pandas as pd
from darts import TimeSeries

from ..config import DataConfig
from ..errors import UserError
from .checks import Problems
from .series import SeriesSet, parts, position

log = logging.getLogger(__name__)

# series that a message about short ones names
_NAMED = 5


def cut_after(data: SeriesSet, end: str | int, problems: Problems) -> SeriesSet:
    """Cut every target after the time ``end``; covariates may be known longer and stay.

    Raises:
        UserError: if ``end`` is not a time of the series' type.
    """
    stops = []
    for name, series in zip(data.names, data.targets, strict=True):
        stop = position(series, end, "data.end", side="right")
        if stop < 3:
            problems.add(
                "fewer than 3 steps",
                "Set a later data.end, or remove the series.",
                subject=f"data.end={end}",
                series={name: 1},
                places=[f"{stop} step{'s' if stop != 1 else ''}"],
            )
        stops.append(max(stop, 1))
    return replace(data, targets=parts(data.targets, [0] * len(stops), stops))


def split_components(data: SeriesSet) -> SeriesSet:
    """Return a series for each target component, with all covariates of the series it comes from.

    It is named after its component, with the name of the series in front if there are several. Its
    only component is called ``value``. Values are not copied.
    """
    columns = list(data.targets[0].components)
    several = len(data.names) > 1

    def repeat(group: list[TimeSeries] | None) -> list[TimeSeries] | None:
        return None if group is None else [series for series in group for _ in columns]

    return SeriesSet(
        names=[
            f"{name} {column}" if several else column for name in data.names for column in columns
        ],
        targets=[
            TimeSeries(
                series.time_index,
                series.values(copy=False)[:, number : number + 1],
                components=["value"],
                static_covariates=_of_component(series.static_covariates, number),
                copy=False,
            )
            for series in data.targets
            for number in range(len(columns))
        ],
        past_covariates=repeat(data.past_covariates),
        future_covariates=repeat(data.future_covariates),
        sample_weight=repeat(data.sample_weight),
    )


@dataclass(frozen=True)
class Split:
    """Positions that divide every series, and the parts they give.

    Series ``i`` trains on ``[0, train_end[i])``, is validated on ``[train_end[i], test_start[i])``
    and tested on ``[test_start[i], len)``.
    """

    train_end: list[int]
    test_start: list[int]

    def train(self, targets: list[TimeSeries]) -> list[TimeSeries]:
        """Return the training part of every series."""
        return parts(targets, [0] * len(targets), self.train_end)

    def validation(self, targets: list[TimeSeries], look_back: int) -> list[TimeSeries] | None:
        """Return the validation parts with ``look_back`` steps in front, None if there are none."""
        if self.train_end == self.test_start:
            return None
        starts = [max(0, start - look_back) for start in self.train_end]
        return parts(targets, starts, self.test_start)


def split_data(
    data: SeriesSet,
    config: DataConfig,
    horizon: int,
    train_length: int = 1,
    output_length: int = 1,
) -> tuple[SeriesSet, Split]:
    """Divide every series, and check that each part is long enough.

    Args:
        data: the series.
        config: ``validation_size`` and ``test_size`` as fractions or steps, or
            ``validation_start`` and ``test_start`` as times; ``season_length``, which the baseline
            repeats; ``short_series``, whether to refuse or drop series that are too short.
        horizon: steps of one test forecast.
        train_length: steps that the model needs to see at least one training window.
        output_length: steps that a validation window predicts.

    Returns:
        The series that are long enough, and their division.

    Raises:
        UserError: if series are too short, or a start is not a time of the series' type.
    """
    divided = [_divide(series, config) for series in data.targets]
    short: dict[int, str] = {}
    for number, (series, (train, test_start)) in enumerate(zip(data.targets, divided, strict=True)):
        validation, test = test_start - train, len(series) - test_start
        reason = None
        if train < train_length:
            reason = f"{max(train, 0)} remain for training, but one window needs {train_length}"
        elif train < config.season_length:
            reason = (
                f"{train} remain for training, but the baseline repeats a season of "
                f"{config.season_length} (data.season_length)"
            )
        elif 0 < validation < output_length:
            reason = (
                f"the validation part has {validation}, but one window predicts {output_length}"
            )
        elif test < horizon:
            reason = f"the test part has {test}, but one forecast needs {horizon}"
        if reason:
            short[number] = f"{data.names[number]}, {len(series)} steps: {reason}"
    if not short:
        return data, Split(*map(list, zip(*divided, strict=True)))
    message = f"{len(short)} of {len(divided)} series too short"
    reasons = "; ".join(list(short.values())[:_NAMED])
    if config.short_series == "refuse" or len(short) == len(divided):
        raise UserError(
            f"{message}. {reasons}. Shorten model.input_chunk_length or horizon, lower "
            "data.validation_size and data.test_size, or drop these series with "
            "data.short_series=drop."
        )
    log.warning("Dropped %s. %s.", message, reasons)
    kept = [number for number in range(len(divided)) if number not in short]
    ends, starts = zip(*(divided[number] for number in kept), strict=True)
    return data.select(kept), Split(list(ends), list(starts))


def _divide(series: TimeSeries, config: DataConfig) -> tuple[int, int]:
    """Return the positions at which the training and the validation part end."""
    length = len(series)
    test_start = length - _steps(config.test_size, length)
    if config.test_start is not None:
        test_start = position(series, config.test_start, "data.test_start")
    train_end = test_start - _steps(config.validation_size, length)
    if config.validation_start is not None:
        train_end = position(series, config.validation_start, "data.validation_start")
    return min(train_end, test_start), test_start


def _steps(size: float, length: int) -> int:
    return int(size) if size >= 1 else round(size * length)


def _of_component(covariates: pd.DataFrame | None, number: int) -> pd.DataFrame | None:
    """Return the static covariates of one component; a single row holds for all of them."""
    if covariates is None:
        return None
    return covariates.iloc[[number if len(covariates) > 1 else 0]].reset_index(drop=True)
