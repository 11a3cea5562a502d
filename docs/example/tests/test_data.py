"""Data of your own: read from files and functions, checked, filled and divided."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from my_forecast.data import (
    DataError,
    fingerprint,
    load_data,
    split_data,
)
from my_forecast.data.files import (
    CsvFiles,
    ParquetFiles,
)
from my_forecast.data.sources import (
    FunctionSource,
)
from my_forecast.errors import (
    UserError,
)

from conftest import sales, three_waves

COMMON: dict[str, Any] = {
    "season_length": 7,
    "validation_size": 10,
    "test_size": 0.2,
    "fill": "linear",
    "scaler": "standard",
}
Csv = Callable[..., CsvFiles]


@pytest.fixture
def csv(tmp_path: Path) -> Csv:
    """Return a function that writes a CSV file and returns its source."""

    def write(text: str, **changes: Any) -> CsvFiles:
        path = tmp_path / "data.csv"
        path.write_text(text, encoding="utf-8")
        columns = {"time_column": "time", "target_columns": ["value"]}
        return CsvFiles(**{**COMMON, **columns, "path": str(path), **changes})

    return write


def test_a_wide_file_is_a_series(csv: Csv) -> None:
    data = load_data(csv("time,value\n2024-01-01,1\n2024-01-02,2.5\n2024-01-03,4\n"))
    assert data.names == ["data"]
    assert data.to_series()[0].freq_str == "D"
    assert data.to_series()[0].values().ravel().tolist() == [1, 2.5, 4]


def test_a_long_file_has_series_of_any_length(csv: Csv) -> None:
    rows = [f"a,{time},{time}" for time in range(5)] + [f"b,{time},{-time}" for time in range(2, 6)]
    data = load_data(csv("\n".join(["id,time,value", *rows]), series_column="id"))
    assert data.names == ["a", "b"]
    assert [len(series) for series in data.to_series()] == [5, 4]
    assert data.to_series()[1].start_time() == 2


def test_future_covariates_continue_after_the_target(csv: Csv) -> None:
    text = "time,value,event\n1,1,0\n2,2,0\n3,3,1\n4,,1\n5,,0\n"
    data = load_data(csv(text, future_covariates_columns=["event"]))
    assert data.future_covariates is not None
    assert len(data.to_series()[0]) == 3
    assert data.to_series("future_covariates")[0].values().ravel().tolist() == [0, 0, 1, 1, 0]


def test_static_covariates_and_weights_are_those_of_the_rows(csv: Csv) -> None:
    rows = [f"a,{time},1,3,{time}" for time in (1, 2, 3)]
    rows += [f"b,{time},1,4,{time}" for time in (1, 2, 3)]
    text = "\n".join(["unique_id,time,value,size,weight", *rows])
    columns = {"static_covariates_columns": ["size"], "sample_weight_column": "weight"}
    data = load_data(csv(text, **columns))
    assert [one.static_covariates["size"].item() for one in data.to_series()] == [3, 4]
    assert data.sample_weight is not None
    assert data.to_series("sample_weight")[1].values().ravel().tolist() == [1, 2, 3]


def test_parquet_files_give_what_csv_files_give(tmp_path: Path) -> None:
    columns: dict[str, Any] = {"time_column": "ds", "target_columns": ["y"]}
    columns["future_covariates_columns"] = ["event"]
    sales().to_csv(tmp_path / "sales.csv", index=False)
    sales().to_parquet(tmp_path / "sales.parquet")
    text = load_data(CsvFiles(path=str(tmp_path / "sales.csv"), **columns, **COMMON))
    binary = load_data(ParquetFiles(path=str(tmp_path / "sales.parquet"), **columns, **COMMON))
    assert fingerprint(text) == fingerprint(binary)


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        # 3 is the test part: nothing before it is filled from there
        ("linear", [1, 2, 3, 4, 4, 3]),
        ("zero", [1, 0, 3, 4, 0, 3]),
        ("seasonal", [1, 4, 3, 4, 3, 3]),
    ],
)
def test_gaps_are_filled(fill: str, expected: list[float], csv: Csv) -> None:
    text = "time,value\n1,1\n2,\n3,3\n4,4\n5,\n6,3\n"
    data = load_data(csv(text, fill=fill, season_length=2))
    assert data.to_series()[0].values().ravel().tolist() == expected


@pytest.mark.parametrize(
    ("text", "what", "place"),
    [
        ("time,value\n1,1\n2,x\n3,3\n", "non-numeric value", "line 3: 'x'"),
        ("time,value\n1,1\n,2\n3,3\n", "", "line 3"),
        ("time,value\n1,1\n2,2\n2,3\n3,4\n", "duplicate time", "2"),
        ("time,sales\n1,1\n2,2\n3,3\n", "no column 'value'", ""),
        ("", "the file is empty", ""),
    ],
)
def test_broken_files_are_refused_with_place_and_remedy(
    text: str, what: str, place: str, csv: Csv
) -> None:
    with pytest.raises(DataError) as error:
        load_data(csv(text))
    [problem] = error.value.problems
    assert what in problem.what
    assert place in " ".join(problem.places)
    assert problem.remedy


def test_all_problems_of_a_file_are_reported_together(csv: Csv) -> None:
    text = "time,value,event\n1,1,0\n2,x,y\n3,3,0\n"
    with pytest.raises(DataError) as error:
        load_data(csv(text, future_covariates_columns=["event"]))
    subjects = [problem.subject for problem in error.value.problems]
    assert subjects == ["column 'value'", "column 'event'"]


def test_a_function_may_return_series(monkeypatch: pytest.MonkeyPatch) -> None:
    source = FunctionSource(function="my_data.load", **COMMON)
    with pytest.raises(UserError, match=r"data\.function: cannot import 'my_data\.load'"):
        load_data(source)
    module = ModuleType("my_data")
    monkeypatch.setitem(sys.modules, "my_data", module)
    monkeypatch.setattr(module, "load", three_waves, raising=False)
    data = load_data(source)
    assert data.to_series() == three_waves()
    assert len(set(data.names)) == 3


def test_parts_are_cut_from_the_end() -> None:
    source = FunctionSource(function="conftest.three_waves", **COMMON)
    data, split = split_data(load_data(source), source, horizon=5)
    assert (split.train_end.tolist(), split.test_start.tolist()) == ([54] * 3, [64] * 3)
    train = replace(data, targets=split.train(data.targets))
    assert train.to_series()[0] == data.to_series()[0][:54]
    validation = replace(data, targets=split.validation(data.targets, look_back=7))
    assert validation.to_series()[0] == data.to_series()[0][47:64]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_size": 0.01}, "test part"),
        ({"validation_size": 70}, "training"),
        ({"test_start": "soon"}, "data.test_start: 'soon'"),
    ],
)
def test_parts_that_are_too_short_are_refused(changes: dict[str, Any], message: str) -> None:
    source = FunctionSource(function="conftest.three_waves", **{**COMMON, **changes})
    with pytest.raises(UserError, match=message):
        split_data(load_data(source), source, horizon=5)
