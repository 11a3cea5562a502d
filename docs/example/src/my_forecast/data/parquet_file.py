"""One Parquet file, read in parts into flat arrays: many series, or more than fits into memory."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from darts import TimeSeries
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import UserError
from ..settings import ParquetSettings
from .series import SeriesSet
from .storage import Storage
from .tables import check_columns, regular_table

# values that are read at once
VALUES = 1 << 22
# seconds after which a progress bar appears
PATIENCE = 1.0


def read_parquet(settings: ParquetSettings, storage: Storage) -> SeriesSet:
    """Read series from a wide or, with ``series_column``, a long Parquet file.

    The rows of a series must be together and sorted by time. Values keep their precision: float32
    where all columns of a role have it, else float64.

    Args:
        settings: path and columns.
        storage: where the values are kept.

    Raises:
        UserError: naming the file and the column or series at fault.
    """
    file = _open(settings)
    roles = {
        "targets": settings.target_columns,
        "past_covariates": settings.past_covariates_columns,
        "future_covariates": settings.future_covariates_columns,
    }
    roles = {role: columns for role, columns in roles.items() if columns}
    schema, rows = file.schema_arrow, file.metadata.num_rows
    arrays = {
        role: storage.array(f"raw-{role}", rows, len(columns), _precision(schema, columns))
        for role, columns in roles.items()
    }
    times = storage.array("times", rows, 1, np.int64)
    # the name of each series and the row that it starts with
    starts: list[tuple[str, int]] = []
    for first, batch in _batches(file, settings):
        rows_read = slice(first, first + batch.num_rows)
        times[rows_read, 0] = _time_numbers(batch, settings.time_column, settings)
        for role, columns in roles.items():
            for number, column in enumerate(columns):
                values = batch.column(column).to_numpy(zero_copy_only=False)
                arrays[role][rows_read, number] = values
        starts.extend(_starts(batch, first, settings, starts[-1][0] if starts else None))
    _check_together([name for name, _ in starts], settings)

    # as objects, for Darts iterates over them, which takes long with pandas' strings
    components = {role: pd.Index(columns, dtype=object) for role, columns in roles.items()}
    arrays = {role: storage.finish(array) for role, array in arrays.items()}
    times = storage.finish(times)[:, 0]
    series: dict[str, list[TimeSeries]] = {role: [] for role in roles}
    known: tuple[NDArray[Any], pd.Index] | None = None
    limits = pairwise([*starts, ("", rows)])
    for (name, start), (_, stop) in tqdm(
        limits, "Making series", total=len(starts), delay=PATIENCE, unit="series"
    ):
        raw = times[start:stop]
        # the series of a panel often have the same times; finding their frequency takes a while
        if known is None or not np.array_equal(raw, known[0]):
            index = _index(raw, schema.field(settings.time_column).type)
            known = raw, regular_table(pd.DataFrame(index=index), name, settings).index
        for role, array in arrays.items():
            values = array[start:stop]
            if len(known[1]) != len(raw):  # data.frequency has inserted times
                values = _spread(values, index.get_indexer(known[1]))
            series[role].append(
                TimeSeries(known[1], values, components=components[role], copy=False)
            )
    return SeriesSet(names=[name for name, _ in starts], **series)


def _open(settings: ParquetSettings) -> pq.ParquetFile:
    path = Path(settings.path)
    if not path.is_file():
        raise UserError(f"data.path: there is no file '{path}' (looked in {Path.cwd()}).")
    try:
        # names of series are read as numbers, with a list of names
        keys = [settings.series_column] if settings.series_column else None
        # without reading ahead, which would hold the file in memory
        file = pq.ParquetFile(path, read_dictionary=keys, pre_buffer=False, buffer_size=1 << 16)
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"{path}: not readable as Parquet ({error}).") from error
    schema = file.schema_arrow
    check_columns(schema.names, _columns(settings), settings.path)
    if file.metadata.num_rows == 0:
        raise UserError(f"{path}: the file has columns but no rows.")
    for column in _columns(settings, values_only=True):
        kind = schema.field(column).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
            raise UserError(
                f"{path}: column {column!r} holds {kind}, not numbers. Store it as double or float."
            )
    kind = schema.field(settings.time_column).type
    if not (pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_integer(kind)):
        raise UserError(
            f"{path}: column {settings.time_column!r} holds {kind}, not times. Store it as a "
            "timestamp or date (pandas.to_datetime), or as whole numbers."
        )
    return file


def _columns(settings: ParquetSettings, values_only: bool = False) -> list[str]:
    """Return the columns that are read, each once."""
    keys = [settings.time_column]
    if settings.series_column is not None:
        keys.append(settings.series_column)
    values = (
        settings.target_columns
        + settings.past_covariates_columns
        + settings.future_covariates_columns
    )
    return list(dict.fromkeys(values if values_only else keys + values))


def _precision(schema: pa.Schema, columns: list[str]) -> type[np.floating]:
    single = all(schema.field(column).type == pa.float32() for column in columns)
    return np.float32 if single else np.float64


def _batches(
    file: pq.ParquetFile, settings: ParquetSettings
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield parts of the file, each with the number of its first row."""
    first = 0
    with tqdm(
        total=file.metadata.num_rows,
        desc=f"Reading {Path(settings.path).name}",
        delay=PATIENCE,
        unit="rows",
        unit_scale=True,
    ) as bar:
        columns = _columns(settings)
        for batch in file.iter_batches(max(1, VALUES // len(columns)), columns=columns):
            yield first, batch
            first += batch.num_rows
            bar.update(batch.num_rows)


def _time_numbers(
    batch: pa.RecordBatch, column: str, settings: ParquetSettings
) -> NDArray[np.int64]:
    """Return times as whole numbers in the unit of their type; dates in days."""
    times = batch.column(column)
    if times.null_count:
        raise UserError(
            f"{settings.path}: column {column!r} lacks {times.null_count} or more times. Fill "
            "them in or remove these rows."
        )
    if pa.types.is_date64(times.type):
        times = times.cast(pa.date32())
    if pa.types.is_date32(times.type):
        times = times.cast(pa.int32())
    numbers: NDArray[np.int64] = times.cast(pa.int64()).to_numpy()
    return numbers


def _index(times: NDArray[np.int64], kind: pa.DataType) -> pd.Index:
    if pa.types.is_integer(kind):
        return pd.Index(times)
    unit = kind.unit if pa.types.is_timestamp(kind) else "D"
    return pd.DatetimeIndex(times.astype(f"datetime64[{unit}]"))


def _starts(
    batch: pa.RecordBatch, first: int, settings: ParquetSettings, previous: str | None
) -> list[tuple[str, int]]:
    """Return name and first row of every series that starts in ``batch``."""
    if settings.series_column is None:
        return [] if previous is not None else [(Path(settings.path).stem, 0)]
    encoded = batch.column(settings.series_column)
    if encoded.null_count:
        raise UserError(
            f"{settings.path}: column {settings.series_column!r} lacks {encoded.null_count} or "
            "more names of series. Fill them in or remove these rows."
        )
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    names = encoded.dictionary.to_pylist()
    codes = encoded.indices.to_numpy()
    rows = np.flatnonzero(np.diff(codes, prepend=-1))
    found = [(str(names[codes[row]]), first + int(row)) for row in rows]
    return found[1:] if found[0][0] == previous else found


def _check_together(names: list[str], settings: ParquetSettings) -> None:
    """Refuse a file in which the rows of a series are not together."""
    if len(set(names)) < len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f"{settings.path}: the rows of series {double!r} are not together. Sort the file by "
            f"{settings.series_column} and {settings.time_column}: "
            "frame.sort_values([...]).to_parquet(path)."
        )


def _spread(values: NDArray[np.floating], rows: NDArray[np.intp]) -> NDArray[np.floating]:
    """Return ``values`` at ``rows``, NaN where a row is -1."""
    spread = values[rows]
    spread[rows < 0] = np.nan
    return spread
