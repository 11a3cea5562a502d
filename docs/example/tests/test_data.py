"""Data files as they come: what is read, and what is refused with which words."""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries

from my_forecast.data import (
    SeriesSet,
    fingerprint,
    fit_scalers,
    load_data,
    open_storage,
    split_data,
)
from my_forecast.errors import (
    UserError,
)
from my_forecast.settings import (
    Co2Settings,
    CsvSettings,
    ParquetSettings,
    SyntheticSettings,
)

COMMON: dict[str, Any] = {
    "season_length": 7,
    "validation_size": 0.1,
    "test_size": 0.2,
    "fill": "linear",
    "scaler": "standard",
}
GOOD = "time,value\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n2024-01-04,8\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., CsvSettings]:
    """Return a function that writes a CSV file and describes it."""

    def write(text: str | bytes, **changes: Any) -> CsvSettings:
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        values: dict[str, Any] = {
            "source": "csv",
            "path": str(path),
            "time_column": "time",
            "time_format": None,
            "target_columns": ["value"],
            "past_covariates_columns": [],
            "future_covariates_columns": [],
            "series_column": None,
            "frequency": None,
            "separator": ",",
        }
        return CsvSettings(**{**COMMON, **values, **changes})

    return write


def test_co2_is_the_embedded_series_without_its_gaps() -> None:
    data = load_data(Co2Settings(source="co2", **COMMON))
    series = data.targets[0]
    assert (len(series), series.freq_str) == (2284, "W-SAT")
    assert not np.isnan(series.values()).any()
    assert series.values()[0, 0] == pytest.approx(316.1)


def test_synthetic_data_is_the_same_for_the_same_seed() -> None:
    def make(seed: int) -> SeriesSet:
        return load_data(
            SyntheticSettings(
                source="synthetic", **COMMON, n_series=3, length=50, noise=0.1, seed=seed
            )
        )

    assert fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))
    assert [len(series) for series in make(1).targets] == [50, 50, 50]


def test_a_wide_file(csv: Callable[..., CsvSettings]) -> None:
    data = load_data(csv(GOOD))
    assert data.names == ["data"]
    assert data.targets[0].freq_str == "D"
    np.testing.assert_array_equal(data.targets[0].values()[:, 0], [1, 2, 4, 8])


def test_a_long_file_with_series_of_different_length(csv: Callable[..., CsvSettings]) -> None:
    text = "id,ds,y\n" + "".join(f"a,{n},{n}\n" for n in range(5))
    text += "".join(f"b,{n},{n * 2}\n" for n in range(2, 6))
    data = load_data(csv(text, time_column="ds", target_columns=["y"], series_column="id"))
    assert data.names == ["a", "b"]
    assert [len(series) for series in data.targets] == [5, 4]
    assert data.targets[1].start_time() == 2


def test_covariates_may_run_ahead_of_the_target(csv: Callable[..., CsvSettings]) -> None:
    text = "time,value,holiday\n2024-01-01,1,0\n2024-01-02,2,0\n2024-01-03,3,1\n2024-01-04,,1\n"
    data = load_data(csv(text, future_covariates_columns=["holiday"]))
    assert data.future_covariates is not None
    assert (len(data.targets[0]), len(data.future_covariates[0])) == (3, 4)


WIDE = "time,a,b,known\n" + "".join(f"{n},{n},{n * 10},{n % 2}\n" for n in range(8))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_model_may_learn_from_every_column_as_a_series(
    kind: str, csv: Callable[..., CsvSettings], parquet: Callable[..., ParquetSettings]
) -> None:
    changes = {
        "target_columns": ["a", "b"],
        "future_covariates_columns": ["known"],
        "component_series": True,
        "end": "5",
    }
    frame = pd.read_csv(io.StringIO(WIDE))
    data = load_data(csv(WIDE, **changes) if kind == "csv" else parquet(frame, **changes))
    assert data.names == ["a", "b"]
    np.testing.assert_array_equal(data.targets[1].values()[:, 0], [0, 10, 20, 30, 40, 50])
    assert {series.components[0] for series in data.targets} == {"value"}
    # covariates are known for longer
    assert data.future_covariates is not None
    assert [len(series) for series in data.future_covariates] == [8, 8]


def test_columns_of_several_series_are_told_apart(csv: Callable[..., CsvSettings]) -> None:
    text = "id,time,a,b\n" + "".join(f"{i},{n},{n},{n}\n" for i in "xy" for n in range(4))
    data = load_data(
        csv(text, series_column="id", target_columns=["a", "b"], component_series=True)
    )
    assert data.names == ["x a", "x b", "y a", "y b"]


