"""Events and irregular times: ``data.resample`` makes regular steps of them."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.data import DataError, load_data
from my_forecast.data.files import CsvFiles, FileSource, ParquetFiles
from my_forecast.errors import UserError

from engine.series import COMMON

WAYS = ["mean", "sum", "min", "max", "first", "last", "count"]
EVENTS: dict[str, Any] = {
    **COMMON,
    "time_column": "time",
    "target_columns": ["a", "b"],
    "series_column": "id",
    "fill": "zero",
}
BEGIN = pd.Timestamp("2024-03-08")


def drawn_events(data: st.DataObject) -> pd.DataFrame:
    """Return events of two series in any order, at different times, some values missing."""
    value = st.none() | st.integers(-5, 5)
    minutes = st.integers(0, 100 * 1440)
    draw = st.tuples(st.sampled_from("xy"), minutes, value, value)
    # enough steps for every series, whatever their length
    needed = [(name, day * 1440 + 5, day, -day) for name in "xy" for day in range(0, 140, 20)]
    rows = [*data.draw(st.lists(draw, max_size=40, unique_by=lambda row: row[:2])), *needed]
    frame = pd.DataFrame(data.draw(st.permutations(rows)), columns=["id", "m", "a", "b"])
    frame = frame.drop_duplicates(["id", "m"])
    times = BEGIN + pd.to_timedelta(frame.pop("m"), unit="min")
    return frame.assign(time=times).astype({"a": float, "b": float})


@pytest.mark.parametrize("kind", [CsvFiles, ParquetFiles])
@settings(max_examples=60)
@given(data=st.data())
def test_steps_are_those_of_pandas(data: st.DataObject, kind: type[FileSource]) -> None:
    frame = drawn_events(data)
    step = data.draw(st.sampled_from(["6h", "D", "B", "W-MON", "W-SUN", "MS", "ME"]))
    ways = {column: data.draw(st.sampled_from(WAYS)) for column in "ab"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"events{kind.suffix}")
        write = frame.to_csv if kind is CsvFiles else frame.to_parquet
        write(path, index=False)
        chosen = ways["a"] if ways["a"] == ways["b"] else ways
        rules = {"path": str(path), "resample": step, "aggregate": chosen}
        panel = load_data(kind(**EVENTS | rules))
    assert sorted(panel.names) == ["x", "y"]
    for name, series in zip(panel.names, panel.to_series(), strict=True):
        own = frame[frame["id"] == name].set_index("time").sort_index()[["a", "b"]]
        bins = own.resample(step)
        expected = pd.DataFrame(
            {
                column: bins[column].sum(min_count=1)
                if way == "sum"
                else getattr(bins[column], way)()
                for column, way in ways.items()
            }
        )
        # steps at the ends where nothing is known are no part of a series
        known = bins[["a", "b"]].count().sum(axis=1).to_numpy().nonzero()[0]
        expected = expected.iloc[known[0] : known[-1] + 1].fillna(0)
        np.testing.assert_allclose(series.values(), expected.to_numpy())
        assert (series.time_index == expected.index).all()


def test_numbers_are_aggregated_by_a_number_of_units(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("id,time,a,b\n" + "".join(f"x,{n},{n},1\n" for n in range(-3, 9)))
    rules = {"path": str(path), "resample": "3", "aggregate": {"a": "last", "b": "count"}}
    (series,) = load_data(CsvFiles(**EVENTS | rules)).to_series()
    assert series.time_index.tolist() == [-3, 0, 3, 6]
    assert series.values().tolist() == [[-1, 3], [2, 3], [5, 3], [8, 3]]


@pytest.fixture
def events(tmp_path: Path) -> Callable[..., CsvFiles]:
    """Return a function that describes a file of three hours with a few events each."""
    path = tmp_path / "events.csv"
    times = pd.date_range("2024-01-01", periods=12, freq="17min")
    pd.DataFrame({"id": "x", "time": times, "a": 1.0, "b": 2.0}).to_csv(path, index=False)
    return lambda **changes: CsvFiles(**EVENTS | {"path": str(path)} | changes)


def test_the_config_is_checked(events: Callable[..., CsvFiles]) -> None:
    with pytest.raises(UserError, match=r"data\.resample: 'hourly' is not valid"):
        load_data(events(resample="hourly"))
    with pytest.raises(UserError, match=r"data\.aggregate: 'aa' .* Did you mean a\?"):
        load_data(events(resample="h", aggregate={"aa": "sum"}))
    with pytest.raises(UserError, match=r"at most 100000000 .* longer step"):
        load_data(events(resample="us"))
    for wrong in ({"resample": "h", "frequency": "h"}, {"aggregate": "sum"}):
        with pytest.raises(ValueError, match="Set"):
            events(**wrong)


def test_a_step_that_is_too_long_or_too_short_names_its_key(
    events: Callable[..., CsvFiles],
) -> None:
    with pytest.raises(DataError, match="too few rows"):
        load_data(events(resample="D"))
    with pytest.raises(DataError, match=r"data\.resample=s: almost all times are missing"):
        load_data(events(resample="s"))


@pytest.mark.parametrize(
    ("times", "frequency"),
    [
        (pd.bdate_range("2024-01-01", periods=30).delete([6, 13]), "B"),
        (pd.date_range("2024-01-01", periods=30).delete([6, 13]), "D"),
        (pd.date_range("2024-01-01", periods=30, freq="W-WED").delete([6, 13]), "W-WED"),
        (pd.date_range("2024-01-01", periods=30, freq="MS").delete([6, 13]), "MS"),
        (pd.date_range("2024-01-01 07:30", periods=30, freq="h").delete([6, 13]), "h"),
        (pd.date_range("2024-01-01", periods=30, freq="15min").delete([6, 13]), "min"),
    ],
)
def test_the_frequency_that_a_message_suggests_works(
    times: pd.DatetimeIndex, frequency: str, tmp_path: Path
) -> None:
    path = tmp_path / "gaps.csv"
    pd.DataFrame({"id": "x", "time": times, "a": 1.0, "b": 2.0}).to_csv(path, index=False)
    with pytest.raises(DataError, match=rf"data\.frequency={frequency} "):
        load_data(CsvFiles(**EVENTS | {"path": str(path)}))
    (series,) = load_data(
        CsvFiles(**EVENTS | {"path": str(path), "frequency": frequency})
    ).to_series()
    assert set(times) <= set(series.time_index)
