"""Sources that read files: CSV and Parquet, one or many, wide or long."""

import csv
import difflib
import re
from abc import abstractmethod
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, lookup
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pandas as pd
import polars as pl
from polars.exceptions import NoDataError, PolarsError
from pydantic import Field, PrivateAttr, field_validator, model_validator

from ..errors import UserError
from .builder import ROW, Columns, File, PanelBuilder
from .checks import Problems
from .panel import Panel, Storage
from .sources import Source, load_data

# the value of data.series_column that stands for SERIES, if there is such a column
AUTO = "auto"
SERIES = "unique_id"
# the column of times in a data frame that a function returns
TIME = "ds"
# names of columns that a message lists
SHOWN = 20
# of columns, other than a comma
SEPARATORS = ";\t|"
# cells of CSV files that stand for a missing value, as in pandas, and for numbers
MISSING = ["NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None", "nan", "NaN"]
BOOLEANS = {"True": "1", "true": "1", "TRUE": "1", "False": "0", "false": "0", "FALSE": "0"}
_ENCODINGS = "Set data.encoding, such as cp1252 (Excel in Western Europe) or gbk (in China)."

# YAML reads a column named 2024 as a number
Text = Annotated[str, Field(strict=False, coerce_numbers_to_str=True)]
Texts = Annotated[list[Text], Field(min_length=1)]
Character = Annotated[str, Field(min_length=1, max_length=1)]


