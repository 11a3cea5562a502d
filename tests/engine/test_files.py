"""Series as they come from files: CSV and Parquet, wide and long."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.data import (
    IN_MEMORY,
    DataError,
    Panel,
    Split,
    Storage,
    fit_scalers,
    load_data,
)
from my_forecast.data.files import CsvFiles, FileSource, ParquetFiles
from my_forecast.errors import UserError
from my_forecast.large_data import MappedFiles

from engine.series import COMMON

FILE: dict[str, Any] = {
    **COMMON,
    "time_column": "time",
    "target_columns": ["value"],
    "series_column": None,
}


# nothing is kept for validation and test
ALL_TRAIN = {"validation_size": 0, "test_size": 0}

GOOD = "time,value\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n2024-01-04,8\n"


@pytest.fixture
def csv(tmp_path: Path) -> Callable[..., CsvFiles]:
    """Return a function that writes a CSV file and describes it."""

    def write(text: str | bytes, **changes: Any) -> CsvFiles:
        path = tmp_path / "data.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return CsvFiles(**{**FILE, "path": str(path), **changes})

    return write


def test_a_wide_file(csv: Callable[..., CsvFiles]) -> None:
    data = load_data(csv(GOOD))
    assert data.names == ["data"]
    assert data.to_series()[0].freq_str == "D"
    np.testing.assert_array_equal(data.to_series()[0].values()[:, 0], [1, 2, 4, 8])


def test_a_long_file_with_series_of_different_length(csv: Callable[..., CsvFiles]) -> None:
    text = "id,ds,y\n" + "".join(f"a,{n},{n}\n" for n in range(5))
    text += "".join(f"b,{n},{n * 2}\n" for n in range(2, 6))
    data = load_data(csv(text, time_column="ds", target_columns=["y"], series_column="id"))
    assert data.names == ["a", "b"]
    assert [len(series) for series in data.to_series()] == [5, 4]
    assert data.to_series()[1].start_time() == 2


def test_covariates_may_run_ahead_of_the_target(csv: Callable[..., CsvFiles]) -> None:
    text = "time,value,holiday\n2024-01-01,1,0\n2024-01-02,2,0\n2024-01-03,3,1\n2024-01-04,,1\n"
    data = load_data(csv(text, future_covariates_columns=["holiday"]))
    assert data.future_covariates is not None
    assert (len(data.to_series()[0]), len(data.to_series("future_covariates")[0])) == (3, 4)


WIDE = "time,a,b,known\n" + "".join(f"{n},{n},{n * 10},{n % 2}\n" for n in range(8))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_model_may_learn_from_every_column_as_a_series(
    kind: str, csv: Callable[..., CsvFiles], parquet: Callable[..., ParquetFiles]
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
    np.testing.assert_array_equal(data.to_series()[1].values()[:, 0], [0, 10, 20, 30, 40, 50])
    assert {series.components[0] for series in data.to_series()} == {"value"}
    # covariates are known for longer
    assert data.future_covariates is not None
    assert [len(series) for series in data.to_series("future_covariates")] == [8, 8]


def test_columns_of_several_series_are_told_apart(csv: Callable[..., CsvFiles]) -> None:
    text = "id,time,a,b\n" + "".join(f"{i},{n},{n},{n}\n" for i in "xy" for n in range(4))
    data = load_data(
        csv(text, series_column="id", target_columns=["a", "b"], component_series=True)
    )
    assert data.names == ["x a", "x b", "y a", "y b"]


def test_the_end_is_a_time_of_the_data(csv: Callable[..., CsvFiles]) -> None:
    assert len(load_data(csv(GOOD, end="2024-01-03")).to_series()[0]) == 3


def test_rows_may_be_in_any_order(csv: Callable[..., CsvFiles]) -> None:
    text = "id,time,value\nb,3,30\na,2,2\nb,1,10\na,1,1\nb,2,20\na,3,3\n"
    data = load_data(csv(text, series_column="id"))
    assert data.names == ["b", "a"]
    values = [series.values().ravel().tolist() for series in data.to_series()]
    assert values == [[10, 20, 30], [1, 2, 3]]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("first", [1, 2, 4, 8]), ("last", [1, 6, 4, 8]), ("mean", [1, 4, 4, 8])],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_of_the_same_time_are_one(
    policy: str,
    expected: list[float],
    kind: str,
    csv: Callable[..., CsvFiles],
    parquet: Callable[..., ParquetFiles],
) -> None:
    text = GOOD + "2024-01-02,6\n"
    frame = pd.read_csv(io.StringIO(text), parse_dates=["time"])
    write = csv if kind == "csv" else parquet
    data = load_data(write(text if kind == "csv" else frame, duplicates=policy))
    assert data.to_series()[0].values().ravel().tolist() == expected
    assert data.to_series()[0].freq_str == "D"


ROLES = {"targets": ["a", "b"], "past_covariates": ["c", "d"]}


def drawn_rows(data: st.DataObject) -> pd.DataFrame:
    """Return rows of three series in any order, some of them twice, some missing or empty."""
    values = st.tuples(*[st.none() | st.integers(-5, 5)] * 4)
    draw = st.tuples(st.sampled_from("xyz"), st.integers(0, 6), values)
    # as many as a series needs; the one in the middle is known, and there once
    needed = [(name, day, (day, 1, -day, 2)) for name in "xyz" for day in ("xyz".index(name), 3, 6)]
    others = [row for row in data.draw(st.lists(draw, max_size=30)) if row[1] != 3]
    rows = data.draw(st.permutations(others + needed))
    frame = pd.DataFrame([values for *_, values in rows], columns=list("abcd"), dtype=float)
    days = pd.to_timedelta([day for _, day, _ in rows], unit="D")
    return frame.assign(id=[name for name, *_ in rows], time=pd.Timestamp("2024-01-01") + days)


def from_pandas(frame: pd.DataFrame, policy: str, role: str) -> dict[str, pd.DataFrame]:
    """Return the days of each series from its first known one to its last one, without gaps."""
    if policy == "mean":
        rows = frame.groupby(["id", "time"], as_index=False).mean()
    else:
        rows = frame.drop_duplicates(["id", "time"], keep=policy)
    found = {}
    for name in dict.fromkeys(frame["id"]):
        days = rows[rows["id"] == name].set_index("time").sort_index()[ROLES[role]].asfreq("D")
        known = days.dropna(how="all" if role == "targets" else "any").index
        found[name] = days.loc[known[0] : known[-1]].fillna(0)
    return found


@pytest.mark.parametrize("opened", [IN_MEMORY.open, MappedFiles().open], ids=["memory", "mmap"])
@pytest.mark.parametrize("kind", [CsvFiles, ParquetFiles])
@settings(max_examples=40)
@given(data=st.data())
def test_series_are_those_that_pandas_makes_of_the_rows(
    data: st.DataObject, kind: type[FileSource], opened: Callable[[Path], Any]
) -> None:
    frame = drawn_rows(data)
    policy = data.draw(st.sampled_from(["first", "last", "mean"]))
    cut = data.draw(st.integers(1, len(frame) - 1))
    with tempfile.TemporaryDirectory() as name, opened(Path(name)) as storage:
        (folder := Path(name) / "files").mkdir()
        for number, part in enumerate((frame[:cut], frame[cut:])):
            if kind is CsvFiles:
                empty = data.draw(st.sampled_from(["", "NaN"]))
                part.to_csv(folder / f"{number}.csv", index=False, na_rep=empty)
            else:
                part.to_parquet(folder / f"{number}.parquet", index=False)
        columns = {
            "series_column": "id",
            "target_columns": ROLES["targets"],
            "past_covariates_columns": ROLES["past_covariates"],
        }
        rules = {"frequency": "D", "duplicates": policy, "fill": "zero"}
        panel = load_data(kind(**FILE | columns | rules | {"path": str(folder)}), storage)
        for role, components in ROLES.items():
            expected = from_pandas(frame, policy, role)
            assert panel.names == list(expected)
            for series, same in zip(panel.to_series(role), expected.values(), strict=True):
                np.testing.assert_allclose(series.values(), same.to_numpy())
                assert (series.time_index == same.index).all()
                assert list(series.components) == components


def test_values_of_a_role_are_parts_of_one_array(parquet: Callable[..., ParquetFiles]) -> None:
    rows = [(name, day) for day in range(5) for name in "ab"]
    frame = pd.DataFrame(rows, columns=["id", "time"]).assign(value=np.arange(10.0))
    for ordered in (frame, frame.sort_values("id", kind="stable")):
        data = load_data(parquet(ordered, series_column="id"))
        assert [series.values().ravel().tolist() for series in data.to_series()] == [
            [0, 2, 4, 6, 8],
            [1, 3, 5, 7, 9],
        ]
        first, second = (series.values(copy=False) for series in data.to_series())
        assert second.__array_interface__["data"][0] - first.__array_interface__["data"][0] == 40


def test_hours_of_a_zone_are_regular_when_summer_begins_and_ends(
    csv: Callable[..., CsvFiles],
) -> None:
    for start in ("2024-03-30", "2024-10-26"):
        hours = pd.date_range(start, periods=48, freq="h", tz="Europe/Berlin")
        rows = [f"{hour.isoformat()},{number}" for number, hour in enumerate(hours)]
        text = "\n".join(["time,value", *rows])
        series = load_data(csv(text)).to_series()[0]
        assert (len(series), series.freq_str) == (48, "h")
        assert series.start_time() == hours[0].tz_convert("UTC").tz_localize(None)


def test_names_of_series_are_text(csv: Callable[..., CsvFiles]) -> None:
    text = "id,time,value\n" + "".join(f"{i},{n},{n}\n" for i in ("NA", "007") for n in range(3))
    assert load_data(csv(text, series_column="id")).names == ["NA", "007"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_several_columns_may_name_a_series(
    kind: str, csv: Callable[..., CsvFiles], parquet: Callable[..., ParquetFiles]
) -> None:
    rows = [(store, item, day) for store in (1, 2) for item in "ab" for day in range(3)]
    frame = pd.DataFrame(rows, columns=["store", "item", "time"]).assign(value=1.0)
    write = csv if kind == "csv" else parquet
    source = frame.to_csv(index=False) if kind == "csv" else frame
    data = load_data(write(source, series_column=["store", "item"]))
    assert data.names == ["1/a", "1/b", "2/a", "2/b"]


def test_series_are_told_apart_by_unique_id_where_there_is_such_a_column(
    csv: Callable[..., CsvFiles],
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
    kind: str, csv: Callable[..., CsvFiles], parquet: Callable[..., ParquetFiles]
) -> None:
    columns = {"series_column": "id", "static_covariates_columns": ["region", "size"]}
    write = csv if kind == "csv" else parquet
    data = load_data(
        write(STATIC if kind == "csv" else pd.read_csv(io.StringIO(STATIC)), **columns)
    )
    given = [series.static_covariates.to_numpy().tolist() for series in data.to_series()]
    assert given == [[["north", 10]], [["south", 30]], [["north", 20]]]
    ends = np.array([3, 3, 3])
    split = Split(ends, ends)
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
        encoded = [series.static_covariates for series in scalers.transform(data).to_series()]
        assert [list(table.columns) for table in encoded] == [names] * 3
        np.testing.assert_allclose(np.concatenate(encoded), values, rtol=1e-6)
    other = data.to_series()[0].with_static_covariates(
        pd.DataFrame({"region": ["west"], "size": [1]})
    )
    message = r"a: static covariate 'region' is 'west', not among 'north', 'south' of the training"
    with pytest.raises(UserError, match=message):
        scalers.transform(Panel.from_series([other], ["a"]))


def test_weights_are_those_of_the_rows_and_0_where_there_are_none(
    csv: Callable[..., CsvFiles],
) -> None:
    text = "time,value,w\n1,1,2\n2,2,0.5\n3,3,\n5,5,1\n6,,1\n"
    data = load_data(csv(text, sample_weight_column="w", frequency="1"))
    assert data.sample_weight is not None
    assert data.to_series("sample_weight")[0].values().ravel().tolist() == [2, 0.5, 0, 0, 1, 1]
    assert len(data.to_series()[0]) == 5


@pytest.mark.parametrize("path", ["sales/*.csv", "sales", ["sales/a.csv", "sales/b.csv"]])
def test_each_of_many_wide_files_is_a_series(
    path: str | list[str], csv: Callable[..., CsvFiles], workdir: Path
) -> None:
    (workdir / "sales").mkdir()
    for name, text in (("b", GOOD), ("a", GOOD.replace("02,2", "02,7"))):
        (workdir / "sales" / f"{name}.csv").write_text(text)
    data = load_data(csv(GOOD, path=path))
    assert data.names == ["a", "b"]
    assert [series.values()[1, 0] for series in data.to_series()] == [7, 2]


def test_wide_files_of_one_name_are_told_apart_by_their_folders(
    csv: Callable[..., CsvFiles], workdir: Path
) -> None:
    for folder in ("north", "south"):
        (workdir / folder).mkdir()
        (workdir / folder / "sales.csv").write_text(GOOD)
    assert load_data(csv(GOOD, path="*/sales.csv")).names == ["north/sales", "south/sales"]


def test_times_with_a_zone_become_utc(csv: Callable[..., CsvFiles]) -> None:
    text = "time,value\n" + "".join(f"2024-01-01T0{h}:00:00+02:00,{h}\n" for h in range(5))
    data = load_data(csv(text))
    assert data.to_series()[0].start_time() == pd.Timestamp("2023-12-31 22:00")
    assert data.to_series()[0].freq_str == "h"


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("time,value\n05/02/2024,1\n06/02/2024,2\n07/02/2024,3\n", "%d/%m/%Y"),
        ("time,value\n20240205,1\n20240206,2\n20240207,3\n", "%Y%m%d"),
    ],
)
def test_dates_may_be_written_in_any_way(
    csv: Callable[..., CsvFiles], text: str, form: str
) -> None:
    data = load_data(csv(text, time_format=form))
    assert data.to_series()[0].start_time() == pd.Timestamp("2024-02-05")


def test_a_column_may_have_two_roles(csv: Callable[..., CsvFiles]) -> None:
    data = load_data(csv(GOOD, past_covariates_columns=["value"]))
    assert data.to_series("past_covariates") == data.to_series()


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_future_covariates_go_on_in_another_file(
    kind: str,
    csv: Callable[..., CsvFiles],
    parquet: Callable[..., ParquetFiles],
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
    assert data.to_series()[0].values().ravel().tolist() == [0, 1, 2, 3, 4]
    assert data.future_covariates is not None
    assert data.to_series("future_covariates")[0].values().ravel().tolist() == [
        0,
        1,
        0,
        1,
        0,
        1,
        0,
        1,
    ]
    with pytest.raises(UserError, match="future_path: the run has no future"):
        load_data(described.model_copy(update={"future_covariates_columns": []}), future=later)


def test_covariates_are_not_made_up_beyond_what_is_known(csv: Callable[..., CsvFiles]) -> None:
    text = "time,value,holiday\n2024-01-01,1,0\n2024-01-02,2,0\n2024-01-03,3,1\n2024-01-04,4,\n"
    data = load_data(csv(text, future_covariates_columns=["holiday"]))
    assert data.future_covariates is not None
    assert (len(data.to_series()[0]), len(data.to_series("future_covariates")[0])) == (4, 3)


def test_gaps_are_interpolated(csv: Callable[..., CsvFiles]) -> None:
    data = load_data(csv(GOOD.replace("02,2", "02,")))
    np.testing.assert_array_equal(data.to_series()[0].values()[:, 0], [1, 2.5, 4, 8])


def test_gaps_are_filled_from_the_seasons_around_them(csv: Callable[..., CsvFiles]) -> None:
    values = ["1", "", "3", "10", "", "30", "", "20", ""]
    text = "time,value\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values))
    source = csv(text, fill="seasonal", season_length=3, **ALL_TRAIN)
    # what is missing at the end is cut off; the second step has a value two seasons later
    expected = [1, 20, 3, 10, 20, 30, 10, 20]
    assert load_data(source).to_series()[0].values().ravel().tolist() == expected
    # which the training part must not see
    with pytest.raises(DataError) as error:
        load_data(source.model_copy(update={"test_size": 2}))
    (problem,) = error.value.problems
    assert (problem.what, problem.places) == ("unfilled value", ["value at 1", "value at 4"])


def test_gaps_of_a_part_are_not_filled_from_the_parts_after_it(
    csv: Callable[..., CsvFiles],
) -> None:
    values = ["1", "", "", "", "5", "", "", "8", "", "6"]
    text = "time,value\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values))
    data = load_data(csv(text, validation_size=4, test_size=4))
    # validation begins at 2, the test at 6: up to there the last value stays, while a step of the
    # same part as the next value is interpolated
    expected = [1, 1, 3, 4, 5, 5, 7, 8, 7, 6]
    assert data.to_series()[0].values().ravel().tolist() == pytest.approx(expected)


def test_gaps_are_filled_with_zero(csv: Callable[..., CsvFiles]) -> None:
    data = load_data(csv(GOOD.replace("02,2", "02,"), fill="zero"))
    assert data.to_series()[0].values().ravel().tolist() == [1, 0, 4, 8]


def test_series_that_never_change_are_named_in_the_log(
    csv: Callable[..., CsvFiles], caplog: pytest.LogCaptureFixture
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


def test_missing_times_become_gaps(csv: Callable[..., CsvFiles]) -> None:
    data = load_data(csv(GOOD.replace("2024-01-02,2\n", ""), frequency="D"))
    np.testing.assert_array_equal(data.to_series()[0].values()[:, 0], [1, 2.5, 4, 8])


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
def parquet(tmp_path: Path) -> Callable[..., ParquetFiles]:
    """Return a function that writes a Parquet file and describes it."""

    def write(frame: pd.DataFrame, **changes: Any) -> ParquetFiles:
        path = tmp_path / "data.parquet"
        frame.to_parquet(path, index=False, row_group_size=3)
        return ParquetFiles(**{**FILE, "path": str(path), **changes})

    return write


LONG_COLUMNS: dict[str, Any] = {
    "series_column": "series",
    "future_covariates_columns": ["known"],
}


def check_formats(
    dates: str,
    storage: Storage,
    csv: Callable[..., CsvFiles],
    parquet: Callable[..., ParquetFiles],
) -> None:
    """Compare the series of a Parquet file with those of the same rows in a CSV file."""
    frame = pd.read_csv(io.StringIO(LONG)).sort_values("series", kind="stable")
    times = pd.to_datetime(frame["time"])
    if dates == "number":
        frame["time"] = (times - times.min()).dt.days
    elif dates == "date":
        frame["time"] = times.dt.date
    else:
        frame["time"] = times.astype(dates)
    expected = load_data(csv(frame.to_csv(index=False), **LONG_COLUMNS))
    data = load_data(parquet(frame, **LONG_COLUMNS), storage)
    assert data.names == expected.names == ["a", "b"]
    for role in ("targets", "future_covariates"):
        for series, same in zip(data.to_series(role), expected.to_series(role), strict=True):
            np.testing.assert_array_equal(series.values(), same.values())
            assert list(series.components) == list(same.components)
            assert (series.time_index == same.time_index).all()
            assert series.freq_str == same.freq_str


DATES = ["datetime64[ns]", "datetime64[ms]", "date", "number"]


@pytest.mark.parametrize("dates", DATES)
def test_parquet_gives_what_the_same_csv_gives(
    dates: str, csv: Callable[..., CsvFiles], parquet: Callable[..., ParquetFiles]
) -> None:
    check_formats(dates, IN_MEMORY, csv, parquet)


def test_parquet_keeps_single_precision_and_inserts_missing_times(
    parquet: Callable[..., ParquetFiles],
) -> None:
    frame = pd.DataFrame(
        {
            "time": pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05"]),
            "value": np.array([1, 2, 4, 5], dtype=np.float32),
        }
    )
    series = load_data(parquet(frame, frequency="D")).to_series()[0]
    assert series.dtype == np.float32
    assert series.values().ravel().tolist() == [1, 2, 3, 4, 5]


def test_a_column_may_name_series_and_be_a_covariate_too(csv: Callable[..., CsvFiles]) -> None:
    text = "id,time,value\n" + "".join(f"{i:03},{n},{n}\n" for i in (7, 8) for n in range(3))
    data = load_data(csv(text, series_column="id", past_covariates_columns=["id"]))
    assert data.names == ["007", "008"]
    assert data.past_covariates is not None
    assert [series.values()[0, 0] for series in data.to_series("past_covariates")] == [7, 8]


def test_cells_may_be_words_for_missing_values_and_booleans(csv: Callable[..., CsvFiles]) -> None:
    text = "time,value,open\n1,1,True\n2,NA,False\n3,5,True\n"
    data = load_data(csv(text, past_covariates_columns=["open"], **ALL_TRAIN))
    assert data.to_series()[0].values().ravel().tolist() == [1, 3, 5]
    assert data.past_covariates is not None
    assert data.to_series("past_covariates")[0].values().ravel().tolist() == [1, 0, 1]


def test_decimals_may_follow_a_comma(csv: Callable[..., CsvFiles]) -> None:
    text = "time;value\n1;1,5\n2;2\n3;-0,25\n"
    data = load_data(csv(text, separator=";", decimal=","))
    assert data.to_series()[0].values().ravel().tolist() == [1.5, 2, -0.25]
    with pytest.raises(UserError, match=r"column 'value': 1 non-numeric value \(line 3: '2.000'\)"):
        load_data(csv(text.replace(";2\n", ";2.000\n"), separator=";", decimal=","))
