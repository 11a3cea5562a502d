"""Data files as they come: what is read, and what is refused with which words."""

import io
import logging
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.datasets.dataset_loaders import DatasetLoader
from hypothesis import given, settings
from hypothesis import strategies as st

from my_forecast.data import (
    SeriesSet,
    Split,
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
    DartsDatasetSettings,
    FileSettings,
    FunctionSettings,
    ParquetSettings,
    StatsmodelsSettings,
    SyntheticSettings,
)

COMMON: dict[str, Any] = {
    "season_length": 7,
    "validation_size": 0.1,
    "test_size": 0.2,
    "fill": "linear",
    "scaler": "standard",
}
FILE: dict[str, Any] = {
    **COMMON,
    "source": "file",
    "time_column": "time",
    "target_columns": ["value"],
    "past_covariates_columns": [],
    "future_covariates_columns": [],
    "series_column": None,
    "frequency": None,
}
CSV: dict[str, Any] = {**FILE, "time_format": None, "separator": ","}
GOOD = "time,value\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n2024-01-04,8\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., CsvSettings]:
    """Return a function that writes a CSV file and describes it."""

    def write(text: str | bytes, **changes: Any) -> CsvSettings:
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return CsvSettings(**{**CSV, "path": str(path), **changes})

    return write


def series_set(*lengths: int) -> SeriesSet:
    """Return series that count upwards from 0."""
    targets = [
        TimeSeries(
            pd.date_range("2024-01-01", periods=n, freq="D"), np.arange(n, dtype=float)[:, None]
        )
        for n in lengths
    ]
    return SeriesSet([f"series {n}" for n in lengths], targets)


def test_co2_is_the_embedded_series_without_its_gaps() -> None:
    data = load_data(Co2Settings(source="co2", **COMMON))
    series = data.targets[0]
    assert (len(series), series.freq_str) == (2284, "W-SAT")
    assert not np.isnan(series.values()).any()
    assert series.values()[0, 0] == pytest.approx(316.1)


@pytest.mark.parametrize(
    ("name", "components", "frequency", "length", "first"),
    [
        ("co2", 1, "W-SAT", 2284, 316.1),
        ("elnino", 1, "MS", 732, 23.11),
        ("interest_inflation", 2, "QS-OCT", 107, -0.00313258),
        ("macrodata", 12, "QS-OCT", 203, 2710.349),
        ("nile", 1, "YS-JAN", 100, 1120),
        ("sunspots", 1, "YS-JAN", 309, 5),
    ],
)
def test_data_sets_of_statsmodels_have_their_times(
    name: str, components: int, frequency: str, length: int, first: float
) -> None:
    series = load_data(StatsmodelsSettings(source="statsmodels", name=name, **COMMON)).targets[0]
    assert (series.n_components, series.freq_str, len(series)) == (components, frequency, length)
    assert series.values()[0, 0] == pytest.approx(first)


