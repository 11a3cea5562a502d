"""Series from data files: one or many, wide or long, CSV or Parquet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UserError
from ..settings import CsvSettings, FileSettings, ParquetSettings, listed
from .columns import Columns, check_columns, choose_columns
from .csv_file import CsvFile
from .parquet_file import ParquetFile
from .report import Report
from .rows import check_rows
from .series import SeriesSet
from .storage import Storage
from .table import Table

_FORMATS: dict[type[FileSettings], Callable[[Path, Any], CsvFile | ParquetFile]] = {
    CsvSettings: CsvFile,
    ParquetSettings: ParquetFile,
}
_SUFFIXES = {CsvSettings: ".csv", ParquetSettings: ".parquet"}


def read_files(
    settings: FileSettings, storage: Storage, report: Report, future: Path | None = None
) -> SeriesSet:
    """Read the series of one or many files.

    A wide file is one series, named after the file; a long one has many, named by columns, and
    they may go on in other files. Rows after the last target value keep their future covariates,
    so a file may carry the known future of, say, a holiday calendar. Values keep their precision:
    float32 where all columns of a role have it, else float64.

    Args:
        settings: paths and columns.
        storage: where the values are kept.
        report: where all that is wrong with the files is added.
        future: a file with more rows of every series, in which future covariates go on.

    Returns:
        The series that have regular times.

    Raises:
        UserError: when there is no file, or none of which anything more can be told.
    """
    paths = find_files(settings)
    names = series_names_of_files(paths)
    if future is not None:
        names[future] = _check_future(settings, future, names)
        paths.append(future)
    files = [file for path in paths if (file := _open(path, paths, settings, report))]
    if not files:
        report.refuse()
    columns = choose_columns(settings, files[0].names)

    def of(file: CsvFile | ParquetFile) -> Columns:
        return columns.known_ahead() if file.path == future else columns

    for file in files:
        label = _label(file.path, paths)
        missing = check_columns(of(file), file.names, label, report)
        if {columns.time, *columns.keys} & set(missing):
            report.refuse()
        columns = columns.without(missing)
        wrong = file.check_types(of(file), label, report)
        if columns.time in wrong:
            report.refuse()
        columns = columns.without(wrong)
    time_format = settings.time_format if isinstance(settings, CsvSettings) else None
    time_types = {file.time_type(columns.time, time_format) for file in files}
    if len(time_types) > 1 and "int64" in time_types:
        report.add(
            f"column {columns.time!r} holds numbers in some files and dates in others",
            "Read these files one kind at a time.",
        )
        report.refuse()
    table = Table(
        columns,
        rows=sum(file.rows for file in files),
        time_type=str(np.result_type(*time_types)),
        precision={
            role: np.result_type(
                *(file.precision(group) for file in files if role in of(file).roles)
            )
            for role, group in columns.roles.items()
        },
        storage=storage,
    )
    for number, file in enumerate(files):
        place = f"{file.path.name}, {file.place}" if len(paths) > 1 else file.place
        for frame in file.frames(of(file)):
            rows = check_rows(frame, of(file), time_format, place, report)
            table.append(rows.reindex(columns=columns.all), number, names[file.path], report)
        if file.path == future:
            table.check_future(number, file.path.name, report)
    if "targets" not in columns.roles:
        report.refuse()
    return table.series(settings, report)


def find_files(settings: FileSettings) -> list[Path]:
    """Return the files that ``data.path`` names: a file, a folder, a pattern, or a list of these.

    Raises:
        UserError: when there is none.
    """
    suffix = _SUFFIXES[type(settings)]
    found: dict[Path, None] = {}
    for name in listed(settings.path):
        path = Path(name)
        if path.is_file():
            matches = [path]
        elif path.is_dir():
            matches = sorted(path.glob(f"*{suffix}"))
        else:
            matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not matches:
            what = f"no {suffix} file in the folder" if path.is_dir() else "no file"
            raise UserError(f"data.path: there is {what} '{name}' (looked in {Path.cwd()}).")
        found.update(dict.fromkeys(matches))
    return list(found)


def series_names_of_files(paths: list[Path]) -> dict[Path, str]:
    """Return the name of the series of each wide file: its own, with its folders where needed."""
    if len({path.stem for path in paths}) == len(paths):
        return {path: path.stem for path in paths}
    return {path: path.with_suffix("").as_posix() for path in paths}


def _check_future(settings: FileSettings, future: Path, names: dict[Path, str]) -> str:
    """Return the name of the series in ``future``, where no column has it."""
    if not settings.future_covariates_columns:
        raise UserError("future_path: the run was trained without future covariates of a file.")
    if not future.is_file():
        raise UserError(f"future_path: there is no file '{future}' (looked in {Path.cwd()}).")
    if future in names:
        raise UserError(f"future_path: '{future}' is among the data already.")
    return next(iter(names.values()))


def _open(
    path: Path, paths: list[Path], settings: FileSettings, report: Report
) -> CsvFile | ParquetFile | None:
    try:
        file = _FORMATS[type(settings)](path, settings)
    except ValueError as error:
        report.add(f"{_label(path, paths)}{error}", "")
        return None
    if file.rows == 0:
        report.add(f"{_label(path, paths)}the file has columns but no rows", "Give it rows.")
        return None
    return file


def _label(path: Path, paths: list[Path]) -> str:
    """Return what opens a problem of a file, where there are several."""
    return f"{path.name}: " if len(paths) > 1 else ""