def test_the_end_is_a_time_of_the_data(csv: Callable[..., CsvSettings]) -> None:
    assert len(load_data(csv(GOOD, end="2024-01-03")).targets[0]) == 3
    for end, message in {
        "soon": "data.end: 'soon' is no date",
        "2024-01-02": "data.end: data has 2 steps until 2024-01-02",
    }.items():
        with pytest.raises(UserError, match=message):
            load_data(csv(GOOD, end=end))
    with pytest.raises(UserError, match="'soon' is no whole number"):
        load_data(csv(WIDE, target_columns=["a"], end="soon"))


def test_times_with_a_zone_become_utc(csv: Callable[..., CsvSettings]) -> None:
    text = "time,value\n" + "".join(f"2024-01-01T0{h}:00:00+02:00,{h}\n" for h in range(5))
    data = load_data(csv(text))
    assert data.targets[0].start_time() == pd.Timestamp("2023-12-31 22:00")
    assert data.targets[0].freq_str == "h"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("time,value\n05/02/2024,1\n06/02/2024,2\n07/02/2024,3\n", "%d/%m/%Y"),
        ("time,value\n20240205,1\n20240206,2\n20240207,3\n", "%Y%m%d"),
    ],
)
def test_dates_may_be_written_in_any_way(
    csv: Callable[..., CsvSettings], text: str, form: str
) -> None:
    data = load_data(csv(text, time_format=form))
    assert data.targets[0].start_time() == pd.Timestamp("2024-02-05")


def test_a_column_may_have_two_roles(csv: Callable[..., CsvSettings]) -> None:
    data = load_data(csv(GOOD, past_covariates_columns=["value"]))
    assert data.past_covariates == data.targets


def test_covariates_are_not_made_up_beyond_what_is_known(csv: Callable[..., CsvSettings]) -> None:
    text = "time,value,holiday\n2024-01-01,1,0\n2024-01-02,2,0\n2024-01-03,3,1\n2024-01-04,4,\n"
    data = load_data(csv(text, future_covariates_columns=["holiday"]))
    assert data.future_covariates is not None
    assert (len(data.targets[0]), len(data.future_covariates[0])) == (4, 3)


def test_gaps_are_interpolated(csv: Callable[..., CsvSettings]) -> None:
    data = load_data(csv(GOOD.replace("02,2", "02,")))
    np.testing.assert_array_equal(data.targets[0].values()[:, 0], [1, 2.5, 4, 8])