def test_a_data_set_of_darts_is_taken_from_its_cache_or_said_to_be_missing(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DatasetLoader, "_DEFAULT_DIRECTORY", workdir)
    monkeypatch.setattr("requests.get", lambda uri: (_ for _ in ()).throw(OSError("offline")))
    passengers = DartsDatasetSettings(source="darts_dataset", name="AirPassengersDataset", **COMMON)
    with pytest.raises(
        UserError, match=r"neither in the cache .*offline.* copy the file to .*air_"
    ):
        load_data(passengers)
    months = pd.date_range("1949-01-01", periods=5, freq="MS").strftime("%Y-%m")
    rows = [f"{month},{number}" for number, month in enumerate(months)]
    (workdir / "air_passengers.csv").write_text("\n".join(["Month,#Passengers", *rows]))
    with pytest.raises(UserError, match="Expected hash"):
        load_data(passengers)
    monkeypatch.setattr(DatasetLoader, "_check_dataset_integrity_or_raise", lambda self: None)
    data = load_data(passengers)
    assert data.names == ["#Passengers"]
    assert data.targets[0].values().ravel().tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="'Passengers' is none of the data sets of Darts: Air"):
        load_data(replace(passengers, name="Passengers"))


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        (series_set(9, 8), ["series 9", "series 8"]),
        (series_set(9).targets[0], ["0"]),
        (series_set(9, 8).targets, ["series_0000", "series_0001"]),
    ],
)
def test_series_come_from_a_function(
    returned: Any, names: list[str], workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FunctionSettings(source="function", function="my_data.load", **COMMON)
    with pytest.raises(UserError, match=r"there is no function 'my_data.load'"):
        load_data(settings)
    module = ModuleType("my_data")
    monkeypatch.setattr(module, "load", lambda: returned, raising=False)
    monkeypatch.setitem(sys.modules, "my_data", module)
    assert load_data(settings).names == names
    monkeypatch.setattr(module, "load", lambda: 3)
    with pytest.raises(UserError, match=r"my_data\.load: it returns int, no SeriesSet"):
        load_data(settings)


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


def test_rows_may_be_in_any_order(
    csv: Callable[..., CsvSettings], caplog: pytest.LogCaptureFixture
) -> None:
    text = "id,time,value\nb,3,30\na,2,2\nb,1,10\na,1,1\nb,2,20\na,3,3\n"
    with caplog.at_level(logging.INFO):
        data = load_data(csv(text, series_column="id"))
    assert data.names == ["b", "a"]
    values = [series.values().ravel().tolist() for series in data.targets]
    assert values == [[10, 20, 30], [1, 2, 3]]
    assert "Sorted the rows of 2 of 2 series by time." in caplog.text


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("first", [1, 2, 4, 8]), ("last", [1, 6, 4, 8]), ("mean", [1, 4, 4, 8])],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_of_the_same_time_are_one(
    policy: str,
    expected: list[float],
    kind: str,
    csv: Callable[..., CsvSettings],
    parquet: Callable[..., ParquetSettings],
) -> None:
    text = GOOD + "2024-01-02,6\n"
    frame = pd.read_csv(io.StringIO(text), parse_dates=["time"])
    write = csv if kind == "csv" else parquet
    data = load_data(write(text if kind == "csv" else frame, duplicates=policy))
    assert data.targets[0].values().ravel().tolist() == expected
    assert data.targets[0].freq_str == "D"


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_series_are_those_that_pandas_makes_of_the_rows(data: st.DataObject) -> None:
    """Rows in any order, some twice, some missing, in one file or two, on disk or in memory."""
    policy = data.draw(st.sampled_from(["first", "last", "mean"]))
    draw = st.tuples(st.sampled_from("xyz"), st.integers(0, 6), st.integers(-5, 5))
    # as many as a series needs
    ends = [(name, day, day) for name in "xyz" for day in (0, 3, 6)]
    rows = data.draw(st.permutations(data.draw(st.lists(draw, max_size=30)) + ends))
    frame = pd.DataFrame(rows, columns=["id", "day", "value"])
    frame["time"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(frame["day"], unit="D")
    expected = {
        name: getattr(part.groupby("time")["value"], policy)().asfreq("D").fillna(0)
        for name, part in frame.groupby("id")
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cut = data.draw(st.integers(1, len(frame) - 1))
        parts = [frame[:cut], frame[cut:]]
        values = {**FILE, **LONG_COLUMNS, "path": str(folder), "fill": "zero", "frequency": "D"}
        values |= {"duplicates": policy, "series_column": "id", "future_covariates_columns": []}
        if data.draw(st.booleans()):
            for number, part in enumerate(parts):
                part.to_csv(folder / f"{number}.csv", index=False)
            described: FileSettings = CsvSettings(**CSV | values)
        else:
            for number, part in enumerate(parts):
                together = part.sort_values("id", kind="stable")
                together.to_parquet(folder / f"{number}.parquet", index=False)
            described = ParquetSettings(**values)
        with open_storage(data.draw(st.sampled_from(["memory", "mmap"])), folder) as storage:
            found = load_data(described, storage)
            assert sorted(found.names) == sorted(expected)
            for series_name, series in zip(found.names, found.targets, strict=True):
                same = expected[series_name]
                np.testing.assert_allclose(series.values()[:, 0], same.to_numpy(float))
                assert (series.time_index == same.index).all()


def test_hours_of_a_zone_are_regular_when_summer_begins_and_ends(
    csv: Callable[..., CsvSettings],
) -> None:
    for start in ("2024-03-30", "2024-10-26"):
        hours = pd.date_range(start, periods=48, freq="h", tz="Europe/Berlin")
        rows = [f"{hour.isoformat()},{number}" for number, hour in enumerate(hours)]
        text = "\n".join(["time,value", *rows])
        series = load_data(csv(text)).targets[0]
        assert (len(series), series.freq_str) == (48, "h")
        assert series.start_time() == hours[0].tz_convert("UTC").tz_localize(None)


def test_names_of_series_are_text(csv: Callable[..., CsvSettings]) -> None:
    text = "id,time,value\n" + "".join(f"{i},{n},{n}\n" for i in ("NA", "007") for n in range(3))
    assert load_data(csv(text, series_column="id")).names == ["NA", "007"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_several_columns_may_name_a_series(
    kind: str, csv: Callable[..., CsvSettings], parquet: Callable[..., ParquetSettings]
) -> None:
    rows = [(store, item, day) for store in (1, 2) for item in "ab" for day in range(3)]
    frame = pd.DataFrame(rows, columns=["store", "item", "time"]).assign(value=1.0)
    write = csv if kind == "csv" else parquet
    source = frame.to_csv(index=False) if kind == "csv" else frame
    data = load_data(write(source, series_column=["store", "item"]))
    assert data.names == ["1/a", "1/b", "2/a", "2/b"]


def test_series_are_told_apart_by_unique_id_where_there_is_such_a_column(
    csv: Callable[..., CsvSettings],
) -> None:
    long = "unique_id,time,value\n" + "".join(f"{i},{n},{n}\n" for i in "ab" for n in range(3))
    assert load_data(csv(long, series_column="auto")).names == ["a", "b"]
    assert load_data(csv(GOOD, series_column="auto")).names == ["data"]


STATIC = """id,time,value,region,size
a,1,1,north,10
a,2,2,north,10
a,3,3,north,10
b,1,1,south,30
b,2,2,south,30
b,3,3,south,30
c,1,1,north,20
c,2,2,north,20
c,3,3,north,20
"""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_static_covariates_become_numbers(
    kind: str, csv: Callable[..., CsvSettings], parquet: Callable[..., ParquetSettings]
) -> None:
    columns = {"series_column": "id", "static_covariates_columns": ["region", "size"]}
    write = csv if kind == "csv" else parquet
    data = load_data(
        write(STATIC if kind == "csv" else pd.read_csv(io.StringIO(STATIC)), **columns)
    )
    given = [series.static_covariates.to_numpy().tolist() for series in data.targets]
    assert given == [[["north", 10]], [["south", 30]], [["north", 20]]]
    split = Split([3, 3, 3], [3, 3, 3])
    root = np.sqrt(1.5)  # of 10, 20 and 30, standardised
    for encoding, names, values in (
        (
            "onehot",
            ["size", "region_north", "region_south"],
            [[-root, 1, 0], [root, 0, 1], [0, 1, 0]],
        ),
        ("ordinal", ["size", "region"], [[-root, 0], [root, 1], [0, 0]]),
    ):
        scalers = fit_scalers(data, split, "none", static_encoding=encoding)
        encoded = [series.static_covariates for series in scalers.transform(data).targets]
        assert [list(table.columns) for table in encoded] == [names] * 3
        np.testing.assert_allclose(np.concatenate(encoded), values, rtol=1e-6)
    other = data.targets[0].with_static_covariates(pd.DataFrame({"region": ["west"], "size": [1]}))
    message = r"'region': \['west'\] did not occur in the training, only \['north', 'south'\]"
    with pytest.raises(UserError, match=message):
        scalers.transform(SeriesSet(["a"], [other]))


def test_weights_are_those_of_the_rows_and_0_where_there_are_none(
    csv: Callable[..., CsvSettings],
) -> None:
    text = "time,value,w\n1,1,2\n2,2,0.5\n3,3,\n5,5,1\n6,,1\n"
    data = load_data(csv(text, sample_weight_column="w", frequency="1"))
    assert data.sample_weight is not None
    assert data.sample_weight[0].values().ravel().tolist() == [2, 0.5, 0, 0, 1, 1]
    assert len(data.targets[0]) == 5


@pytest.mark.parametrize("path", ["sales/*.csv", "sales", ["sales/a.csv", "sales/b.csv"]])
def test_each_of_many_wide_files_is_a_series(
    path: str | list[str], csv: Callable[..., CsvSettings], workdir: Path
) -> None:
    (workdir / "sales").mkdir()
    for name, text in (("b", GOOD), ("a", GOOD.replace("02,2", "02,7"))):
        (workdir / "sales" / f"{name}.csv").write_text(text)
    data = load_data(csv(GOOD, path=path))
    assert data.names == ["a", "b"]
    assert [series.values()[1, 0] for series in data.targets] == [7, 2]


def test_wide_files_of_one_name_are_told_apart_by_their_folders(
    csv: Callable[..., CsvSettings], workdir: Path
) -> None:
    for folder in ("north", "south"):
        (workdir / folder).mkdir()
        (workdir / folder / "sales.csv").write_text(GOOD)
    assert load_data(csv(GOOD, path="*/sales.csv")).names == ["north/sales", "south/sales"]


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


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_future_covariates_go_on_in_another_file(
    kind: str,
    csv: Callable[..., CsvSettings],
    parquet: Callable[..., ParquetSettings],
    workdir: Path,
) -> None:
    days = pd.date_range("2024-01-01", periods=8)
    frame = pd.DataFrame({"time": days, "value": np.arange(8.0), "event": np.arange(8.0) % 2})
    later = workdir / f"later.{kind}"
    known = frame[["time", "event"]].tail(3)
    if kind == "csv":
        known.to_csv(later, index=False)
    else:
        known.to_parquet(later, index=False)
    head = frame.head(5)
    write = csv if kind == "csv" else parquet
    described = write(
        head.to_csv(index=False) if kind == "csv" else head, future_covariates_columns=["event"]
    )
    data = load_data(described, future=later)
    assert data.names == ["data"]
    assert data.targets[0].values().ravel().tolist() == [0, 1, 2, 3, 4]
    assert data.future_covariates is not None
    assert data.future_covariates[0].values().ravel().tolist() == [0, 1, 0, 1, 0, 1, 0, 1]
    with pytest.raises(UserError, match="future_path: the run was trained without future"):
        load_data(replace(described, future_covariates_columns=[]), future=later)


def test_covariates_are_not_made_up_beyond_what_is_known(csv: Callable[..., CsvSettings]) -> None:
    text = "time,value,holiday\n2024-01-01,1,0\n2024-01-02,2,0\n2024-01-03,3,1\n2024-01-04,4,\n"
    data = load_data(csv(text, future_covariates_columns=["holiday"]))
    assert data.future_covariates is not None
    assert (len(data.targets[0]), len(data.future_covariates[0])) == (4, 3)


def test_gaps_are_interpolated(csv: Callable[..., CsvSettings]) -> None:
    data = load_data(csv(GOOD.replace("02,2", "02,")))
    np.testing.assert_array_equal(data.targets[0].values()[:, 0], [1, 2.5, 4, 8])


def test_gaps_are_filled_from_the_seasons_around_them(csv: Callable[..., CsvSettings]) -> None:
    values = ["1", "", "3", "10", "", "30", "", "20", ""]
    text = "time,value\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values))
    data = load_data(csv(text, fill="seasonal", season_length=3))
    # what is missing at the end is cut off; the second step has a value two seasons later
    expected = [1, 20, 3, 10, 20, 30, 10, 20]
    assert data.targets[0].values().ravel().tolist() == expected


def test_gaps_are_filled_with_zero(csv: Callable[..., CsvSettings]) -> None:
    data = load_data(csv(GOOD.replace("02,2", "02,"), fill="zero"))
    assert data.targets[0].values().ravel().tolist() == [1, 0, 4, 8]


def test_series_that_never_change_are_named_in_the_log(
    csv: Callable[..., CsvSettings], caplog: pytest.LogCaptureFixture
) -> None:
    text = "id,time,value,other\n"
    text += "".join(f"{i},{n},{n if i == 'a' else 5},{n}\n" for i in "abcde" for n in range(4))
    load_data(csv(text, series_column="id"))
    assert "Constant: b, c, d and 1 more." in caplog.text
    caplog.clear()
    load_data(csv(text, series_column="id", target_columns=["value", "other"]))
    assert "Constant: b (value), c (value), d (value) and 1 more." in caplog.text
    caplog.clear()
    load_data(csv(GOOD))
    assert not caplog.text


def test_missing_times_become_gaps(csv: Callable[..., CsvSettings]) -> None:
    data = load_data(csv(GOOD.replace("2024-01-02,2\n", ""), frequency="D"))
    np.testing.assert_array_equal(data.targets[0].values()[:, 0], [1, 2.5, 4, 8])


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
        return ParquetSettings(**{**FILE, "path": str(path), **changes})

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
    series = load_data(parquet(frame, frequency="D")).targets[0]
    assert series.dtype == np.float32
    assert series.values().ravel().tolist() == [1, 2, 3, 4, 5]
