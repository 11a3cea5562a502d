"""Data in mapped files, which may be larger than memory."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from my_forecast.data import Split, fit_scalers, load_data
from my_forecast.data.files import CsvFiles, ParquetFiles
from my_forecast.large_data import MappedFiles

from engine.series import COMMON
from engine.test_files import DATES, check_formats, csv, parquet

__all__ = ["csv", "parquet"]


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


def test_ten_million_rows_of_one_value(tmp_path: Path) -> None:
    """A constant is loaded and scaled like any other series."""
    rows = 10_000_000
    path = tmp_path / "data.parquet"
    pl.DataFrame({"time": np.arange(rows), "value": np.full(rows, 7.0)}).write_parquet(path)
    own = {"path": str(path), "time_column": "time", "target_columns": ["value"]}
    begin = time.process_time()
    data = load_data(ParquetFiles(**COMMON, **own))
    end = data.targets.stop
    scaled = fit_scalers(data, Split(end, end), "standard").transform(data)
    assert time.process_time() - begin < 120
    assert data.targets.length.tolist() == [rows]
    assert (data.targets.values == 7).all()
    assert not scaled.targets.values.any()


def test_rows_in_any_order_are_mapped(parquet: Callable[..., ParquetFiles], tmp_path: Path) -> None:
    rows = [(name, day) for day in range(5) for name in "ab"]
    frame = pd.DataFrame(rows, columns=["id", "time"]).assign(value=np.arange(10.0))
    for ordered in (frame, frame.sort_values("id"), frame[::-1]):
        with MappedFiles().open(tmp_path) as storage:
            data = load_data(parquet(ordered, series_column="id"), storage)
            assert isinstance(data.targets.values, np.memmap)
            assert not data.targets.values.flags.writeable
            values = data.series("b").values(copy=False)
            assert values.ravel().tolist() == [1, 3, 5, 7, 9]
            while isinstance(values.base, np.ndarray):
                values = values.base
            assert isinstance(values, np.memmap)
