"""CSV files as spreadsheets export them."""

from pathlib import Path

import pytest
from my_forecast.data import load_data
from my_forecast.data.files import CsvFiles

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
        ("gbk", "gbk", "北京"),
        ("gbk", "cp936", "北京"),
    ],
)
def test_files_of_any_encoding(encoding: str, setting: str, name: str, workdir: Path) -> None:
    Path("data.csv").write_bytes(text(name, ["1", "2", "3"]).encode(encoding))
    panel = load_data(CsvFiles(**COLUMNS, separator=";", encoding=setting))
    assert panel.names == [name]
    assert panel.targets.of(0).ravel().tolist() == [1, 2, 3]


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
