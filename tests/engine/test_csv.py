"""CSV files as spreadsheets export them."""

from pathlib import Path
from typing import Any

import pytest
from my_forecast.data import DataError, load_data
from my_forecast.data.files import CsvFiles
from my_forecast.errors import UserError

from engine.series import COMMON

COLUMNS = {**COMMON, "path": "data.csv", "time_column": "ds", "target_columns": ["y"]}


def text(name: str, numbers: list[str], separator: str = ";") -> str:
    """Return a long file with one series."""
    rows = [f"{name}{separator}{day}{separator}{one}" for day, one in enumerate(numbers)]
    return "\n".join([separator.join(["unique_id", "ds", "y"]), *rows])


@pytest.mark.parametrize(
    ("encoding", "setting", "name"),
    [
        ("utf-8", "auto", "Köln"),
        ("utf-8-sig", "auto", "Köln"),
        ("utf-16", "auto", "Köln"),
        ("cp1252", "cp1252", "Köln"),
        ("cp1252", "auto", "Größe in m²"),
        ("cp1252", "auto", "Œuvre à 5 €"),
        ("gbk", "gbk", "北京"),
        ("gbk", "auto", "北京"),
        ("gbk", "auto", "产品销售数量"),
        ("gbk", "cp936", "北京"),
    ],
)
def test_files_of_any_encoding(encoding: str, setting: str, name: str, workdir: Path) -> None:
    Path("data.csv").write_bytes(text(name, ["1", "2", "3"]).encode(encoding))
    panel = load_data(CsvFiles(**COLUMNS, separator=";", encoding=setting))
    assert panel.names == [name]
    assert panel.targets.of(0).ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize(("encoding", "name"), [("cp1251", "Москва"), ("cp1253", "Αθήνα")])
def test_an_encoding_that_is_not_recognised_is_asked_for(
    encoding: str, name: str, workdir: Path
) -> None:
    Path("data.csv").write_bytes(text(name, ["1", "2", "3"]).encode(encoding))
    with pytest.raises(DataError, match=r"not in the encoding utf-8\. Set data\.encoding"):
        load_data(CsvFiles(**COLUMNS, separator=";"))


def test_a_column_may_hold_yes_and_no(workdir: Path) -> None:
    rows = zip(["Yes", "no", "", "NO"], ["ja", "Nein", "nein", "ja"], strict=True)
    lines = [f"{day},1,{english},{german}" for day, (english, german) in enumerate(rows)]
    Path("data.csv").write_text("\n".join(["ds,y,a,b", *lines, "4,1,,"]))
    changes = {"past_covariates_columns": ["a", "b"], "fill": "zero"}
    found = load_data(CsvFiles.model_validate(COLUMNS | changes)).past_covariates
    assert found is not None
    assert found.of(0).T.tolist() == [[1, 0, 0, 0], [1, 0, 0, 1]]


@pytest.mark.parametrize("setting", ["auto", "name", "character"])
@pytest.mark.parametrize(
    ("name", "separator"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|")]
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_separators(
    encoding: str,
    name: str,
    separator: str,
    setting: str,
    workdir: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The name of the first column has more commas and semicolons than there are separators."""
    rows = [separator.join(['"a,b;c,d;e|f"', "ds", "y"])]
    rows += [separator.join(["x", str(day), str(day)]) for day in range(3)]
    Path("data.csv").write_bytes("\n".join(rows).encode(encoding))
    caplog.set_level("INFO")
    setting = {"auto": "auto", "name": name, "character": separator}[setting]
    panel = load_data(CsvFiles.model_validate({**COLUMNS, "separator": setting}))
    assert panel.targets.of(0).ravel().tolist() == [0, 1, 2]
    assert ("data.separator" in caplog.text) == (setting == "auto" and separator != ",")


def test_a_quote_that_is_never_closed_in_a_large_file(workdir: Path) -> None:
    Path("data.csv").write_text('ds,y\n"' + "2024-01-01,1\n" * 20_000)
    with pytest.raises(UserError, match="not readable as CSV"):
        load_data(CsvFiles(**COLUMNS))


@pytest.mark.parametrize(
    ("changes", "targets", "future"),
    [
        ({"target_columns": "load_a"}, ["load_a"], []),
        ({"target_columns": "load_*"}, ["load_a", "load_b"], []),
        (
            {"target_columns": ["load_?"], "future_covariates_columns": "all"},
            ["load_a", "load_b"],
            ["u*", "t"],
        ),
        (
            {"target_columns": ["all"], "future_covariates_columns": ["t"]},
            ["load_a", "load_b", "u*"],
            ["t"],
        ),
        # a column whose name looks like a pattern
        ({"target_columns": "u*"}, ["u*"], []),
        ({"target_columns": ["load_b", "load_*"]}, ["load_b", "load_a"], []),
    ],
)
def test_patterns_stand_for_columns(
    changes: dict[str, Any], targets: list[str], future: list[str], workdir: Path
) -> None:
    rows = "".join(f"{name},{day},{day},2,3,4\n" for name in "pq" for day in range(4))
    Path("data.csv").write_text("unique_id,ds,load_a,load_b,u*,t\n" + rows)
    panel = load_data(CsvFiles.model_validate(COLUMNS | changes))
    assert panel.names == ["p", "q"]
    assert panel.targets.components == targets
    found = panel.future_covariates
    assert (found.components if found is not None else []) == future


def test_a_pattern_that_no_column_matches_is_refused(workdir: Path) -> None:
    Path("data.csv").write_text("ds,y\n1,1\n2,2\n3,3\n")
    with pytest.raises(UserError, match=r"no column 'load_\*'. The columns are 'ds', 'y'"):
        load_data(CsvFiles.model_validate(COLUMNS | {"target_columns": ["load_*"]}))


@pytest.mark.parametrize(
    ("numbers", "decimal", "thousands"),
    [
        (["1.234,5", "-12.345.678", "7,25", "1234"], ",", "."),
        (["1,234.5", "-12,345,678", "7.25", "1234"], ".", ","),
        (["1 234,5", "-12 345 678", "7,25", "1234"], ",", " "),
        (["1'234.5", "-12'345'678", "7.25", "1234"], ".", "'"),
    ],
)
def test_numbers_with_marks_between_thousands(
    numbers: list[str], decimal: str, thousands: str, workdir: Path
) -> None:
    Path("data.csv").write_text(text("a", numbers), encoding="utf-8")
    panel = load_data(CsvFiles(**COLUMNS, separator=";", decimal=decimal, thousands=thousands))
    assert panel.targets.of(0).ravel().tolist() == [1234.5, -12345678, 7.25, 1234]
