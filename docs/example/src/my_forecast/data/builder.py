"""Builds a panel from the rows of files, in any order.

The times of all rows come first. They give the time axis and the steps of every series, and so the
row of the panel in which the values of each row of a file belong.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from tqdm import tqdm

from .checks import PLACES, Problems
from .panel import Array, Panel, SeriesArray, Steps, Storage
from .times import NOWHERE, Timeline

if TYPE_CHECKING:
    from .files import FileSource

log = logging.getLogger(__name__)

# the column with the numbers of rows, as messages show them
ROW = "__row__"
# cells that are read at once
CELLS = 1 << 21
# seconds after which a progress bar appears
PATIENCE = 1.0
# stands in for a wrong or absent value until the data is refused, so that it is not called missing
STAND_IN = 0.0


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


class PanelBuilder:
    """Reads the rows of files twice: first their times and series, then their values."""

    def __init__(
        self, source: "FileSource", files: Sequence[File], storage: Storage, problems: Problems
    ) -> None:
        """Make arrays for the times and series of all rows of ``files``."""
        self._source, self._files = source, files
        self._storage, self._problems = storage, problems
        schemas = [file.frame.collect_schema()[file.columns.time] for file in files]
        units = {getattr(kind, "time_unit", "us") for kind in schemas}
        self._unit: Any = "ns" if "ns" in units else "us"
        rows = sum(file.length for file in files)
        self._times = storage.array("times", rows, 1, np.int64)[:, 0]
        self._series = storage.array("series", rows, 1, np.int32)[:, 0]
        self._numbers: dict[tuple[str, ...], int] = {}
        # for each static covariate the values of each series
        self._static: dict[str, list[pl.DataFrame]] = defaultdict(list)
        # series of which rows have no time
        self._incomplete: set[int] = set()

    def build(self, future: File | None) -> Panel:
        """Return all series, and collect their problems.

        The last file is ``future`` if it continues the future covariates.
        """
        begin = 0
        for file in self._files:
            begin = self._read_times(file, begin)
        names = ["/".join(key) for key in self._numbers]
        self._problems.several = len(names) > 1
        self._check_names(names)
        if future is not None:
            self._check_future(future, names)
        roles = self._files[0].columns.roles
        if (self._series == NOWHERE).all():
            self._read_values(None, np.empty(0, np.int64))
            return Panel([], pd.RangeIndex(0), _no_series())
        kind = f"datetime64[{self._unit}]" if self._files[0].dates else "int64"
        policy, repeated = self._source.duplicates, np.empty(0, np.int64)
        times = self._times.view(kind)
        timeline = Timeline(self._series, times, len(names), self._source.frequency)
        timeline.check(names, self._incomplete, policy, self._problems)
        if timeline.merged and policy != "refuse":
            merged = timeline.merged
            log.info("Merged %d rows with duplicate times (data.duplicates=%s).", merged, policy)
            repeated = timeline.choose_rows(policy)
        values = self._read_values(timeline, repeated)
        place = timeline.first, timeline.length, timeline.start
        arrays = {role: SeriesArray(found, *place, roles[role]) for role, found in values.items()}
        return Panel(names, timeline.axis, **arrays, static_covariates=self._static_table(names))

    def _batches(self, file: File, columns: Sequence[str], what: str) -> Iterator[pl.DataFrame]:
        """Yield the rows of a file, a few at a time."""
        size = max(1, CELLS // (len(columns) + 1))
        frame = file.frame.select(ROW, *dict.fromkeys(columns))
        name = f"Reading {what} of {file.path.name}"
        with tqdm(total=file.length, desc=name, delay=PATIENCE, unit_scale=True) as bar:
            for start in range(0, file.length, size):
                rows = frame.slice(start, size).collect()
                yield rows
                bar.update(len(rows))

    def _read_times(self, file: File, begin: int) -> int:
        """Read times, series and static covariates, and return where the next file begins."""
        columns, source = file.columns, self._source
        for rows in self._batches(file, [columns.time, *columns.keys, *columns.static], "times"):
            series, end = self._number(rows, file), begin + len(rows)
            check = Check(file, rows, series, [*self._numbers], self._problems)
            times = source.times(rows[columns.time], file.dates)
            untimed = check(columns.time, times.is_null(), *source.invalid_time(file.dates))
            for key in columns.keys:
                remedy = "Add the name, or remove the row."
                check(key, rows[key].is_null(), "missing series name", remedy)
            for column in columns.static:
                remedy = "A static covariate needs a value in every row."
                check(column, rows[column].is_null(), "missing value", remedy)
                pairs = pl.DataFrame({"series": series, "value": rows[column]}).drop_nulls()
                self._static[column].append(pairs.unique(maintain_order=True))
            self._incomplete.update(np.unique(series[untimed]).tolist())
            # a row without a name may belong to any series
            if (series == NOWHERE).any():
                self._incomplete.update(range(len(self._numbers)))
            if file.dates:
                times = times.cast(pl.Datetime(self._unit)).to_physical()
            self._times[begin:end] = times.fill_null(0).to_numpy()
            self._series[begin:end] = np.where(untimed, NOWHERE, series)
            begin = end
        return begin

    def _number(self, rows: pl.DataFrame, file: File) -> NDArray[np.int32]:
        """Return the number of the series of every row, ``NOWHERE`` where a key is missing."""
        if not file.columns.keys:
            number = self._numbers.setdefault((file.name,), len(self._numbers))
            return np.full(len(rows), number, np.int32)
        keys = rows.select(pl.col(file.columns.keys).cast(pl.String))
        # consecutive rows of a series are looked up once
        changes = [key.ne_missing(key.shift()).arg_true().to_numpy() for key in keys]
        starts = np.unique(np.concatenate([[0], *changes])).astype(np.int64)
        heads = keys[starts]
        unique = heads.unique(maintain_order=True)
        numbers = [
            NOWHERE if None in key else self._numbers.setdefault(key, len(self._numbers))
            for key in unique.iter_rows()
        ]
        numbered = unique.with_columns(pl.Series(ROW, numbers, pl.Int32))
        found = heads.join(
            numbered, on=keys.columns, how="left", nulls_equal=True, maintain_order="left"
        )
        return np.repeat(found[ROW].to_numpy(), np.diff(starts, append=len(rows)))

    def _check_names(self, names: list[str]) -> None:
        for name, count in Counter(names).items():
            if count > 1:
                self._problems.add(
                    "one name for several series",
                    "The columns of data.series_column are joined with '/'. Rename the series.",
                    series={name: count},
                )

    def _check_future(self, future: File, names: list[str]) -> None:
        """Add problems for series without rows in the file ``future``, or without any elsewhere."""
        ahead = np.unique(self._series[-future.length :])
        known = np.unique(self._series[: -future.length])
        for number, name in enumerate(names):
            if number not in ahead:
                what, remedy = f"no rows in {future.path.name}", "Add the future of every series."
                self._problems.add(what, remedy, series={name: 1})
            elif number not in known:
                # nothing else about them is a problem
                self._series[self._series == number] = NOWHERE
                self._incomplete.add(number)
                what = f"rows only in {future.path.name}"
                self._problems.add(what, "Remove them.", series={name: 1})

    def _read_values(self, timeline: Timeline | None, repeated: Steps) -> dict[str, Array]:
        """Read and check the values of all roles, and return them at their rows of the panel.

        Without a ``timeline``, they are checked only.
        Where several rows of the files belong to one of the rows ``repeated``, it is their mean.
        """
        arrays, length = {}, 0 if timeline is None else int(timeline.length.sum())
        for role, group in self._files[0].columns.roles.items():
            kinds = {
                file.frame.collect_schema()[column]
                for file in self._files
                for column in file.columns.roles.get(role, [])
            }
            dtype = np.float32 if kinds == {pl.Float32} else np.float64
            arrays[role] = self._storage.array(role, length, len(group), dtype)
            # steps without a row are gaps only where a frequency inserts them
            arrays[role][:] = np.nan if self._source.frequency else STAND_IN
        begin, several, keys = 0, list[pl.DataFrame](), [*self._numbers]
        for file in self._files:
            for batch in self._batches(file, file.columns.values, "values"):
                end = begin + len(batch)
                check = Check(file, batch, self._series[begin:end], keys, self._problems)
                values = self._numbers_of(batch, check, file.columns)
                begin = end
                if timeline is None:
                    continue
                own = timeline.rows(slice(end - len(batch), end))
                used = slice(None) if (own != NOWHERE).all() else own != NOWHERE
                for role, array in arrays.items():
                    given = file.columns.roles.get(role)
                    array[own[used]] = values.select(given).to_numpy()[used] if given else np.nan
                if len(repeated):
                    several.append(
                        values.with_columns(pl.Series(ROW, own)).filter(np.isin(own, repeated))
                    )
        if several:
            means = pl.concat(several, how="diagonal")
            means = means.fill_nan(None).group_by(ROW).mean()
            for role, group in self._files[0].columns.roles.items():
                arrays[role][means[ROW].to_numpy()] = means.select(group).to_numpy()
        return arrays

    def _numbers_of(self, rows: pl.DataFrame, check: "Check", columns: Columns) -> pl.DataFrame:
        """Return the values of a few rows as numbers, NaN or null where they are missing."""
        values = {}
        for column in columns.values:
            cells = rows[column]
            numbers = self._source.numbers(cells)
            text = numbers.is_null() & cells.is_not_null()
            remedy = "Fix the cell, leave it empty, or set data.decimal."
            bad = check(column, text, "non-numeric value", remedy)
            remedy = "Replace it by a number, or leave the cell empty."
            bad |= check(column, numbers.is_infinite(), "infinite value", remedy)
            if column in columns.roles.get("sample_weight", []):
                bad |= check(column, numbers < 0, "negative weight", "Set it to 0 or more.")
            values[column] = numbers.set(pl.Series(bad), STAND_IN) if bad.any() else numbers
        return pl.DataFrame(values)

    def _static_table(self, names: list[str]) -> pd.DataFrame | None:
        """Return the static covariates, one row for each series."""
        if not self._static:
            return None
        table = pd.DataFrame(index=range(len(names)))
        for column, batches in self._static.items():
            pairs = pl.concat(batches, how="vertical_relaxed").unique(maintain_order=True)
            pairs = pairs.filter(pl.col("series") != NOWHERE)
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
        return table


@dataclass(frozen=True)
class Check:
    """Adds problems of the cells in a few rows of a file."""

    file: File
    rows: pl.DataFrame
    series: NDArray[np.int32]
    keys: Sequence[tuple[str, ...]]
    problems: Problems

    def __call__(self, column: str, wrong: pl.Series, what: str, remedy: str) -> NDArray[np.bool_]:
        """Add the cells of a column that are ``wrong``, and return which ones are."""
        where = wrong.fill_null(value=False).to_numpy()
        if where.any():
            places = np.flatnonzero(where)[:PLACES]
            cells = zip(self.rows[ROW][places], self.rows[column][places], strict=True)
            numbers = self.series[where & (self.series != NOWHERE)]
            named = [self.keys[number] for number in numbers] if self.file.columns.keys else []
            self.problems.add(
                what,
                remedy,
                subject=f"column {column!r}",
                count=int(where.sum()),
                series=Counter("/".join(key) for key in named),
                places=[f"{self.file.place} {row}: {_shown(cell)}" for row, cell in cells],
            )
        return where


def _shown(cell: object) -> str:
    return "empty" if cell is None else repr(str(cell))


def _no_series() -> SeriesArray:
    none = np.empty(0, np.int64)
    return SeriesArray(np.empty((0, 1)), none, none, none, [])
