"""The file of the forecasts of many series, written a part at a time in constant memory."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl

from ..data import Steps
from ..runs.folder import written_aside

# series whose forecasts are in memory at once
SERIES = 16_384


def write_parts(
    table: Callable[[Steps], pd.DataFrame], count: int, path: Path, inputs: str
) -> None:
    """Write the forecasts of ``count`` series; the node ``writer: parts``.

    What a killed command has written is kept for the next one with the same inputs.

    Args:
        table: returns the forecasts of the series with these numbers.
        count: number of series.
        path: the file, CSV or Parquet.
        inputs: describes everything that the forecasts depend on.
    """
    folder = path.with_name(f"{path.name}.parts")
    description = folder / "inputs.txt"
    if not (description.is_file() and description.read_text(encoding="utf-8") == inputs):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        description.write_text(inputs, encoding="utf-8")
    parts = {begin: folder / f"{begin}.parquet" for begin in range(0, count, SERIES)}
    for begin, part in parts.items():
        if not part.is_file():
            numbers = np.arange(begin, min(begin + SERIES, count))
            with written_aside(part) as unfinished:
                table(numbers).to_parquet(unfinished, index=False)
    with written_aside(path) as joined:
        if path.suffix == ".parquet":
            pl.scan_parquet([*parts.values()]).sink_parquet(joined)
        else:
            with joined.open("w", encoding="utf-8", newline="") as file:
                for begin, part in parts.items():
                    rows = pd.read_parquet(part)
                    rows.to_csv(file, index=False, header=begin == 0, lineterminator="\n")
    shutil.rmtree(folder, ignore_errors=True)
