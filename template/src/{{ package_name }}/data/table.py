"""The rows of all files, one below the other in flat arrays, and the series made of them."""

import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from numpy.typing import NDArray
from tqdm import tqdm

from ..settings import FileSettings
from .columns import Columns, series_names
from .gaps import check_values
from .report import Report
from .series import SeriesSet
from .storage import Storage
from .times import Regular, regular_times

log = logging.getLogger(__name__)

# seconds after which a progress bar appears
PATIENCE = 1.0
# of times as whole numbers; that of NumPy's "not a time"
MISSING = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Run:
    """Rows of one series that are together, from ``start`` to before ``stop``."""

    file: int
    start: int
    stop: int


class Table:
    """Times and values of the rows of all files, and the series that they belong to."""

    def __init__(
        self,
        columns: Columns,
        rows: int,
        time_type: str,
        precision: dict[str, np.dtype[Any]],
        storage: Storage,
    ) -> None:
        """Make arrays for so many rows.

        Args:
            columns: that are read.
            rows: of all files.
            time_type: NumPy's type of all times, ``int64`` or ``datetime64`` with a unit.
            precision: of the values of each role.
            storage: where times and values are kept.
        """
        self._columns = columns
        self._time_type = time_type
        self._storage = storage
        self._times = storage.array("times", rows, 1, np.int64)
        self._values = {
            role: storage.array(f"raw-{role}", rows, len(group), precision[role])
            for role, group in columns.roles.items()
        }
        self._rows = 0
        self._runs: dict[str, list[Run]] = defaultdict(list)
        # series whose rows cannot all be told, so their times are not checked
        self._scattered: set[str] = set()
        self._unnamed = False
        # values of the static covariates of every series
        self._static: dict[str, dict[str, Any]] = defaultdict(dict)

    def append(self, frame: pd.DataFrame, file: int, name: str, report: Report) -> None:
        """Add checked rows.

        Args:
            frame: rows, those of a series together.
            file: number of the file.
            name: of the series, where no column has it.
            report: where series that are not together are added.
        """
        first, last = self._rows, self._rows + len(frame)
        self._times[first:last, 0] = _numbers(frame[self._columns.time], self._time_type)
        for role, group in self._columns.roles.items():
            self._values[role][first:last] = frame[group].to_numpy(self._values[role].dtype)
        self._rows = last
        static = {column: pd.factorize(frame[column]) for column in self._columns.static}
        for series, start, stop in self._named_runs(frame, name):
            self._add_run(series, Run(file, first + start, first + stop), report)
            for column, (codes, values) in static.items():
                found = np.unique(codes[start:stop])
                self._add_static(series, column, values[found[found >= 0]], report)

    def check_future(self, file: int, name: str, report: Report) -> None:
        """Report the series that the file ``name``, of this number, lacks or has in addition."""
        for series, runs in list(self._runs.items()):
            found = {run.file for run in runs}
            if file not in found:
                report.add(f"no rows in {name}", "Give every series its future.", series=[series])
            elif found == {file}:
                report.add(f"rows in {name} alone", "Remove them.", series=[series])
                del self._runs[series]

    def series(self, settings: FileSettings, report: Report) -> SeriesSet:
        """Return the series with regular times; those that cannot have them are reported.

        Where rows need not be moved, the values are those of this table.
        """
        self._times = self._storage.finish(self._times)
        self._values = {role: self._storage.finish(array) for role, array in self._values.items()}
        report.several = len(self._runs) > 1
        found: dict[str, tuple[list[Run], Regular]] = {}
        known: tuple[NDArray[np.int64], Regular | None] = np.empty(0, np.int64), None
        for name, runs in tqdm(self._runs.items(), "Making series", delay=PATIENCE, unit="series"):
            times = _rows(self._times, runs)[:, 0]
            if known[1] is not None and np.array_equal(times, known[0]):
                # the series of a panel often have the same times, and to find their frequency
                # takes a while
                found[name] = runs, known[1]
                continue
            there = times[times != MISSING]
            complete = len(there) == len(times) and name not in self._scattered
            regular = regular_times(
                self._index(there), name, settings, report, complete and not self._unnamed
            )
            known = times, regular
            if regular is None:
                self._check_values(name, runs, settings, report)
            else:
                found[name] = runs, regular
        _log_changes([regular for _, regular in found.values()], settings)
        return SeriesSet(
            names=list(found),
            **{role: self._make(role, found) for role in self._values},
        )

    def _named_runs(self, frame: pd.DataFrame, name: str) -> Iterator[tuple[str, int, int]]:
        """Yield name, first row and end of what is together; rows without a name are left out."""
        if not self._columns.keys:
            yield name, 0, len(frame)
            return
        keys = frame[self._columns.keys]
        codes = np.stack([_codes(keys[column]) for column in keys], axis=1)
        starts = np.flatnonzero(np.r_[True, (codes[1:] != codes[:-1]).any(axis=1)])
        names = series_names(keys.iloc[starts])
        self._unnamed |= "" in names
        for series, start, stop in zip(names, starts, [*starts[1:], len(frame)], strict=True):
            if series:
                yield series, int(start), int(stop)

    def _add_run(self, name: str, run: Run, report: Report) -> None:
        """Add rows to a series: they continue those before, or are the first of their file."""
        runs = self._runs[name]
        last = runs[-1] if runs else None
        if last is not None and last.file == run.file:
            if last.stop == run.start:
                runs[-1] = replace(last, stop=run.stop)
            elif name not in self._scattered and not self._unnamed:
                self._scattered.add(name)
                report.add(
                    "rows that are not together",
                    f"Sort the file by {', '.join([*self._columns.keys, self._columns.time])}: "
                    "frame.sort_values([...]).to_parquet(path).",
                    series=[name],
                )
        else:
            runs.append(run)

    def _add_static(self, name: str, column: str, values: Sequence[Any], report: Report) -> None:
        """Keep the value that a static covariate has in a series; others are reported."""
        if len(values) == 0:
            return
        known = self._static[name].setdefault(column, values[0])
        others = [value for value in values if value != known]
        if others:
            report.add(
                f"column {column!r} changes",
                "A static covariate has one value in a series; give the column another role.",
                series=[name],
                examples=[f"'{known}', then '{others[0]}'"],
            )

    def _index(self, times: NDArray[np.int64]) -> pd.Index:
        return pd.Index(times.view(self._time_type))

    def _check_values(
        self, name: str, runs: list[Run], settings: FileSettings, report: Report
    ) -> None:
        """Check the values of a series that has no regular times."""
        times = _rows(self._times, runs)[:, 0]
        known = times != MISSING
        for role, array in self._values.items():
            check_values(
                name,
                self._index(times[known]),
                _rows(array, runs)[known],
                self._columns.roles[role],
                "all" if role == "targets" else "any",
                settings.fill,
                report,
            )

    def _make(self, role: str, found: dict[str, tuple[list[Run], Regular]]) -> list[TimeSeries]:
        """Return the series of a role."""
        array = self._values[role]
        if all(len(runs) == 1 and regular.rows is None for runs, regular in found.values()):
            values = [array[runs[0].start : runs[0].stop] for runs, _ in found.values()]
        else:
            lengths = [len(regular.index) for _, regular in found.values()]
            arranged = self._storage.array(role, sum(lengths), array.shape[1], array.dtype)
            ends = np.cumsum(lengths)
            for (runs, regular), length, end in zip(found.values(), lengths, ends, strict=True):
                arranged[end - length : end] = regular.arrange(_rows(array, runs))
            values = np.split(self._storage.finish(arranged), ends[:-1])
        # as objects, for Darts iterates over them, which takes long with pandas' strings
        components = pd.Index(self._columns.roles[role], dtype=object)
        static: list[pd.DataFrame | None] = [None] * len(found)
        if role == "targets" and self._columns.static:
            table = pd.DataFrame([self._static[name] for name in found])
            static = [table.iloc[[number]] for number in range(len(table))]
        return [
            TimeSeries(regular.index, one, components=components, static_covariates=of, copy=False)
            for (_, regular), one, of in zip(found.values(), values, static, strict=True)
        ]


def _rows(array: NDArray[Any], runs: list[Run]) -> NDArray[Any]:
    """Return the rows of a series; without copying where they are together."""
    parts = [array[run.start : run.stop] for run in runs]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _numbers(times: pd.Series, kind: str) -> NDArray[np.int64]:
    """Return times as whole numbers, ``MISSING`` where there is none."""
    if kind == "int64":
        return np.asarray(times.fillna(MISSING), np.int64)
    return np.asarray(times, kind).view(np.int64)


def _codes(column: pd.Series) -> NDArray[np.int64]:
    """Return a number for every value, the same for the same."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return np.asarray(column.cat.codes, np.int64)
    return np.asarray(pd.factorize(column)[0], np.int64)


def _log_changes(found: list[Regular], settings: FileSettings) -> None:
    """Say what was done to the rows of files."""
    unsorted = sum(regular.unsorted for regular in found)
    if unsorted:
        log.info("Sorted the rows of %d of %d series by time.", unsorted, len(found))
    duplicates = sum(regular.duplicates for regular in found)
    if duplicates:
        log.info(
            "Left out %d rows of duplicate times: data.duplicates=%s.",
            duplicates,
            settings.duplicates,
        )
