"""Data in mapped files, which may be larger than memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.data import DataError, load_data
from my_forecast.data.files import CsvFiles, ParquetFiles
from my_forecast.large_data import MappedFiles

from engine.test_files import DATES, check_formats, check_rows, csv, parquet

__all__ = ["csv", "parquet"]


@settings(max_examples=40)
@given(data=st.data())
def test_series_are_those_that_pandas_makes_of_the_rows(data: st.DataObject) -> None:
    check_rows(data, ParquetFiles, MappedFiles().open, together=True)


@pytest.mark.parametrize("dates", DATES)
def test_parquet_gives_what_the_same_csv_gives(
    dates: str,
    csv: Callable[..., CsvFiles],
    parquet: Callable[..., ParquetFiles],
    tmp_path: Path,
) -> None:
    with MappedFiles().open(tmp_path) as storage:
        check_formats(dates, storage, csv, parquet)
    assert not list(tmp_path.glob("storage-*"))


def test_rows_in_order_are_mapped_and_others_are_refused(
    parquet: Callable[..., ParquetFiles],
    tmp_path: Path,
) -> None:
    rows = [(name, day) for day in range(5) for name in "ab"]
    frame = pd.DataFrame(rows, columns=["id", "time"]).assign(value=1.0)
    with MappedFiles().open(tmp_path) as storage:
        data = load_data(parquet(frame.sort_values("id"), series_column="id"), storage)
        values = data.targets[1].values(copy=False)
        while isinstance(values.base, np.ndarray):
            values = values.base
        assert isinstance(values, np.memmap)
        with pytest.raises(DataError) as error:
            load_data(parquet(frame, series_column="id"), storage)
    (problem,) = error.value.problems
    assert problem.what == "rows that are not together"
    assert dict(problem.series) == {"a": 1, "b": 1}
    assert "Sort the file by id, time" in problem.remedy
