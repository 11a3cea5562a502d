"""Training, validation and test parts, cut from the end of every series."""

from dataclasses import dataclass

from darts import TimeSeries

from ..errors import UserError
from ..settings import DataSettings
from .series import SeriesSet


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
        return [series[:end] for series, end in zip(targets, self.train_end, strict=True)]

    def validation(self, targets: list[TimeSeries], look_back: int) -> list[TimeSeries] | None:
        """Return the validation parts with ``look_back`` steps in front, None without any."""
        if self.train_end == self.test_start:
            return None
        parts = zip(targets, self.train_end, self.test_start, strict=True)
        return [series[max(0, start - look_back) : end] for series, start, end in parts]

    def test(self, targets: list[TimeSeries], look_back: int) -> list[TimeSeries]:
        """Return the test parts with ``look_back`` steps in front."""
        parts = zip(targets, self.test_start, strict=True)
        return [series[max(0, start - look_back) :] for series, start in parts]


def split_data(
    data: SeriesSet,
    settings: DataSettings,
    horizon: int,
    train_length: int = 1,
    output_length: int = 1,
) -> Split:
    """Divide every series from its end and check that each part is long enough.

    Args:
        data: the series.
        settings: ``validation_size`` and ``test_size`` as fractions or steps; ``season_length``,
            which the baseline repeats.
        horizon: steps of one test forecast.
        train_length: steps that the model needs to see at least one training window.
        output_length: steps that a validation window predicts.

    Raises:
        UserError: naming the first series with a part that is too short.
    """
    train_end, test_start = [], []
    for name, series in zip(data.names, data.targets, strict=True):
        test = _steps(settings.test_size, len(series))
        validation = _steps(settings.validation_size, len(series))
        train = len(series) - test - validation
        if train < train_length:
            raise UserError(
                f"{name}: {max(train, 0)} of {len(series)} steps are left for training, but one "
                f"window takes {train_length}. Shorten model.input_chunk_length or horizon, or "
                "lower data.validation_size and data.test_size."
            )
        if train < settings.season_length:
            raise UserError(
                f"{name}: {train} steps are left for training, but the baseline repeats a season "
                f"of {settings.season_length}. Lower data.season_length."
            )
        if 0 < validation < output_length:
            raise UserError(
                f"{name}: the validation part has {validation} steps, but one window predicts "
                f"{output_length}. Raise data.validation_size or shorten the horizon."
            )
        if test < horizon:
            raise UserError(
                f"{name}: the test part has {test} steps, but one forecast takes {horizon}. "
                "Raise data.test_size or shorten the horizon."
            )
        train_end.append(train)
        test_start.append(train + validation)
    return Split(train_end, test_start)


def _steps(size: float, length: int) -> int:
    return int(size) if size >= 1 else round(size * length)
