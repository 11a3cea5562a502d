"""Builds a panel from the rows of files, in any order.

The times of all rows come first. They give the time axis and the steps of every series, and so the
row of the panel in which the values of each row of a file belong.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import polars as pl
from numpy.typing import NDArray
from tqdm import tqdm

from ..errors import UserError
from .checks import PLACES, Problems, shown
from .panel import Array, Panel, SeriesArray, Steps, Storage, show_time
from .times import (
    FEWEST,
    NO_ROWS,
    NOWHERE,
    NUMBERS,
    YEARS,
    Timeline,
    are_days,
    resampled,
    to_local,
    to_utc,
)

if TYPE_CHECKING:
    from .files import FileSource

log = logging.getLogger(__name__)

# the column with the numbers of rows, as messages show them
ROW = "__row__"
# the column with their times, as numbers
TICKS = "__ticks__"
# cells that are read at once
CELLS = 1 << 21
# seconds after which a progress bar appears
PATIENCE = 1.0
# stands in for a wrong or absent value until the data is refused, so that it is not called missing
STAND_IN = 0


@dataclass
class File:
    """An open file.

    Attributes:
        name: of its series, if no column names them.
        label: what messages call the file; empty if it is the only one.
        frame: its rows, with all columns of the source.
        begin: position of its first row among the rows of all files.
        ahead: whether it only continues the future covariates of other files.
    """

    path: Path
    name: str
    label: str
    frame: pl.LazyFrame
    begin: int
    length: int
    ahead: bool

    def batches(self, columns: Sequence[str], what: str) -> Iterator["Batch"]:
        """Yield a few rows at a time."""
        size = max(1, CELLS // (len(columns) + 1))
        frame = self.frame.select(ROW, *dict.fromkeys(columns))
        title = f"Reading {what} of {self.path.name}"
        with tqdm(total=self.length, desc=title, delay=PATIENCE, unit_scale=True) as bar:
            for start in range(0, self.length, size):
                rows = self._collected(frame.slice(start, size))
                begin = self.begin + start
                yield Batch(self, rows, slice(begin, begin + len(rows)))
                bar.update(len(rows))

    def _collected(self, rows: pl.LazyFrame) -> pl.DataFrame:
        try:
            return rows.collect()
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"data.path: '{self.path}' is damaged ({reason}). Restore it, or write it again."
            ) from error


class Batch(NamedTuple):
    """A few rows of a file, and their positions among the rows of all files."""

    file: File
    rows: pl.DataFrame
    part: slice


class PanelBuilder:
    """Reads the rows of files twice: first their times and series, then their values."""

    def __init__(
        self,
        source: "FileSource",
        files: Sequence[File],
        keys: list[str],
        storage: Storage,
        problems: Problems,
    ) -> None:
        """Prepare to read; the columns ``keys`` name the series, or each file is one."""
        self._source, self._files, self._keys = source, files, keys
        self._storage, self._problems = storage, problems
        rows = sum(file.length for file in files)
        # the series of each row
        self._series = storage.array("series", rows, 1, np.int32)[:, 0]
        self._numbers: dict[tuple[str, ...], int] = {}
        # series of which some rows have no time; NOWHERE if some rows have no series
        self._incomplete: set[int] = set()
        # keys of the series that are new in each batch
        self._new_keys: list[pl.DataFrame] = []
        # of the times, which are then UTC
        self._zone: str | None = None
        # static covariates of the series of each batch
        self._static: list[pl.DataFrame] = []

    @property
    def _names(self) -> list[str]:
        return ["/".join(key) for key in self._numbers]

    def build(self, dates: bool) -> Panel:
        """Return all series, and collect their problems; times are ``dates`` or whole numbers."""
        timeline, policy, repeated = self._read_times(dates), self._source.duplicates, NO_ROWS
        if (step := self._source.resample) is not None:
            repeated = np.setdiff1d(timeline.rows(slice(None)), [NOWHERE])
            log.info(
                "Aggregated %d rows to %d steps of %s (data.resample).",
                *(len(repeated) + timeline.merged, len(repeated), step),
            )
        elif (merged := timeline.merged) and policy != "refuse":
            log.info("Merged %d rows with duplicate times (data.duplicates=%s).", merged, policy)
            repeated = timeline.choose_rows(policy)
        values = self._read_values(timeline, repeated)
        place = timeline.first, timeline.length, timeline.start
        arrays = {
            role: SeriesArray(values[role], *place, columns)
            for role, columns in self._source.roles.items()
        }
        names = self._names
        table = self._static_table(names) if self._static else None
        column = self._source.time_column
        kind = self._source.time_type(self._files[0].frame.select(column), dates)
        if dates and self._source.time_zone is not None:
            kind = pl.Datetime(getattr(kind, "time_unit", None) or "us", self._zone)
        panel = Panel(
            names,
            timeline.axis,
            **arrays,
            static_covariates=table,
            keys=self._key_table() if self._keys else None,
            time_column=pl.Field(column, kind),
            zone=self._zone,
        )
        if not timeline.dropped.any():
            return panel
        few = [names[number] for number in np.flatnonzero(timeline.dropped)]
        log.warning("Dropped series of fewer than %d rows: %s.", FEWEST, shown(few, len(few)))
        return panel.select(np.flatnonzero(~timeline.dropped))

    def _read_times(self, dates: bool) -> Timeline:
        """Read times, series and static covariates of all files."""
        source, column = self._source, self._source.time_column
        kinds = [file.frame.collect_schema()[column] for file in self._files]
        unit: Any = "ns" if "ns" in [getattr(kind, "time_unit", "") for kind in kinds] else "us"
        times = self._storage.array("times", len(self._series), 1, np.int64)[:, 0]
        kind = pl.Datetime(unit) if dates else pl.Int64
        columns = [column, *self._keys, *source.static_covariates_columns]
        for file in self._files:
            for batch in file.batches(columns, "times"):
                own = batch.rows.select(pl.col(self._keys).cast(pl.String).replace("", None))
                known = len(self._numbers)
                series = self._series[batch.part] = self._number(batch, own)
                keys = batch.rows.select(pl.Series(ROW, series), *self._keys)
                keys = keys.filter(pl.col(ROW) >= known).unique(ROW, keep="first").sort(ROW)
                self._new_keys.append(keys.drop(ROW))
                found = source.times(batch.rows[column], dates)
                lost = self._check(batch, column, found.is_null(), *source.invalid_time(dates))
                lost |= self._check_range(batch, found, YEARS[unit] if dates else NUMBERS)
                found = found.cast(kind, strict=False)
                for key in self._keys:
                    what, remedy = "missing series name", "Add the name, or remove the row."
                    lost |= self._check(batch, key, own[key].is_null(), what, remedy)
                if not file.ahead:
                    self._read_static(batch, series)
                self._incomplete.update(np.unique(series[lost]).tolist())
                times[batch.part] = found.to_physical().fill_null(0).to_numpy()
                self._series[batch.part] = np.where(lost, NOWHERE, series)
        # without any name, the values are still checked, as those of no series
        names = self._names or [""]
        self._problems.several = len(names) > 1
        self._check_series(names)
        times = self._times = times.view(f"datetime64[{unit}]" if dates else np.int64)
        if source.time_zone is not None and dates:
            times = self._times = self._in_utc(times)
        known = self._series != NOWHERE
        if source.resample is not None:
            times = times.copy()
            times[known] = resampled(times[known], source.resample, self._zone)
        if self._zone is not None and are_days(days := to_local(times[known], self._zone)):
            times = times.copy()
            times[known], self._zone = days, None
        frequency = source.step, source.step_key
        timeline = Timeline(
            *(self._series, times, len(names), *frequency, source.short_series, self._storage)
        )
        policy = "mean" if source.resample is not None else source.duplicates
        timeline.check(times, names, self._incomplete, policy, self._problems)
        return timeline

    def _in_utc(self, times: NDArray[Any]) -> NDArray[Any]:
        """Return the times of all rows in UTC; days have no zone and stay as they are."""
        column, zone = self._source.time_column, self._source.time_zone
        assert zone is not None
        naive = np.zeros(len(times), bool)
        for file in self._files:
            kind = self._source.time_type(file.frame.select(column), dates=True)
            zoned = getattr(kind, "time_zone", None) is not None
            naive[file.begin : file.begin + file.length] = not zoned
        naive &= self._series != NOWHERE
        if naive.any() and are_days(pd.DatetimeIndex(times[naive])):
            return times
        self._zone, times = zone, times.copy()
        local = times[naive]
        times[naive] = to_utc(local, self._series[naive], zone)
        for row in np.flatnonzero(naive)[np.isnat(times[naive])]:
            self._problems.add(
                f"time that {zone} skips when summer time begins",
                "Correct it, or remove the row.",
                subject=f"column {column!r}",
                count=1,
                series=[self._names[self._series[row]]],
                places=[show_time(pd.Timestamp(self._times[row]))],
            )
            self._incomplete.add(int(self._series[row]))
            self._series[row] = NOWHERE
        return times

    def _check_range(
        self, batch: Batch, times: pl.Series, limits: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """Add a problem of numbers, or years, that are not within the limits."""
        column, (first, last) = self._source.time_column, limits
        bounds, name = limits, "Times"
        if not times.dtype.is_integer():
            unit = getattr(times.dtype, "time_unit", "D")
            name, years = "Years", np.array([f"{first:04}-01-01", f"{last:04}-12-31"], "M8[D]")
            bounds = tuple(years.astype(f"M8[{unit}]").astype(int).tolist())
        ticks = times.to_physical()
        outside = (ticks < bounds[0]) | (ticks > bounds[1])
        # as numbers: polars cannot show dates that are far away
        rows = batch.rows.with_columns(pl.col(column).to_physical())
        remedy = f"Correct it. {name} are from {first} to {last}."
        return self._check(batch._replace(rows=rows), column, outside, "out-of-range time", remedy)

    def _number(self, batch: Batch, names: pl.DataFrame) -> NDArray[np.int32]:
        """Return the number of the series of every row, ``NOWHERE`` where a name is missing."""
        numbers = self._numbers
        if not self._keys:
            number = numbers.setdefault((batch.file.name,), len(numbers))
            return np.full(len(batch.rows), number, np.int32)
        # consecutive rows of a series are looked up once
        runs = names.select(pl.struct(self._keys).rle()).to_series()
        keys = runs.struct.field("value").struct.unnest()
        unique = keys.unique(maintain_order=True)
        found = [
            NOWHERE if None in key else numbers.setdefault(key, len(numbers))
            for key in unique.iter_rows()
        ]
        unique = unique.with_columns(pl.Series(ROW, found, pl.Int32))
        keys = keys.join(unique, self._keys, how="left", nulls_equal=True, maintain_order="left")
        return np.repeat(keys[ROW].to_numpy(), runs.struct.field("len").to_numpy())

    def _read_static(self, batch: Batch, series: NDArray[np.int32]) -> None:
        columns = self._source.static_covariates_columns
        for column in columns:
            remedy = "A static covariate needs a value in every row."
            self._check(batch, column, batch.rows[column].is_null(), "missing value", remedy)
        if columns:
            own = batch.rows.select(pl.Series(ROW, series), *columns)
            self._static.append(own.unique(maintain_order=True))

    def _check_series(self, names: list[str]) -> None:
        """Add problems of names, and of series without rows in some of the files."""
        if twice := {name: count for name, count in Counter(names).items() if count > 1}:
            remedy = "The columns of data.series_column are joined with '/'. Rename the series."
            self._problems.add("one name for several series", remedy, series=twice)
        last = self._files[-1]
        if not last.ahead:
            return
        parts = self._series[: last.begin], self._series[last.begin :]
        known, ahead = (set(pl.Series(part).unique()) - {NOWHERE} for part in parts)
        if lacking := [names[number] for number in sorted(known - ahead)]:
            what, remedy = f"no rows in {last.path.name}", "Add the future of every series."
            self._problems.add(what, remedy, series=lacking)
        if unknown := [names[number] for number in sorted(ahead - known)]:
            self._problems.add(f"rows only in {last.path.name}", "Remove them.", series=unknown)
            # nothing else about them is a problem
            self._series[np.isin(self._series, list(ahead - known))] = NOWHERE
            self._incomplete |= ahead - known

    def _read_values(self, timeline: Timeline, repeated: Steps) -> dict[str, Array]:
        """Read and check the values of all roles, and return them at their rows of the panel.

        Where several rows of the files belong to one of the rows ``repeated``, they are aggregated.
        """
        roles, several = self._source.roles, list[pl.DataFrame]()
        arrays = self._new_arrays(int(timeline.length.sum()))
        for file in self._files:
            for batch in file.batches(self._source.values, "values"):
                values, own = self._values_of(batch), timeline.rows(batch.part)
                used = slice(None) if (own != NOWHERE).all() else own != NOWHERE
                for role, columns in roles.items():
                    arrays[role][own[used]] = values.select(columns).to_numpy()[used]
                if len(repeated):
                    time = pl.Series(TICKS, self._times[batch.part].view(np.int64))
                    rows = values.with_columns(pl.Series(ROW, own), time)
                    several.append(rows.filter(np.isin(own, repeated)))
        if several:
            rows = pl.concat(several, how="vertical_relaxed").fill_nan(None).sort(TICKS)
            ways = self._source.aggregations.items()
            merged = rows.group_by(ROW).agg(_aggregated(column, way) for column, way in ways)
            for role, columns in roles.items():
                arrays[role][merged[ROW].to_numpy()] = merged.select(columns).to_numpy()
        return arrays

    def _new_arrays(self, rows: int) -> dict[str, Array]:
        arrays = {}
        schemas = [file.frame.collect_schema() for file in self._files]
        for role, columns in self._source.roles.items():
            single = all(schema[column] == pl.Float32 for schema in schemas for column in columns)
            kind = np.float32 if single else np.float64
            arrays[role] = self._storage.array(role, rows, len(columns), kind)
            # steps without a row are gaps only where a frequency inserts them
            arrays[role][:] = np.nan if self._source.step else STAND_IN
        return arrays

    def _values_of(self, batch: Batch) -> pl.DataFrame:
        """Return the values of a few rows as numbers, NaN or null where they are missing."""
        values = {}
        for column in self._source.values:
            cells = batch.rows[column]
            numbers = self._source.numbers(cells)
            text = numbers.is_null() & cells.is_not_null()
            remedy = self._source.number_remedy
            bad = self._check(batch, column, text, "non-numeric value", remedy)
            remedy = "Replace it by a number, or leave the cell empty."
            bad |= self._check(batch, column, numbers.is_infinite(), "infinite value", remedy)
            if column == self._source.sample_weight_column:
                remedy = "Set it to 0 or more."
                bad |= self._check(batch, column, numbers < 0, "negative weight", remedy)
            values[column] = numbers.set(pl.Series(bad), STAND_IN) if bad.any() else numbers
        return pl.DataFrame(values)

    def _static_table(self, names: list[str]) -> pd.DataFrame:
        """Return the static covariates, one row for each series."""
        pairs = pl.concat(self._static, how="vertical_relaxed").filter(pl.col(ROW) != NOWHERE)
        distinct = pl.all().drop_nulls().unique(maintain_order=True)
        table = pairs.group_by(ROW).agg(distinct).sort(ROW)
        for column in table.columns[1:]:
            changing = table.filter(pl.col(column).list.len() > 1)
            for number, values in changing.select(ROW, column).iter_rows():
                self._problems.add(
                    "more than one value",
                    "A static covariate must have the same value in every row of a series. Use the "
                    "column as a past or future covariate.",
                    subject=f"static column {column!r}",
                    series=[names[number]],
                    places=[f"'{values[0]}', then '{values[1]}'"],
                )
        firsts = table.select(pl.exclude(ROW).list.first())
        return pd.DataFrame(firsts.to_dict(as_series=False))

    def _key_table(self) -> pl.DataFrame:
        """Return the keys of all series in the types of the files; text may hold whole numbers."""
        table = pl.concat(self._new_keys, how="vertical_relaxed")
        if not self._source.reads_text:
            return table
        numbers = table.cast(pl.Int64, strict=False)
        # a number with zeros in front is a text
        exact = [key.name for key in table if numbers[key.name].cast(pl.String).equals(key)]
        return table.with_columns(numbers.select(exact).iter_columns())

    def _check(
        self, batch: Batch, column: str, wrong: pl.Series, what: str, remedy: str
    ) -> NDArray[np.bool_]:
        """Add a problem of the cells of a column that are ``wrong``, and return which ones are."""
        where = wrong.fill_null(value=False).to_numpy()
        if where.any():
            place = f"{batch.file.label} {self._source.row_name}".strip()
            cells = batch.rows.filter(where).select(ROW, column).head(PLACES)
            names, numbers = self._names, self._series[batch.part][where]
            self._problems.add(
                what,
                remedy,
                subject=f"column {column!r}",
                count=int(where.sum()),
                series=[names[number] for number in numbers if self._keys and number != NOWHERE],
                places=[f"{place} {row}: {_shown(cell)}" for row, cell in cells.iter_rows()],
            )
        return where


def _aggregated(column: str, way: str) -> pl.Expr:
    """Return one value for the rows of each group; missing if there is none."""
    known = pl.col(column).drop_nulls()
    return pl.when(known.len() > 0).then(getattr(known, way)().cast(pl.Float64)).alias(column)


def _shown(cell: object) -> str:
    return "empty" if cell is None else repr(str(cell))