def test_missing_times_become_gaps(csv: Callable[..., CsvSettings]) -> None:
    data = load_data(csv(GOOD.replace("2024-01-02,2\n", ""), frequency="D"))
    np.testing.assert_array_equal(data.targets[0].values()[:, 0], [1, 2.5, 4, 8])


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        (GOOD, {"path": "missing.csv"}, "data.path: there is no file 'missing.csv'"),
        ("", {}, "the file is empty"),
        ("time,value\n", {}, "has a header but no rows"),
        (b"time,value\n\xff\xfe,1\n", {}, "not readable as CSV"),
        ('time,value\n"a,1\n', {}, "not readable as CSV"),
        (GOOD, {"target_columns": ["vale"]}, "no column 'vale'.*Did you mean 'value'"),
        (GOOD, {"separator": ";"}, "no column 'time'; there are time,value"),
        (GOOD.replace("2,2", "2,x"), {}, "line 3, column 'value': 'x' is not a number"),
        (
            GOOD.replace("2024-01-03", "soon"),
            {},
            "line 4, column 'time': 'soon' is no date of the format ISO8601",
        ),
        (GOOD.replace("01-03", "01-02"), {}, "1 duplicate timestamps, the first is 2024-01-02"),
        (GOOD.replace("01-03", "01-09"), {}, "not sorted, 2024-01-04"),
        (GOOD.replace("01-04", "01-09"), {}, "irregular times.*1 days.*2024-01-03.*2024-01-09"),
        (GOOD, {"frequency": "W-SUN"}, "times do not fit data.frequency=W-SUN"),
        (GOOD, {"frequency": "nonsense"}, "data.frequency: 'nonsense' is no frequency"),
        ("time,value\n2024-01-01,1\n", {}, "1 lines are too few"),
        (GOOD.replace("2024-01-0", "0."), {}, "line 2, column 'time': '0.1' is no date"),
        (
            "id,time,value\na,1,1\n,2,2\na,3,3\n",
            {"series_column": "id"},
            "line 3, column 'id': 'nan' is no name of a series",
        ),
        (re.sub(r",\d", ",", GOOD), {}, "no values at all in column value"),
        (GOOD.replace("2,2", "2,inf"), {}, "infinite values"),
        (
            GOOD.replace("2,2", "2,"),
            {"fill": "forbid"},
            "1 missing values, the first at 2024-01-02",
        ),
    ],
)
def test_bad_files_are_refused(
    csv: Callable[..., CsvSettings], text: str | bytes, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        load_data(csv(text, **changes))


def series_set(*lengths: int) -> SeriesSet:
    """Return series that count upwards from 0."""
    targets = [
        TimeSeries(
            pd.date_range("2024-01-01", periods=n, freq="D"), np.arange(n, dtype=float)[:, None]
        )
        for n in lengths
    ]
    return SeriesSet([f"series {n}" for n in lengths], targets)


def test_parts_are_cut_from_the_end_and_look_back() -> None:
    data = series_set(100, 50)
    _, split = split_data(
        data, Co2Settings(source="co2", **COMMON), 5, train_length=10, output_length=5
    )
    assert (split.train_end, split.test_start) == ([70, 35], [80, 40])
    validation = split.validation(data.targets, look_back=8)
    assert validation is not None
    assert [int(part.values()[0, 0]) for part in validation] == [62, 27]
    assert [int(part.values()[-1, 0]) for part in validation] == [79, 39]
    test = data.since([start - 8 for start in split.test_start])
    assert [int(part.values()[0, 0]) for part in test.targets] == [72, 32]


def test_a_size_may_be_a_number_of_steps() -> None:
    settings = Co2Settings(source="co2", **{**COMMON, "validation_size": 0, "test_size": 12})
    _, split = split_data(series_set(100), settings, 5, train_length=10, output_length=5)
    assert (split.train_end, split.test_start) == ([88], [88])
    assert split.validation(series_set(100).targets, 5) is None


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            {"train_length": 80, "output_length": 5, "horizon": 5},
            "70 are left for training.*takes 80",
        ),
        ({"train_length": 10, "output_length": 11, "horizon": 5}, "validation part has 10, but"),
        ({"train_length": 10, "output_length": 5, "horizon": 21}, "test part has 20, but"),
        ({"season_length": 71, "horizon": 5}, "70 are left.*repeats a season of 71"),
    ],
)
def test_parts_that_are_too_short_are_refused(lengths: dict[str, int], message: str) -> None:
    season = {"season_length": lengths.pop("season_length", 7)}
    settings = Co2Settings(source="co2", **{**COMMON, **season})
    with pytest.raises(UserError, match=message):
        split_data(series_set(100), settings, **lengths)


@pytest.mark.parametrize("kind", ["standard", "minmax", "none"])
def test_scalers_see_the_training_part_only_and_can_be_undone(kind: str) -> None:
    data = series_set(100, 60)
    _, split = split_data(
        data, Co2Settings(source="co2", **COMMON), 5, train_length=10, output_length=5
    )
    scalers = fit_scalers(data, split, kind)
    scaled = scalers.transform(data)
    other_future = [
        series[:end].append_values(series.values()[end:] * 9)
        for series, end in zip(data.targets, split.train_end, strict=True)
    ]
    refitted = fit_scalers(SeriesSet(data.names, other_future), split, kind).transform(data)
    for number, series in enumerate(scaled.targets):
        assert series.dtype == np.float32
        train = series.values()[: split.train_end[number]]
        if kind == "standard":
            assert abs(train.mean()) < 1e-5
            assert train.std() == pytest.approx(1, abs=1e-5)
        restored = scalers.inverse(series.values(), data.names[number])
        np.testing.assert_allclose(restored, data.targets[number].values(), atol=1e-4)
        np.testing.assert_array_equal(series.values(), refitted.targets[number].values())


def test_short_series_are_listed_by_name_or_left_out() -> None:
    data = series_set(100, 9, 100, 8)
    refuse = Co2Settings(source="co2", **COMMON)
    message = (
        "2 of 4 series too short.*series 9, 9 steps: .*; series 8, 8 steps: .*short_series=drop"
    )
    with pytest.raises(UserError, match=message):
        split_data(data, refuse, 5, train_length=10)
    kept, split = split_data(data, replace(refuse, short_series="drop"), 5, train_length=10)
    assert kept.names == [data.names[0], data.names[2]]
    assert split.test_start == [80, 80]
    none_left = series_set(9)
    with pytest.raises(UserError, match="1 of 1 series too short"):
        split_data(none_left, replace(refuse, short_series="drop"), 5, train_length=10)


LONG = """series,time,value,known
b,2024-01-01,1.5,0
b,2024-01-02,,1
b,2024-01-03,4,0
b,2024-01-04,8,1
b,2024-01-05,,1
a,2023-03-01,3,0
a,2023-03-02,2,0
a,2023-03-03,1,1
a,2023-03-04,5,1
a,2023-03-05,,0
"""


