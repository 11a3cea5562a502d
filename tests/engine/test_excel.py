"""Excel workbooks: what cells mean, and what is refused."""

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.data import DataError, load_data
from my_forecast.excel import ExcelFiles
from xlsxwriter import Workbook

from engine.test_broken_data import DAYS, FILES


def workbook(path: Path, rows: list[list[Any]], sheet: str = "Sheet1") -> Path:
    """Write rows, the first of which is the header, and return the path."""
    with Workbook(path, {"default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        page = book.add_worksheet(sheet)
        for number, row in enumerate(rows):
            page.write_row(number, 0, row)
    return path


def source(path: Path, **changes: Any) -> ExcelFiles:
    """Return the source of one workbook."""
    return ExcelFiles.model_validate(FILES | {"path": str(path)} | changes)


TABLE = [line.split(",") for line in DAYS.splitlines()]


@pytest.mark.parametrize(
    ("row", "cells", "expected"),
    [
        (2, ["2024-01-02", "2.5"], 2.5),
        (2, [datetime(2024, 1, 2), 2.5], 2.5),
        (2, ["2024-01-02", True], 1),
        (2, ["2024-01-02", "n/a"], np.nan),
        (2, ["2024-01-02"], np.nan),
    ],
)
def test_numbers_dates_and_texts_are_read(
    row: int, cells: list[Any], expected: float, tmp_path: Path
) -> None:
    rows = [*TABLE[:row], cells, *TABLE[row + 1 :]]
    panel = load_data(source(workbook(tmp_path / "a.xlsx", rows), fill="linear"))
    found = panel.targets.values[:, 0]
    assert found[1] == pytest.approx(2.5 if np.isnan(expected) else expected)


@given(
    values=st.lists(
        st.floats(-1e15, 1e15).map(lambda value: float(f"{value:.15g}")), min_size=3, max_size=20
    )
)
@settings(max_examples=50)
def test_any_number_that_excel_holds_is_read(
    values: list[float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = [["ds", "y"], *([day, value] for day, value in enumerate(values))]
    path = workbook(tmp_path_factory.mktemp("excel") / "a.xlsx", rows)
    panel = load_data(source(path))
    assert panel.targets.values[:, 0] == pytest.approx(values, rel=1e-14)


@pytest.mark.parametrize(
    ("rows", "changes", "words"),
    [
        ([*TABLE[:2], ["2024-01-02", "x"], *TABLE[3:]], {}, ("'y'", "row 3: 'x'")),
        ([*TABLE[:2], [], ["2024-01-02", "x"], *TABLE[3:]], {}, ("'y'", "row 4: 'x'")),
        ([["ds", "y", "y"], *TABLE[1:]], {}, ("two columns are called 'y'", "Rename")),
        ([["date", "y"], *TABLE[1:]], {}, ("no column 'ds'", "data.time_column")),
        ([], {}, ("the sheet is empty", "data.sheet")),
        (TABLE[:1], {}, ("columns but no rows", "Add rows")),
        (TABLE, {"sheet": "Sales"}, ("'Sales'", "data.sheet")),
    ],
)
def test_what_cannot_be_used_is_refused(
    rows: list[list[Any]], changes: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    path = workbook(tmp_path / "a.xlsx", rows)
    with pytest.raises(DataError) as refused:
        load_data(source(path, **changes))
    assert all(word in str(refused.value) for word in words), refused.value


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_text(DAYS, encoding="utf-8")
    with pytest.raises(DataError, match="not readable as a sheet of Excel"):
        load_data(source(path))
    assert pl.read_csv(path).height == 4