class FileSource(Source):
    """Files whose rows hold a time, values, and perhaps the name of their series.

    A wide file is one series, named after the file; a long one has many, named by columns, and
    they may continue in other files. Rows after the last target value keep their future covariates,
    so a file may hold the known future of, say, holidays. Values are float32 if all columns of a
    role are, else float64.

    Attributes:
        suffix: of files that are found in folders.
        row_name: what messages call a row.
        reads_text: whether numbers and times may be text.
    """

    suffix: ClassVar[str]
    row_name: ClassVar[str]
    reads_text: ClassVar[bool] = False

    path: Text | Texts
    time_column: Text
    target_columns: Texts
    past_covariates_columns: list[Text] = Field(default=[])
    future_covariates_columns: list[Text] = Field(default=[])
    static_covariates_columns: list[Text] = Field(default=[])
    sample_weight_column: Text | None = None
    series_column: Text | Texts | None = AUTO
    frequency: Text | None = None
    duplicates: Literal["refuse", "first", "last", "mean"] = "refuse"

    @property
    def title(self) -> str:
        """Return the paths."""
        return ", ".join(_listed(self.path))

    @abstractmethod
    def open(self, path: Path) -> pl.LazyFrame:
        """Return the rows of a file, with their numbers in the column ``ROW``.

        Raises:
            ValueError: with two texts, why it cannot be read and what to do.
        """

    def paths(self) -> list[Path]:
        """Return the files; raises UserError if there are none."""
        return _find_files(_listed(self.path), self.suffix)

    def has_dates(self, times: pl.LazyFrame) -> bool:
        """Return whether the times in the only column are dates, and not whole numbers."""
        return not times.collect_schema().dtypes()[0].is_integer()

    def times(self, cells: pl.Series, dates: bool) -> pl.Series:
        """Return dates in UTC without zone, or whole numbers; null where a cell is neither."""
        if not dates:
            return cells.cast(pl.Int64, strict=False)
        if isinstance(cells.dtype, pl.Datetime) and cells.dtype.time_zone:
            return cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return cells

    def invalid_time(self, dates: bool) -> tuple[str, str]:
        """Return what is wrong with a time that is null, and what to do."""
        return "missing time", "Add the time, or remove the row."

    def numbers(self, cells: pl.Series) -> pl.Series:
        """Return floats; null where a cell is not a number, NaN or null where it is missing."""
        return cells if cells.dtype == pl.Float32 else cells.cast(pl.Float64)

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return the series that have regular times; see ``Source.read``."""
        paths = self.paths()
        names = _names_of_files(paths)
        if future is not None:
            self._check_future(future, paths)
            names[future] = next(iter(names.values()))
            paths.append(future)
        several = len(paths) > 1
        files = []
        for path in paths:
            try:
                frame = self.open(path)
                length = frame.select(pl.len()).collect().item()
                if length == 0:
                    raise ValueError("the file has columns but no rows", "Add rows.")
            except ValueError as error:
                problems.add(*error.args, subject=path.name if several else "")
                continue
            place = f"{path.name} {self.row_name}" if several else self.row_name
            files.append(File(path, names[path], place, frame, length))
        if not files:
            problems.refuse()
        columns = self._columns(files[0].frame.collect_schema())
        known_ahead = {"future_covariates": self.future_covariates_columns}
        ahead = replace(columns, static=[], roles=known_ahead)
        unusable = set[str]()
        for file in files:
            needed = ahead if file.path == future else columns
            unusable |= self._unusable(file, needed, several, problems)
        columns, ahead = columns.without(unusable), ahead.without(unusable)
        lost = "targets" not in columns.roles or (future is not None and not ahead.roles)
        if lost or unusable & {columns.time, *columns.keys}:
            problems.refuse()
        for file in files:
            file.columns = ahead if file.path == future else columns
            file.dates = self.has_dates(file.frame.select(columns.time))
        if len({file.dates for file in files}) > 1:
            problems.add(
                "numbers in some files, dates in others",
                "Read the two kinds of files separately.",
                subject=f"column {columns.time!r}",
            )
            problems.refuse()
        continued = files[-1] if files[-1].path == future else None
        return PanelBuilder(self, files, storage, problems).build(continued)

    def _columns(self, present: pl.Schema) -> Columns:
        roles = {
            "targets": self.target_columns,
            "past_covariates": self.past_covariates_columns,
            "future_covariates": self.future_covariates_columns,
            "sample_weight": _listed(self.sample_weight_column),
        }
        return Columns(
            time=self.time_column,
            keys=self._keys(present.names()),
            static=self.static_covariates_columns,
            roles={role: group for role, group in roles.items() if group},
        )

    def _keys(self, present: Sequence[str]) -> list[str]:
        if self.series_column == AUTO:
            return [SERIES] if SERIES in present else []
        return _listed(self.series_column)

    def _unusable(
        self, file: File, columns: Columns, several: bool, problems: Problems
    ) -> set[str]:
        """Return the columns that a file lacks, and those of a wrong type."""
        schema = file.frame.collect_schema()
        present = [name for name in schema if name != ROW]
        missing = [column for column in columns.all if column not in present]
        if missing:
            close = [difflib.get_close_matches(column, present, n=1) for column in missing]
            hints = [f" Did you mean {match[0]!r}?" for match in close if match]
            if len(present) == 1 and (other := set(SEPARATORS) & set(present[0])):
                hints = [f" Set data.separator={other.pop()!r}."]
            rest = f" and {len(present) - SHOWN} more" if len(present) > SHOWN else ""
            problems.add(
                f"no column{'s' if len(missing) > 1 else ''} {', '.join(map(repr, missing))}",
                f"The columns are {', '.join(map(repr, present[:SHOWN]))}{rest}.{''.join(hints)} "
                "Set data.time_column, data.target_columns and so on to their names.",
                subject=file.path.name if several else "",
            )
        unusable = set(missing)
        label = f"{file.path.name}, " if several else ""
        for column in {columns.time, *columns.values} - unusable:
            kind = schema[column]
            held = "text" if kind == pl.String else kind
            if self.reads_text and kind == pl.String:
                continue
            if column == columns.time:
                fits = kind.is_integer() or kind in (pl.Date, pl.Datetime)
                what, remedy = "times", "a timestamp or date (pandas.to_datetime), or whole numbers"
            else:
                fits = kind.is_numeric() or kind == pl.Boolean
                what, remedy = "numbers", "double or float"
            if not fits:
                unusable.add(column)
                subject = f"{label}column {column!r}"
                problems.add(f"{held}, not {what}", f"Store it as {remedy}.", subject=subject)
        return unusable

    def _check_future(self, future: Path, paths: Sequence[Path]) -> None:
        if not self.future_covariates_columns:
            raise UserError(
                "future_path: the run was trained without future covariates from files. Remove it."
            )
        if not future.is_file():
            raise UserError(f"future_path: no file '{future}' in {Path.cwd()}. Correct the path.")
        if future in paths:
            raise UserError(f"future_path: '{future}' is already part of data.path. Remove it.")

    @field_validator(
        "target_columns",
        "past_covariates_columns",
        "future_covariates_columns",
        "static_covariates_columns",
    )
    @classmethod
    def _each_once(cls, columns: list[str]) -> list[str]:
        if len(set(columns)) < len(columns):
            raise ValueError("names a column twice")
        return columns

    @model_validator(mode="after")
    def _weights_once(self) -> "FileSource":
        if self.sample_weight is not None and self.sample_weight_column is not None:
            raise ValueError(
                "has both data.sample_weight and data.sample_weight_column. Set only one of them"
            )
        return self


class CsvFiles(FileSource):
    """CSV files in UTF-8, read as a whole."""

    suffix = ".csv"
    row_name = "line"
    reads_text = True

    time_format: str | None = None
    separator: Character = ","
    decimal: Character = "."
    thousands: Character | None = None
    encoding: Text = AUTO

    def open(self, path: Path) -> pl.LazyFrame:
        """Return all cells as text, except static covariates that are numbers."""
        check = f"Check the file, data.encoding and data.separator={self.separator!r}."
        try:
            frame = pl.read_csv(
                self._utf8(path),
                separator=self.separator,
                infer_schema=False,
                row_index_name=ROW,
                row_index_offset=2,  # the first line below the header
            )
        except NoDataError as error:
            raise ValueError("the file is empty", "Add a header and rows.") from error
        except UnicodeDecodeError as error:
            what = f"not in the encoding {error.encoding} (byte {error.start})"
            raise ValueError(what, _ENCODINGS) from error
        except (OSError, PolarsError) as error:
            reason = str(error).splitlines()[0]
            if "utf-8" in reason:
                raise ValueError("not in the encoding utf-8", _ENCODINGS) from error
            reason = _too_long_row(path, self.separator) or reason
            raise ValueError(f"not readable as CSV ({reason})", check) from error
        if any("\0" in name for name in frame.columns):
            raise ValueError("not readable as CSV (NUL characters in the header)", check)
        if twice := [name for name in frame.columns if "_duplicated_" in name]:
            name = twice[0].partition("_duplicated_")[0]
            raise ValueError(f"two columns are called {name!r}", "Rename or remove one of them.")
        cells = pl.exclude(ROW)
        frame = frame.with_columns(cells.str.strip_chars().replace("", None))
        frame = frame.filter(pl.any_horizontal(cells.is_not_null()))
        names = {self.time_column, *self._keys(frame.columns)}
        for column in set(self.static_covariates_columns) & set(frame.columns) - names:
            frame = frame.with_columns(_numbers_or_texts(frame[column]))
        return frame.lazy()

    def _utf8(self, path: Path) -> Path | bytes:
        """Return a file in UTF-8, or the content of any other file."""
        with path.open("rb") as file:
            mark = file.read(2)
        encoding = self.encoding
        if encoding == AUTO:
            encoding = "utf-16" if mark in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8"
        if lookup(encoding).name == "utf-8":
            return path
        return path.read_text(encoding=encoding).encode()

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            return name if name == AUTO else lookup(name).name
        except LookupError as error:
            raise ValueError(
                "is not an encoding of Python, such as utf-8, cp1252 or gbk"
            ) from error

    def has_dates(self, times: pl.LazyFrame) -> bool:
        """Return whether a format is set, or some times are not numbers."""
        texts = times.collect().to_series()
        numbers = texts.cast(pl.Float64, strict=False)
        return self.time_format is not None or numbers.null_count() > texts.null_count()

    def times(self, cells: pl.Series, dates: bool) -> pl.Series:
        """Parse text; times with a zone or an offset become UTC."""
        if not dates:
            text = pl.col(cells.name)
            number = text.cast(pl.Float64, strict=False)
            whole = pl.when((number == number.round()) & (number.abs() < 2**53)).then(number)
            times = pl.coalesce(text.cast(pl.Int64, strict=False), whole.cast(pl.Int64))
            return cells.to_frame().select(times).to_series()
        # the series of a panel share their times, and parsing text is slow
        texts = cells.drop_nulls().unique()
        form = self.time_format or "ISO8601"
        objects = pd.Series(texts.to_list(), dtype=object)
        parsed = pd.to_datetime(objects, format=form, errors="coerce", utc=True)
        found = pl.Series(parsed.dt.tz_localize(None).to_numpy("datetime64[us]"))
        return cells.replace_strict(texts, found, default=None, return_dtype=pl.Datetime("us"))

    def invalid_time(self, dates: bool) -> tuple[str, str]:
        """Return what is wrong with a time that is null, and what to do."""
        if not dates:
            return "non-integer time", "Correct the time, or remove the row."
        form = self.time_format or "ISO 8601 (2026-01-31)"
        return "invalid date", f"Write it as {form}, or set data.time_format, such as %d/%m/%Y."

    def numbers(self, cells: pl.Series) -> pl.Series:
        """Parse text."""
        texts = cells.cast(pl.String)
        if self.thousands is not None:
            mark, point = re.escape(self.thousands), re.escape(self.decimal)
            grouped = "^[+-]?[0-9]{1,3}(?:" + mark + "[0-9]{3})+(?:" + point + "[0-9]*)?$"
            plain = texts.str.replace_all(self.thousands, "", literal=True)
            texts = plain.zip_with(texts.str.contains(grouped), texts)
        if self.decimal != ".":
            # a full stop is then no decimal point
            texts = texts.str.replace_all(".", "_", literal=True)
            texts = texts.str.replace(self.decimal, ".", literal=True)
        numbers = texts.cast(pl.Float64, strict=False)
        if numbers.null_count() > cells.null_count():
            words = dict.fromkeys(MISSING, "nan") | BOOLEANS
            numbers = texts.replace(words).cast(pl.Float64, strict=False)
        return numbers


class ParquetFiles(FileSource):
    """Parquet files, read in batches."""

    suffix = ".parquet"
    row_name = "row"

    def open(self, path: Path) -> pl.LazyFrame:
        """Return the rows without reading them."""
        try:
            frame = pl.scan_parquet(path, row_index_name=ROW, row_index_offset=1, glob=False)
            frame.collect_schema()
        except (OSError, PolarsError) as error:
            reason = f"not readable as Parquet ({str(error).splitlines()[0]})"
            raise ValueError(reason, "If it is a CSV file, set data=csv.") from error
        return frame


class FrameSource(ParquetFiles):
    """A data frame with the columns of a file; times and numbers are not text."""

    path: Text | Texts = "data frame"
    _frame: pl.DataFrame = PrivateAttr()

    def with_frame(self, frame: pd.DataFrame | pl.DataFrame) -> "FrameSource":
        """Set the data frame, and return this source."""
        found = pl.from_pandas(frame) if isinstance(frame, pd.DataFrame) else frame
        self._frame = found.with_row_index(ROW, offset=1)
        return self

    def paths(self) -> list[Path]:
        """Return what messages call the data frame."""
        return [Path("data frame")]

    def open(self, path: Path) -> pl.LazyFrame:
        """Return the rows of the data frame."""
        return self._frame.lazy()


def load_frame(config: FileSource, frame: pd.DataFrame | pl.DataFrame, ahead: int = 0) -> Panel:
    """Load the series of a data frame as if it were a file of a source; see ``load_data``.

    Args:
        config: the source, which names the columns.
        frame: with these columns; times and numbers are not text.
        ahead: steps after the end of the series for which ``data.calendar`` is needed.
    """
    shared = set(FrameSource.model_fields) - {"path"}
    source = FrameSource.model_validate(config.model_dump(by_alias=True, include=shared))
    return load_data(source.with_frame(frame), ahead=ahead)


def _find_files(names: Sequence[str], suffix: str) -> list[Path]:
    """Return the files that paths of files, paths of folders and patterns stand for, each once."""
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_file():
            matches = [path]
        elif path.is_dir():
            matches = sorted(path.glob(f"*{suffix}"))
        else:
            matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not matches:
            what = f"no {suffix} file in the folder" if path.is_dir() else "no file"
            raise UserError(f"data.path: {what} '{name}' in {Path.cwd()}. Correct the path.")
        found.update(dict.fromkeys(matches))
    return list(found)


def _names_of_files(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the name of the series in each wide file: its own, with its folders if necessary."""
    if len({path.stem for path in paths}) == len(paths):
        return {path: path.stem for path in paths}
    return {path: path.with_suffix("").as_posix() for path in paths}


def _listed(value: str | list[str] | None) -> list[str]:
    return [value] if isinstance(value, str) else list(value or [])


def _too_long_row(path: Path, separator: str) -> str | None:
    """Return which row has more fields than the header, None if there is no such row."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file, delimiter=separator)
        header = next(rows, [])
        for row in rows:
            if len(row) > len(header):
                return f"line {rows.line_num} has {len(row)} fields, the header {len(header)}"
    return None


def _numbers_or_texts(cells: pl.Series) -> pl.Series:
    """Return a static covariate as numbers if all of its cells are."""
    texts = cells.replace(dict.fromkeys(MISSING))
    for kind in (pl.Int64, pl.Float64):
        numbers = texts.cast(kind, strict=False)
        if numbers.null_count() == texts.null_count():
            return numbers
    return texts