@pytest.fixture
def parquet(tmp_path: Path) -> Callable[..., ParquetSettings]:
    """Return a function that writes a Parquet file and describes it."""

    def write(frame: pd.DataFrame, **changes: Any) -> ParquetSettings:
        path = tmp_path / "data.parquet"
        frame.to_parquet(path, index=False, row_group_size=3)
        values: dict[str, Any] = {
            "source": "parquet",
            "path": str(path),
            "time_column": "time",
            "target_columns": ["value"],
            "past_covariates_columns": [],
            "future_covariates_columns": [],
            "series_column": None,
            "frequency": None,
        }
        return ParquetSettings(**{**COMMON, **values, **changes})

    return write


LONG_COLUMNS: dict[str, Any] = {
    "series_column": "series",
    "future_covariates_columns": ["known"],
}


@pytest.mark.parametrize("kind", ["memory", "mmap"])
@pytest.mark.parametrize("dates", ["datetime64[ns]", "datetime64[ms]", "date", "number"])
def test_parquet_gives_what_the_same_csv_gives(
    kind: str,
    dates: str,
    csv: Callable[..., CsvSettings],
    parquet: Callable[..., ParquetSettings],
    tmp_path: Path,
) -> None:
    frame = pd.read_csv(io.StringIO(LONG)).sort_values("series", kind="stable")
    times = pd.to_datetime(frame["time"])
    if dates == "number":
        frame["time"] = (times - times.min()).dt.days
    elif dates == "date":
        frame["time"] = times.dt.date
    else:
        frame["time"] = times.astype(dates)
    expected = load_data(csv(frame.to_csv(index=False), **LONG_COLUMNS))
    with open_storage(kind, tmp_path) as storage:
        data = load_data(parquet(frame, **LONG_COLUMNS), storage)
        assert data.names == expected.names == ["a", "b"]
        for group, other in (
            (data.targets, expected.targets),
            (data.future_covariates, expected.future_covariates),
        ):
            assert group is not None
            assert other is not None
            for series, same in zip(group, other, strict=True):
                np.testing.assert_array_equal(series.values(), same.values())
                assert list(series.components) == list(same.components)
                assert (series.time_index == same.time_index).all()
                assert series.freq_str == same.freq_str
    assert not list(tmp_path.glob("storage-*"))


def test_parquet_keeps_single_precision_and_inserts_missing_times(
    parquet: Callable[..., ParquetSettings],
) -> None:
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"]),
            "value": np.array([1, 2, 4, 5], dtype=np.float32),
        }
    )
    with pytest.raises(UserError, match=r"irregular times.*data\.frequency"):
        load_data(parquet(frame))
    series = load_data(parquet(frame, frequency="D")).targets[0]
    assert series.dtype == np.float32
    assert series.values().ravel().tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("changes", "columns", "message"),
    [
        (
            {"valeu": [1.0, 2, 3]},
            {"target_columns": ["value2"]},
            "no column 'value2'.*mean 'value'",
        ),
        ({"value": ["1", "x", "3"]}, {}, "column 'value' holds .*string, not numbers"),
        ({"time": ["2024-01-01", "2024-01-02", "2024-01-03"]}, {}, "'time' holds .*not times"),
        ({"time": pd.to_datetime(["2024-01-01", None, "2024-01-03"])}, {}, "lacks 1 or more times"),
        ({"time": [1, 1, 2]}, {}, "1 duplicate timestamps, the first is 1"),
        ({"time": [1, 3, 2]}, {}, "not sorted, 2 comes too late"),
        ({"key": ["a", "b", "a"]}, {"series_column": "key"}, "series 'a' are not together"),
        ({"key": ["a", None, "a"]}, {"series_column": "key"}, "lacks 1 or more names"),
    ],
)
def test_parquet_files_that_cannot_be_used_are_refused(
    changes: dict[str, Any],
    columns: dict[str, Any],
    message: str,
    parquet: Callable[..., ParquetSettings],
) -> None:
    frame = pd.DataFrame({"time": [1, 2, 3], "value": [1.0, 2.0, 3.0], **changes})
    with pytest.raises(UserError, match=message):
        load_data(parquet(frame, **columns))


def test_what_is_no_parquet_file_is_said(parquet: Callable[..., ParquetSettings]) -> None:
    settings = parquet(pd.DataFrame({"time": [1, 2, 3], "value": [1.0, 2.0, 3.0]}))
    Path(settings.path).write_text("time,value")
    with pytest.raises(UserError, match="not readable as Parquet"):
        load_data(settings)
    with pytest.raises(UserError, match="there is no file"):
        load_data(replace(settings, path="other.parquet"))
