"""The file of the forecasts of many series, written a part at a time in constant memory."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from ..data import Steps
from ..runs.folder import written_aside

# series whose forecasts are in memory at once
SERIES = 4096
INPUTS = "inputs.txt"


def write_parts(
    table: Callable[[Steps], pd.DataFrame], count: int, path: Path, inputs: str
) -> None:
    """Write the forecasts of ``count`` series; the node ``writer: parts``.

    Args:
        table: returns the forecasts of the series with these numbers.
        count: number of series.
        path: the file, CSV or Parquet.
        inputs: all that the forecasts depend on; parts that were made from others are not kept.
    """
    file = ForecastFile(path, inputs)
    for numbers in file.missing(count):
        file.write(numbers, table(numbers))
    file.finish()


class ForecastFile:
    """A CSV or Parquet file. What a killed command has written is kept for the next one."""

    def __init__(self, path: Path, inputs: str) -> None:
        """Begin, or go on with parts that were made from the same ``inputs``."""
        self.path = path
        self._folder = path.with_name(f"{path.name}.unfinished")
        description = self._folder / INPUTS
        if not (description.is_file() and description.read_text(encoding="utf-8") == inputs):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir()
            description.write_text(inputs, encoding="utf-8")

    def missing(self, count: int) -> Iterator[Steps]:
        """Yield the numbers of the series in each part that is not there, of ``count`` series."""
        for begin in range(0, count, SERIES):
            if not self._part(begin).is_file():
                yield np.arange(begin, min(begin + SERIES, count))

    def write(self, numbers: Steps, table: pd.DataFrame) -> None:
        """Write the forecasts of the series with these numbers."""
        with written_aside(self._part(int(numbers[0]))) as unfinished:
            table.to_parquet(unfinished, index=False)

    def finish(self) -> None:
        """Join the parts, and put the file in place."""
        parts = sorted(self._folder.glob("*.parquet"))
        joined = self._folder / "joined"
        if self.path.suffix == ".parquet":
            pl.scan_parquet(parts).sink_parquet(joined)
        else:
            with joined.open("w", encoding="utf-8", newline="") as file:
                for number, part in enumerate(parts):
                    pd.read_parquet(part).to_csv(
                        file, index=False, header=number == 0, lineterminator="\n"
                    )
        joined.replace(self.path)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _part(self, begin: int) -> Path:
        return self._folder / f"{begin:09d}.parquet"
