"""Builds series from the rows of files: checked, grouped, sorted and with regular times."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
from darts import TimeSeries
from numpy.typing import NDArray
from tqdm import tqdm

from .checks import PLACES, Problems
from .gaps import kept_steps, regular_times
from .series import SeriesSet, show_time
from .storage import Storage

if TYPE_CHECKING:
    from .files import FileSource

log = logging.getLogger(__name__)

# the column with the numbers of rows, as messages show them
ROW = "__row__"
# cells that are read at once
CELLS = 1 << 21
# seconds after which a progress bar appears
PATIENCE = 1.0
# stands in for a wrong value until the data is refused, so that it is not also called missing
STAND_IN = 0.0

Rows = NDArray[np.int64] | slice


@dataclass(frozen=True)
class Columns:
    """The names of the columns that are read.

    Attributes:
        time: holds the times.
        keys: together name the series of a row; none: a file is one series.
        static: have one value for each series, a number or a text.
        roles: columns of targets, past_covariates, future_covariates and sample_weight.
    """

    time: str
    keys: list[str]
    static: list[str]
    roles: dict[str, list[str]]

    @property
    def values(self) -> list[str]:
        """Return the columns of all roles, each once."""
        return list(dict.fromkeys(column for group in self.roles.values() for column in group))

    @property
    def all(self) -> list[str]:
        """Return all columns, each once."""
        return list(dict.fromkeys([self.time, *self.keys, *self.static, *self.values]))

    def without(self, unusable: set[str]) -> "Columns":
        """Return all columns except values and static covariates that are ``unusable``."""

        def usable(columns: list[str]) -> list[str]:
            return [column for column in columns if column not in unusable]

        roles = {role: usable(group) for role, group in self.roles.items() if usable(group)}
        return replace(self, static=usable(self.static), roles=roles)


@dataclass
class File:
    """An open file.

    Attributes:
        path: of the file.
        name: of its series, if no column names them.
        place: what messages call a row, such as "line" or "b.csv line".
        frame: its rows.
        length: number of rows.
        columns: that are read.
        dates: whether times are dates, and not whole numbers.
    """

    path: Path
    name: str
    place: str
    frame: pl.LazyFrame
    length: int
    columns: Columns = field(init=False)
    dates: bool = field(init=False)


class SeriesBuilder:
    """Collects the rows of all files in flat arrays, and builds series from them."""

    def __init__(
        self,
        source: "FileSource",
        columns: Columns,
        files: Sequence[File],
        storage: Storage,
        problems: Problems,
    ) -> None:
        """Make arrays for the ``columns`` of all ``files``."""
        self._source, self._columns, self._storage = source, columns, storage
        self._problems = problems
        kinds = [(file.columns, file.frame.collect_schema()) for file in files]
        units = {getattr(schema[columns.time], "time_unit", "us") for _, schema in kinds}
        self._unit: Any = "ns" if "ns" in units else "us"
        self._time_type = f"datetime64[{self._unit}]" if files[0].dates else "int64"
        length = sum(file.length for file in files)
        self._times = storage.array("times", length, 1, np.int64)
        self._values = {}
        for role, group in columns.roles.items():
            types = {schema[name] for own, schema in kinds for name in own.roles.get(role, [])}
            dtype = np.float32 if types == {pl.Float32} else np.float64
            self._values[role] = storage.array(f"raw-{role}", length, len(group), dtype)
        self._used = 0
        # numbers of the series, in the order in which they appear
        self._numbers: dict[str, int] = {}
        # consecutive rows of one series in one file: first row, number of the series, of the file
        self._runs: list[NDArray[np.int64]] = []
        # for each static covariate the values of each series
        self._static: dict[str, list[pl.DataFrame]] = defaultdict(list)
        # series of which some rows have no time; rows without a series may belong to any
        self._incomplete: set[str] = set()
        self._unnamed = False
        self._only_future: set[str] = set()

    def append(self, file: File, number: int) -> None:
        """Read and check the rows of a file, which has this number."""
        size = max(1, CELLS // len(file.columns.all))
        frame = file.frame.select(ROW, *file.columns.all)
        name = f"Reading {file.path.name}"
        with tqdm(total=file.length, desc=name, delay=PATIENCE, unit_scale=True) as bar:
            for start in range(0, file.length, size):
                rows = frame.slice(start, size).collect()
                bar.update(len(rows))
                times, values, usable = self._checked(rows, file)
                if usable.all():
                    self._keep(rows, times, values, file, number)
                elif usable.any():
                    kept = rows.filter(usable), times.filter(usable), values.filter(usable)
                    self._keep(*kept, file, number)

    def check_future(self, future: File, number: int) -> None:
        """Add problems for series without rows in the file ``future``, or without any elsewhere."""
        runs = np.concatenate([np.empty((0, 3), np.int64), *self._runs])
        in_future = runs[:, 2] == number
        known, ahead = set(runs[~in_future, 1]), set(runs[in_future, 1])
        for name, series in self._numbers.items():
            if series not in ahead:
                what, remedy = f"no rows in {future.path.name}", "Add the future of every series."
                self._problems.add(what, remedy, series={name: 1})
            elif series not in known:
                self._only_future.add(name)
                what = f"rows only in {future.path.name}"
                self._problems.add(what, "Remove them.", series={name: 1})

    def series(self) -> SeriesSet:
        """Return the series with regular times, and collect the problems of the others.

        Values are not copied if all rows are in order.
        """
        self._problems.several = len(self._numbers) > 1
        self._times = self._storage.finish(self._times)
        self._values = {role: self._storage.finish(array) for role, array in self._values.items()}
        # for each series its rows, its regular times, and the times of its rows if they differ
        found: dict[str, tuple[Rows, pd.Index, pd.Index | None]] = {}
        # the series of a panel share their times, and finding a frequency is slow
        known: dict[bytes, tuple[pd.Index, pd.Index | None]] = {}
        for name, rows in self._grouped():
            own = np.ascontiguousarray(self._times[rows, 0])
            key = hashlib.sha256(own.data).digest()
            if key not in known or name in self._incomplete:
                times = pd.Index(own.view(self._time_type))
                index = self._regular(name, times)
                if index is None:
                    self._check_values(name, times, rows)
                    continue
                known[key] = index, None if index.equals(times) else times
            found[name] = rows, *known[key]
        moved = [times for _, _, times in found.values() if times is not None]
        if unsorted := sum(not times.is_monotonic_increasing for times in moved):
            log.info("Sorted the rows of %d of %d series by time.", unsorted, len(found))
        if merged := sum(len(times) - times.nunique() for times in moved):
            policy = self._source.duplicates
            log.info("Merged %d rows with duplicate times (data.duplicates=%s).", merged, policy)
        static = self._static_tables()
        groups: dict[str, list[TimeSeries]] = {"targets": []}
        for role in self._values:
            values = self._arranged(role, list(found.values()))
            # as objects: Darts iterates over them, which is slow with pandas' strings
            components = pd.Index(self._columns.roles[role], dtype=object)
            groups[role] = [
                TimeSeries(
                    index,
                    part,
                    components=components,
                    static_covariates=static.get(name) if role == "targets" else None,
                    copy=False,
                )
                for (name, (_, index, _)), part in zip(found.items(), values, strict=True)
            ]
        return SeriesSet(list(found), **groups)

    def _checked(self, rows: pl.DataFrame, file: File) -> tuple[pl.Series, pl.DataFrame, pl.Series]:
        """Return times, values, and which rows have a time and the name of a series."""
        columns, source = file.columns, self._source

        def wrong(column: str, where: pl.Series, what: str, remedy: str) -> pl.Series:
            where = where.fill_null(value=False)
            if where.any():
                found = rows.filter(where)
                cells = zip(found[ROW][:PLACES], found[column][:PLACES], strict=True)
                self._problems.add(
                    what,
                    remedy,
                    subject=f"column {column!r}",
                    count=len(found),
                    series=Counter(_names(found, file).drop_nulls() if columns.keys else ()),
                    places=[f"{file.place} {row}: {_shown(cell)}" for row, cell in cells],
                )
            return where

        times = source.times(rows[columns.time], file.dates)
        untimed = wrong(columns.time, times.is_null(), *source.invalid_time(file.dates))
        self._incomplete.update(_names(rows.filter(untimed), file).drop_nulls())
        usable = ~untimed
        for key in columns.keys:
            remedy = "Add the name, or remove the row."
            unnamed = wrong(key, rows[key].is_null(), "missing series name", remedy)
            self._unnamed |= unnamed.any()
            usable &= ~unnamed
        for column in columns.static:
            remedy = "A static covariate needs a value in every row."
            wrong(column, rows[column].is_null(), "missing value", remedy)
        values = {}
        for column in columns.values:
            cells = rows[column]
            numbers = source.numbers(cells)
            text = numbers.is_null() & cells.is_not_null()
            remedy = "Fix the cell, leave it empty, or set data.decimal."
            bad = wrong(column, text, "non-numeric value", remedy)
            remedy = "Replace it by a number, or leave the cell empty."
            bad |= wrong(column, numbers.is_infinite(), "infinite value", remedy)
            if column in columns.roles.get("sample_weight", []):
                bad |= wrong(column, numbers < 0, "negative weight", "Set it to 0 or more.")
            values[column] = numbers.set(bad, STAND_IN) if bad.any() else numbers
        return times, pl.DataFrame(values), usable

    def _keep(
        self, rows: pl.DataFrame, times: pl.Series, values: pl.DataFrame, file: File, number: int
    ) -> None:
        """Write checked rows to the arrays, and note to which series they belong."""
        first, last = self._used, self._used + len(rows)
        self._used = last
        if file.dates:
            times = times.cast(pl.Datetime(self._unit)).to_physical()
        self._times[first:last, 0] = times.to_numpy()
        for role, array in self._values.items():
            group = file.columns.roles.get(role)
            array[first:last] = np.nan if group is None else values.select(group).to_numpy()
        keys = [rows[key] for key in file.columns.keys]
        changes = [key.ne_missing(key.shift()).arg_true().to_numpy() for key in keys]
        starts = np.unique(np.concatenate([[0], *changes])).astype(np.int64)
        names = _names(rows[starts], file)
        unique = names.unique(maintain_order=True)
        known = [self._numbers.setdefault(name, len(self._numbers)) for name in unique]
        series = names.replace_strict(unique, known, return_dtype=pl.Int64).to_numpy()
        self._runs.append(np.stack([first + starts, series, np.full_like(starts, number)], axis=1))
        each = np.repeat(series, np.diff(starts, append=len(rows)))
        for column in file.columns.static:
            pairs = pl.DataFrame({"series": each, "value": rows[column]}).drop_nulls()
            self._static[column].append(pairs.unique(maintain_order=True))

    def _grouped(self) -> Iterator[tuple[str, Rows]]:
        """Yield the rows of every series; a slice if they are together."""
        if not self._runs:
            return
        runs = np.concatenate(self._runs)
        new = (runs[1:, 1:] != runs[:-1, 1:]).any(axis=1)
        starts, series, files = runs[np.r_[True, new]].T
        lengths = np.diff(starts, append=self._used)
        bounds = np.r_[0, np.cumsum(np.bincount(series, lengths)).astype(np.int64)]
        order: NDArray[np.int64] | None = None
        if len(series) > len(self._numbers):
            by_series = np.argsort(series, kind="stable")
            starts, lengths = starts[by_series], lengths[by_series]
            before = np.cumsum(lengths) - lengths
            order = np.repeat(starts - before, lengths) + np.arange(self._used)
        left_out = self._only_future | self._apart(series, files)
        for number, name in enumerate(self._numbers):
            part = slice(bounds[number], bounds[number + 1])
            if name not in left_out:
                yield name, part if order is None else order[part]

    def _apart(self, series: NDArray[np.int64], files: NDArray[np.int64]) -> set[str]:
        """Return the series whose rows are not together, if the storage cannot sort."""
        if self._storage.sorts:
            return set()
        pairs, counts = np.unique(np.stack([series, files]), axis=1, return_counts=True)
        names = np.array(list(self._numbers), dtype=object)
        apart = dict.fromkeys(names[pairs[0][counts > 1]], 1)
        if apart:
            columns = ", ".join([*self._columns.keys, self._columns.time])
            self._problems.add(
                "rows that are not together",
                f"Sort the file by {columns}, or set storage=memory.",
                series=apart,
            )
        return set(apart)

    def _regular(self, name: str, times: pd.Index) -> pd.Index | None:
        """Return the regular times of a series, None if there are none or rows are missing."""
        twice = times.duplicated()
        if twice.any() and self._source.duplicates == "refuse":
            self._problems.add(
                "duplicate time",
                "Keep one row each, set data.duplicates=first, last or mean, or set "
                "data.series_column to the column that names series.",
                count=int(twice.sum()),
                series={name: int(twice.sum())},
                places=[show_time(time) for time in times[twice].sort_values()[:PLACES]],
            )
            return None
        if self._unnamed or name in self._incomplete:
            return None
        distinct = times[~twice].sort_values()
        return regular_times(distinct, name, self._source.frequency, self._problems)

    def _check_values(self, name: str, times: pd.Index, rows: Rows) -> None:
        """Check the values of a series that has no regular times."""
        for role, array in self._values.items():
            if role != "sample_weight":
                frame = pd.DataFrame(array[rows], times, self._columns.roles[role])
                ends = "all" if role == "targets" else "any"
                kept_steps(name, frame, ends, self._source.fill, self._problems)

    def _arranged(
        self, role: str, found: list[tuple[Rows, pd.Index, pd.Index | None]]
    ) -> list[NDArray[np.floating]]:
        """Return the values of every series at its regular times, as parts of one array."""
        array = self._values[role]
        if all(isinstance(rows, slice) and times is None for rows, _, times in found):
            return [array[rows] for rows, _, _ in found]
        ends = np.cumsum([len(index) for _, index, _ in found])
        arranged = self._storage.array(role, int(ends[-1]), array.shape[1], array.dtype)
        for (rows, index, times), end in zip(found, ends, strict=True):
            values = array[rows]
            if times is not None:
                values = _at_times(values, times, index, self._source.duplicates)
            arranged[end - len(index) : end] = values
        return np.split(self._storage.finish(arranged), ends[:-1])

    def _static_tables(self) -> dict[str, pd.DataFrame]:
        """Return the static covariates of every series that has any, as one row."""
        names = list(self._numbers)
        table = pd.DataFrame(index=range(len(names) if self._static else 0))
        for column, batches in self._static.items():
            pairs = pl.concat(batches, how="vertical_relaxed").unique(maintain_order=True)
            lists = pairs.group_by("series", maintain_order=True).agg("value")
            for number, values in lists.filter(pl.col("value").list.len() > 1).iter_rows():
                self._problems.add(
                    "more than one value",
                    "A static covariate has one value for each series. Move the column to another "
                    "role.",
                    subject=f"static column {column!r}",
                    series={names[number]: 1},
                    places=[f"'{values[0]}', then '{values[1]}'"],
                )
            firsts = pairs.unique("series", keep="first")
            table[column] = pd.Series(firsts["value"].to_list(), firsts["series"].to_list())
        return {names[row]: table.iloc[[row]].reset_index(drop=True) for row in table.index}


def _at_times(
    values: NDArray[np.floating], times: pd.Index, index: pd.Index, duplicates: str
) -> NDArray[np.floating]:
    """Return the values of rows with ``times`` at the times of ``index``, NaN without a row."""
    frame = pd.DataFrame(values, times)
    if not times.is_unique:
        if duplicates == "mean":
            frame = frame.groupby(level=0).mean()
        else:
            frame = frame[~times.duplicated(keep=duplicates)]
    found: NDArray[np.floating] = frame.reindex(index).to_numpy(values.dtype)
    return found


def _names(rows: pl.DataFrame, file: File) -> pl.Series:
    """Return the name of the series of every row, null where a key is missing."""
    if not file.columns.keys:
        return pl.Series([file.name] * len(rows), dtype=pl.String)
    keys = [pl.col(key).cast(pl.String) for key in file.columns.keys]
    return rows.select(pl.concat_str(keys, separator="/")).to_series()


def _shown(cell: object) -> str:
    return "empty" if cell is None else repr(str(cell))
