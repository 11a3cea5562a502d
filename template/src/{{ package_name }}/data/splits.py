"""Training, validation and test parts, cut from the end of every series."""

import logging
from dataclasses import dataclass

from darts import TimeSeries

from ..errors import UserError
from ..settings import DataSettings
from .series import SeriesSet, parts, position

log = logging.getLogger(__name__)


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
        """Return the validation parts with ``look_back`` steps in front, None without any."""
        if self.train_end == self.test_start:
            return None
        starts = [max(0, start - look_back) for start in self.train_end]
        return parts(targets, starts, self.test_start)


def split_data(
    data: SeriesSet,
    settings: DataSettings,
    horizon: int,
    train_length: int = 1,
    output_length: int = 1,
) -> tuple[SeriesSet, Split]:
    """Divide every series from its end and check that each part is long enough.

    Args:
        data: the series.
        settings: ``validation_size`` and ``test_size`` as fractions or steps, or
            ``validation_start`` and ``test_start`` as times; ``season_length``, which the baseline
            repeats; ``short_series``, what to do with those too short.
        horizon: steps of one test forecast.
        train_length: steps that the model needs to see at least one training window.
        output_length: steps that a validation window predicts.

    Returns:
        The series that are long enough, and their division.

    Raises:
        UserError: when no series is long enough, or one is not and they are to be refused; when a
            start is no time of the kind that the series have.
    """
    parts: list[tuple[int, int]] = []
    faults: dict[int, str] = {}
    for number, series in enumerate(data.targets):
        train_end, test_start = _divide(series, settings)
        train, validation = train_end, test_start - train_end
        test = len(series) - test_start
        parts.append((train_end, test_start))
        fault = _fault(train, validation, test, settings, horizon, train_length, output_length)
        if fault:
            faults[number] = f"{data.names[number]}, {len(series)} steps: {fault}"
    if faults:
        listed = "; ".join(list(faults.values())[:5])
        count = f"{len(faults)} of {len(parts)} series too short"
        if settings.short_series == "refuse" or len(faults) == len(parts):
            raise UserError(
                f"{count}. {listed}. Shorten model.input_chunk_length or horizon, lower "
                "data.validation_size and data.test_size, or leave these series out with "
                "data.short_series=drop."
            )
        log.warning("%s and left out. %s.", count, listed)
    kept = [number for number in range(len(parts)) if number not in faults]
    split = Split([parts[number][0] for number in kept], [parts[number][1] for number in kept])
    return (data.select(kept) if faults else data), split


def _divide(series: TimeSeries, settings: DataSettings) -> tuple[int, int]:
    """Return the positions at which training and validation part end."""
    test_start = len(series) - _steps(settings.test_size, len(series))
    if settings.test_start is not None:
        test_start = position(series, settings.test_start, "data.test_start")
    train_end = test_start - _steps(settings.validation_size, len(series))
    if settings.validation_start is not None:
        train_end = position(series, settings.validation_start, "data.validation_start")
    return min(train_end, test_start), test_start


def _fault(
    train: int,
    validation: int,
    test: int,
    settings: DataSettings,
    horizon: int,
    train_length: int,
    output_length: int,
) -> str | None:
    """Say which part of a series is too short, None if none is."""
    if train < train_length:
        return f"{max(train, 0)} are left for training, but one window takes {train_length}"
    if train < settings.season_length:
        return (
            f"{train} are left for training, but the baseline repeats a season of "
            f"{settings.season_length} (data.season_length)"
        )
    if 0 < validation < output_length:
        return f"the validation part has {validation}, but one window predicts {output_length}"
    if test < horizon:
        return f"the test part has {test}, but one forecast takes {horizon}"
    return None


def _steps(size: float, length: int) -> int:
    return int(size) if size >= 1 else round(size * length)
