"""One Parquet file, read in parts: many series, or more than fits into memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from ..settings import ParquetSettings
from .columns import Columns, key_columns
from .report import Report

# values that are read at once
VALUES = 1 << 21
# seconds after which a progress bar appears
PATIENCE = 1.0


class ParquetFile:
    """The rows of a Parquet file, numbered from 1."""

    place = "row"

    def __init__(self, path: Path, settings: ParquetSettings) -> None:
        """Open the file.

        Raises:
            ValueError: saying why it cannot be read.
        """
        self.path = path
        try:
            present = pq.read_schema(path).names
            # names of series are read as numbers, with a list of names; without reading ahead,
            # which would hold the file in memory
            self._file = pq.ParquetFile(
                path,
                read_dictionary=[key for key in key_columns(settings) if key in present],
                pre_buffer=False,
                buffer_size=1 << 16,
            )
        except (OSError, pa.ArrowException) as error:
            raise ValueError(
                f"not readable as Parquet ({str(error).strip()}). Is it CSV? Then set data=csv"
            ) from error
        self._schema = self._file.schema_arrow

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._schema.names)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return int(self._file.metadata.num_rows)

    def precision(self, columns: list[str]) -> type[np.floating]:
        """Return the type that holds the values of ``columns``: float32 where all have it."""
        single = all(self._schema.field(column).type == pa.float32() for column in columns)
        return np.float32 if single else np.float64

    def time_type(self, column: str, time_format: str | None) -> str:
        """Return what the times become: a type of NumPy."""
        kind = self._schema.field(column).type
        if pa.types.is_integer(kind):
            return "int64"
        return f"datetime64[{kind.unit if pa.types.is_timestamp(kind) else 's'}]"

    def check_types(self, columns: Columns, file: str, report: Report) -> list[str]:
        """Report columns whose type is not that of their role, and return them."""
        wrong = []
        for column in columns.values:
            kind = self._schema.field(column).type
            if not _holds_numbers(kind):
                wrong.append(column)
                report.add(
                    f"{file}column {column!r} holds {_described(kind)}, not numbers",
                    "Store it as double or float.",
                )
        kind = self._schema.field(columns.time).type
        if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_integer(kind)):
            wrong.append(columns.time)
            report.add(
                f"{file}column {columns.time!r} holds {_described(kind)}, not times",
                "Store it as a timestamp or date (pandas.to_datetime), or as whole numbers.",
            )
        return wrong

    def frames(self, columns: Columns) -> Iterator[pd.DataFrame]:
        """Yield parts of the file; the rows of a series must be together."""
        first = 1
        with tqdm(
            total=self.rows,
            desc=f"Reading {self.path.name}",
            delay=PATIENCE,
            unit="rows",
            unit_scale=True,
        ) as bar:
            size = max(1, VALUES // len(columns.all))
            for batch in self._file.iter_batches(size, columns=columns.all):
                number = batch.schema.get_field_index(columns.time)
                times = _without_zone(batch.column(number))
                frame = batch.set_column(number, columns.time, times).to_pandas()
                frame.index = pd.RangeIndex(first, first + len(frame))
                yield frame
                first += len(frame)
                bar.update(len(frame))


def _holds_numbers(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


def _described(kind: pa.DataType) -> str:
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)


def _without_zone(times: pa.Array) -> pa.Array:
    """Return dates and times as timestamps, in UTC if they have a zone."""
    if pa.types.is_date(times.type):
        return times.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(times.type):
        return times.cast(pa.timestamp(times.type.unit))
    return times
