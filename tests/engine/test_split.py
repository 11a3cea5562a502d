"""The training, validation and test parts of series."""

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from my_forecast.data import Split, split_data
from my_forecast.data.sources import Co2
from my_forecast.errors import UserError

from engine.series import COMMON, numbered, series_set, synthetic


def ends(split: Split) -> tuple[list[int], list[int]]:
    """Return the positions at which the training parts end and the test parts begin."""
    return split.train_end.tolist(), split.test_start.tolist()


def test_parts_are_cut_from_the_end_and_look_back() -> None:
    data = series_set(100, 50)
    _, split = split_data(data, Co2(**COMMON), 5, train_length=10, output_length=5)
    assert ends(split) == ([70, 35], [80, 40])
    train = replace(data, targets=split.train(data.targets)).to_series()
    assert [int(part.values()[0, 0]) for part in train] == [0, 0]
    assert [int(part.values()[-1, 0]) for part in train] == [69, 34]
    validation = replace(data, targets=split.validation(data.targets, look_back=8)).to_series()
    assert [int(part.values()[0, 0]) for part in validation] == [62, 27]
    assert [int(part.values()[-1, 0]) for part in validation] == [79, 39]
    tested = data.targets.between(split.test_start - 8, data.targets.stop)
    test = replace(data, targets=tested).to_series()
    assert [int(part.values()[0, 0]) for part in test] == [72, 32]
    assert [int(part.values()[-1, 0]) for part in test] == [99, 49]


def test_a_size_may_be_a_number_of_steps() -> None:
    settings = Co2(**{**COMMON, "validation_size": 0, "test_size": 12})
    _, split = split_data(series_set(100), settings, 5, train_length=10, output_length=5)
    assert ends(split) == ([88], [88])
    assert not split.validates


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            {"train_length": 80, "output_length": 5, "horizon": 5},
            "70 remain for training.*needs 80",
        ),
        ({"train_length": 10, "output_length": 11, "horizon": 5}, "validation part has 10, but"),
        ({"train_length": 10, "output_length": 5, "horizon": 21}, "test part has 20, but"),
        ({"season_length": 71, "horizon": 5}, "70 remain.*repeats a season of 71"),
    ],
)
def test_parts_that_are_too_short_are_refused(lengths: dict[str, int], message: str) -> None:
    season = {"season_length": lengths.pop("season_length", 7)}
    settings = Co2(**{**COMMON, **season})
    with pytest.raises(UserError, match=message):
        split_data(series_set(100), settings, **lengths)


def test_short_series_are_listed_by_name_or_left_out() -> None:
    data = series_set(100, 9, 100, 8)
    refuse = Co2(**COMMON)
    message = (
        "2 of 4 series too short.*series 9, 9 steps: .*; series 8, 8 steps: .*short_series=drop"
    )
    with pytest.raises(UserError, match=message):
        split_data(data, refuse, 5, train_length=10)
    kept, split = split_data(
        data, refuse.model_copy(update={"short_series": "drop"}), 5, train_length=10
    )
    assert kept.names == [data.names[0], data.names[2]]
    assert split.test_start.tolist() == [80, 80]
    none_left = series_set(9)
    with pytest.raises(UserError, match="1 of 1 series too short"):
        split_data(
            none_left, refuse.model_copy(update={"short_series": "drop"}), 5, train_length=10
        )


def test_parts_begin_at_dates() -> None:
    settings = synthetic(validation_start="2024-03-01", test_start="2024-04-01T00:00")
    data, split = split_data(numbered(100, 60), settings, horizon=3)
    assert (data.times[split.train_end] == pd.Timestamp("2024-03-01")).all()
    assert (data.times[split.test_start] == pd.Timestamp("2024-04-01")).all()
    for number, part in enumerate(replace(data, targets=split.train(data.targets)).to_series()):
        assert part.start_time() == data.to_series()[number].start_time()
        assert part.end_time() == pd.Timestamp("2024-02-29")


def test_a_date_and_a_size_go_together() -> None:
    settings = synthetic(validation_size=5, test_start="2024-04-01")
    _, split = split_data(numbered(100), settings, horizon=3)
    assert ends(split) == ([86], [91])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_start": "soon"}, "data.test_start: 'soon' is not a date"),
        ({"validation_start": "soon"}, "data.validation_start: 'soon' is not a date"),
        ({"test_start": "2030-01-01"}, "the test part has 0, but one forecast needs 3"),
        ({"test_start": "1990-01-01"}, "0 remain for training"),
    ],
)
def test_dates_that_divide_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        split_data(numbered(100), synthetic(**changes), horizon=3)
