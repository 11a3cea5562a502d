"""Sources that read files: CSV and Parquet, one or many, wide or long."""

import csv
import logging
import re
from abc import abstractmethod
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, lookup
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import available_timezones

import pandas as pd
import polars as pl
from polars.exceptions import NoDataError, PolarsError
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator

from ..config import AUTO, did_you_mean, listed
from ..errors import UserError
from .builder import ROW, STAND_IN, File, PanelBuilder
from .checks import Problems, shown
from .panel import ROLES, Panel, Storage
from .sources import Source, load_data

log = logging.getLogger(__name__)

# a quote that is never closed makes one field of the rest of a file
csv.field_size_limit(2**31 - 1)
# names series if data.series_column is AUTO and there is such a column
SERIES = "unique_id"
# the column of times in a data frame that a function returns
TIME = "ds"
# names of columns that a message lists
SHOWN = 20
# of columns, by the names of those that shells or Hydra want in quotes
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
# cells of CSV files that stand for a missing value, as in pandas, and for numbers
MISSING = ["NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NULL", "null", "None", "nan", "NaN"]
BOOLEANS = {"True": "1", "true": "1", "TRUE": "1", "False": "0", "false": "0", "FALSE": "0"}
# cells of a column that holds nothing else, in lower case
YES_OR_NO = {"yes": "1", "no": "0", "ja": "1", "nein": "0"}
_ENCODINGS = "Set data.encoding, such as cp1252 (Excel in Western Europe) or gbk (in China)."


def _check_each_once(columns: list[str]) -> list[str]:
    if len(set(columns)) < len(columns):
        raise ValueError("names a column twice")
    return columns


def _check_encoding(name: str) -> str:
    try:
        return name if name == AUTO else lookup(name).name
    except LookupError as error:
        raise ValueError("is not an encoding of Python, such as utf-8, cp1252 or gbk") from error


def _check_zone(name: str) -> str:
    if name not in (known := available_timezones()):
        raise ValueError(f"is not a time zone.{did_you_mean(name, known)}")
    return name


def _polars(frame: pd.DataFrame | pl.DataFrame) -> pl.DataFrame:
    return pl.from_pandas(frame) if isinstance(frame, pd.DataFrame) else frame


# YAML reads a column named 2024 as a number
Text = Annotated[str, Field(strict=False, coerce_numbers_to_str=True)]
Texts = Annotated[list[Text], Field(min_length=1)]
Aggregation = Literal["mean", "sum", "min", "max", "first", "last", "count"]
Columns = Annotated[list[Text], BeforeValidator(listed), AfterValidator(_check_each_once)]
Character = Annotated[str, Field(min_length=1, max_length=1)]
Separator = Annotated[Character, BeforeValidator(lambda name: SEPARATORS.get(str(name), name))]


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
        number_remedy: what to do about text that is not a number.
    """

    suffix: ClassVar[str]
    row_name: ClassVar[str]
    reads_text: ClassVar[bool] = False
    number_remedy: ClassVar[str] = "Fix the cell, or leave it empty."

    path: Text | Texts
    time_column: Text
    target_columns: Annotated[Columns, Field(min_length=1)]
    past_covariates_columns: Columns = []
    future_covariates_columns: Columns = []
    static_covariates_columns: Columns = []
    sample_weight_column: Text | None = None
    series_column: Text | Texts | None = AUTO
    time_zone: Annotated[str, AfterValidator(_check_zone)] | None = None
    frequency: Text | None = None
    resample: Text | None = None
    aggregate: Aggregation | dict[Text, Aggregation] = "mean"
    duplicates: Literal["refuse", "first", "last", "mean"] = "refuse"

    @property
    def title(self) -> str:
        """Return the paths."""
        return ", ".join(listed(self.path))

    @property
    def roles(self) -> dict[str, list[str]]:
        """Return the columns of each role that has any."""
        covariates = self.past_covariates_columns, self.future_covariates_columns
        groups = (self.target_columns, *covariates, listed(self.sample_weight_column))
        return {role: group for role, group in zip(ROLES, groups, strict=True) if group}

    @property
    def values(self) -> list[str]:
        """Return the columns of all roles, each once."""
        return list(dict.fromkeys(column for group in self.roles.values() for column in group))

    @property
    def step(self) -> str | None:
        """Return the step of the panel; None if it is that of the files."""
        return self.resample or self.frequency

    @property
    def step_key(self) -> str:
        """Return the key that sets the step."""
        return "data.frequency" if self.resample is None else "data.resample"

    @property
    def aggregations(self) -> dict[str, Aggregation]:
        """Return how the rows of a step become one, for each column of values."""
        chosen = self.aggregate if self.resample is not None else "mean"
        if isinstance(chosen, str):
            return dict.fromkeys(self.values, chosen)
        for column in chosen.keys() - self.values:
            hint = did_you_mean(column, self.values)
            raise UserError(f"data.aggregate: {column!r} is not a column of values.{hint}")
        return {column: chosen.get(column, "mean") for column in self.values}

    @abstractmethod
    def open(self, path: Path) -> pl.LazyFrame:
        """Return the rows of a file, with their numbers in the column ``ROW``.

        Raises:
            ValueError: with two texts, why it cannot be read and what to do.
        """

    def paths(self) -> list[Path]:
        """Return the files; raises UserError if there are none."""
        return _find_files(listed(self.path), self.suffix)

    def has_dates(self, times: pl.LazyFrame) -> bool:
        """Return whether the times in the only column are dates, and not whole numbers."""
        return not times.collect_schema().dtypes()[0].is_integer()

    def time_type(self, times: pl.LazyFrame, dates: bool) -> pl.DataType:
        """Return the type of the times in the only column."""
        return times.collect_schema().dtypes()[0]

    def times(self, cells: pl.Series, dates: bool) -> pl.Series:
        """Return dates or whole numbers (int128); null where a cell is neither."""
        return cells if dates else cells.cast(pl.Int128)

    def invalid_time(self, dates: bool) -> tuple[str, str]:
        """Return what is wrong with a time that is null, and what to do."""
        return "missing time", "Add the time, or remove the row."

    def numbers(self, cells: pl.Series) -> pl.Series:
        """Return floats; null where a cell is not a number, NaN or null where it is missing."""
        return cells if cells.dtype == pl.Float32 else cells.cast(pl.Float64)

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return the series that have regular times; see ``Source.read``."""
        files = self._open_files(future, problems)
        present = files[0].frame.collect_schema().names()
        named = self._without_patterns(present)
        return named._read(files, named._keys(present), storage, problems)

    def _without_patterns(self, present: Sequence[str]) -> Self:
        """Return the source with columns in place of ``all`` and patterns such as ``load_*``.

        They stand for the columns that match and have no other use, in the order of the file.
        """
        used = {ROW, self.time_column, *self._keys(present), *self.values}
        used.update(self.static_covariates_columns)
        found: dict[str, list[str]] = {}
        for group in ("target_columns", "past_covariates_columns", "future_covariates_columns"):
            columns = found[group] = []
            for word in getattr(self, group):
                pattern = "*" if word == "all" else word
                left = [name for name in present if name not in used and word not in present]
                matches = [name for name in left if fnmatchcase(name, pattern)]
                columns += matches or [word]
                used.update(matches)
        return self.model_copy(update=found)

    def _read(
        self, files: list[File], keys: list[str], storage: Storage, problems: Problems
    ) -> Panel:
        unusable = set[str]()
        for file in files:
            unusable |= self._complete(file, keys, problems)
        if unusable & {self.time_column, *keys}:
            problems.refuse()
        dates = {self.has_dates(file.frame.select(self.time_column)) for file in files}
        if len(dates) > 1:
            problems.add(
                "numbers in some files, dates in others",
                "Read the two kinds of files separately.",
                subject=f"column {self.time_column!r}",
            )
            problems.refuse()
        return PanelBuilder(self, files, keys, storage, problems).build(dates.pop())

    def _open_files(self, future: Path | None, problems: Problems) -> list[File]:
        """Return the files that can be read; ``future`` is the last one."""
        names = _names_of_files(self.paths())
        if future is not None:
            self._check_future(future, list(names))
            names[future] = next(iter(names.values()))
        files, begin = list[File](), 0
        for path, name in names.items():
            label = path.name if len(names) > 1 else ""
            try:
                frame = self.open(path)
                length = frame.select(pl.len()).collect().item()
                if length == 0:
                    raise ValueError("the file has columns but no rows", "Add rows.")
            except ValueError as error:
                problems.add(*error.args, subject=label)
                continue
            files.append(File(path, name, label, frame, begin, length, ahead=path == future))
            begin += length
        if all(file.ahead for file in files):
            problems.refuse()
        return files

    def _keys(self, present: Sequence[str]) -> list[str]:
        if self.series_column == AUTO:
            return [SERIES] if SERIES in present else []
        columns: list[str] = listed(self.series_column)
        return columns

    def _complete(self, file: File, keys: list[str], problems: Problems) -> set[str]:
        """Return the columns that are absent or of a wrong type, and put zeros in their place.

        The problems of the other columns are then found as well. A file that only continues the
        future covariates gets all other columns, without values.
        """
        columns = self.future_covariates_columns if file.ahead else self.values
        static = [] if file.ahead else self.static_covariates_columns
        unusable = {
            *_report_absent(file, [self.time_column, *keys, *static, *columns], problems),
            *self._report_types(file, columns, problems),
        }
        added = dict.fromkeys(unusable, pl.lit(str(STAND_IN)))
        if file.ahead:
            others = {*self.values, *self.static_covariates_columns} - set(columns)
            added |= dict.fromkeys(others, pl.lit(None, pl.Float32))
        file.frame = file.frame.with_columns(**added)
        return unusable

    def _report_types(self, file: File, columns: list[str], problems: Problems) -> list[str]:
        """Return the columns whose type is wrong, and add their problems."""
        wrong = []
        for column, kind in file.frame.collect_schema().items():
            if self.reads_text and kind == pl.String:
                continue
            if column == self.time_column:
                fits = kind.is_integer() or kind in (pl.Date, pl.Datetime)
                what, remedy = "times", "a timestamp or date (pandas.to_datetime), or whole numbers"
            else:
                fits = kind.is_numeric() or kind == pl.Boolean or column not in columns
                what, remedy = "numbers", "double or float"
            if fits:
                continue
            wrong.append(column)
            held = "text" if kind == pl.String else kind
            subject = f"{file.label}, column {column!r}".removeprefix(", ")
            problems.add(f"{held}, not {what}", f"Store it as {remedy}.", subject=subject)
        return wrong

    def _check_future(self, future: Path, paths: Sequence[Path]) -> None:
        if not self.future_covariates_columns:
            raise UserError(
                "future_path: the run has no future covariates from files. Leave future_path out."
            )
        if not future.is_file():
            raise UserError(f"future_path: no file '{future}' in {Path.cwd()}. Correct the path.")
        if future in paths:
            raise UserError(f"future_path: '{future}' is already in data.path. Leave it out.")

    @model_validator(mode="after")
    def _one_step(self) -> "FileSource":
        if self.resample is not None and self.frequency is not None:
            raise ValueError("has both data.resample and data.frequency. Set only one of them")
        if self.resample is None and self.aggregate != "mean":
            raise ValueError("has data.aggregate without data.resample. Set both")
        return self

    @model_validator(mode="after")
    def _one_column_of_weights(self) -> "FileSource":
        if self.sample_weight is not None and self.sample_weight_column is not None:
            raise ValueError(
                "has both data.sample_weight and data.sample_weight_column. Set only one of them"
            )
        return self


class TextFiles(FileSource):
    """Files whose cells are text, read as a whole."""

    reads_text = True

    time_format: str | None = None

    @abstractmethod
    def table(self, path: Path) -> pl.DataFrame:
        """Return all cells of a file as text, with the numbers of rows in the column ``ROW``.

        Raises:
            ValueError: with two texts, why it cannot be read and what to do.
        """

    def open(self, path: Path) -> pl.LazyFrame:
        """Return the cells of all rows that are not empty; static covariates may be numbers."""
        cells, frame = pl.exclude(ROW), self.table(path)
        frame = frame.with_columns(cells.str.strip_chars().replace("", None))
        frame = frame.filter(pl.any_horizontal(cells.is_not_null()))
        names = {self.time_column, *self._keys(frame.columns)}
        for column in set(self.static_covariates_columns) & set(frame.columns) - names:
            frame = frame.with_columns(_numbers_or_texts(frame[column]))
        return frame.lazy()

    def has_dates(self, times: pl.LazyFrame) -> bool:
        """Return whether a format is set, or most of the times are not numbers."""
        texts = times.collect().to_series().drop_nulls()
        numbers = texts.cast(pl.Float64, strict=False)
        return self.time_format is not None or 2 * numbers.null_count() > len(texts)

    def time_type(self, times: pl.LazyFrame, dates: bool) -> pl.DataType:
        """Return the type that times get when they are parsed, by the first of them."""
        if not dates:
            return pl.Int64()
        form = self.time_format or "ISO8601"
        first = times.drop_nulls().head(1).collect().to_series()
        parsed = [pd.to_datetime(text, format=form, errors="coerce") for text in first]
        return pl.Datetime("us", "UTC" if any(time.tzinfo for time in parsed) else None)

    def times(self, cells: pl.Series, dates: bool) -> pl.Series:
        """Parse text; times with a zone or an offset become UTC."""
        if not dates:
            text = pl.col(cells.name)
            number = text.cast(pl.Float64, strict=False)
            whole = pl.when((number == number.round()) & (number.abs() < 2**53)).then(number)
            times = pl.coalesce(text.cast(pl.Int128, strict=False), whole.cast(pl.Int128))
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
        numbers = cells.cast(pl.Float64, strict=False)
        if numbers.null_count() > cells.null_count():
            texts = cells.cast(pl.String).replace(dict.fromkeys(MISSING, "nan") | BOOLEANS)
            answers = texts.str.to_lowercase()
            if answers.is_in(["nan", *YES_OR_NO]).all():
                texts = answers.replace(YES_OR_NO)
            numbers = texts.cast(pl.Float64, strict=False)
        return numbers


class CsvFiles(TextFiles):
    """CSV files."""

    suffix = ".csv"
    row_name = "line"
    number_remedy = "Fix the cell, leave it empty, or set data.decimal."

    separator: Separator | Literal["auto"] = AUTO
    decimal: Character = "."
    thousands: Character | None = None
    encoding: Annotated[Text, AfterValidator(_check_encoding)] = AUTO

    def table(self, path: Path) -> pl.DataFrame:
        """Return all cells as text; see ``TextFiles.table``."""
        check, separator = "Check the file, data.encoding and data.separator.", self.separator
        try:
            separator = self._find_separator(path) if separator == AUTO else separator
            frame = pl.read_csv(
                self._utf8(path),
                separator=separator,
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
                if self.encoding == AUTO and (guess := _guess_encoding(path.read_bytes())):
                    text = "%s: not UTF-8, read as %s. If names are wrong, set data.encoding."
                    log.info(text, path.name, guess)
                    return self.model_copy(update={"encoding": guess}).table(path)
                raise ValueError("not in the encoding utf-8", _ENCODINGS) from error
            reason = _too_long_row(path, separator) or reason
            raise ValueError(f"not readable as CSV ({reason})", check) from error
        # polars leaves the quotes within a quoted name doubled
        frame = frame.rename(lambda name: name.replace('""', '"'))
        if any("\0" in name for name in frame.columns):
            raise ValueError("not readable as CSV (NUL characters in the header)", check)
        for name in frame.columns:
            first, mark, _ = name.rpartition("_duplicated_")
            if mark and first in frame.columns:
                raise repeated_column(first)
        return frame

    def _encoding(self, path: Path) -> str:
        with path.open("rb") as file:
            mark = file.read(2)
        if self.encoding != AUTO:
            return self.encoding
        return "utf-16" if mark in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8"

    def _find_separator(self, path: Path) -> str:
        """Return the separator that divides the header into the columns of the source."""
        encoding, found = self._encoding(path), {}
        encoding = "utf-8-sig" if encoding == "utf-8" else encoding
        with path.open(encoding=encoding, errors="replace", newline="") as file:
            for separator in SEPARATORS.values():
                file.seek(0)
                header = next(csv.reader(file, delimiter=separator), [])
                known = {self.time_column, *self.values}.intersection(header)
                found[separator] = len(known), len(header)
        best = max(found, key=lambda separator: found[separator])
        if best != ",":
            log.info("%s: the columns are separated by %r (data.separator).", path.name, best)
        return best

    def _utf8(self, path: Path) -> Path | bytes:
        """Return a file in UTF-8, or the content of any other file."""
        encoding = self._encoding(path)
        return path if encoding == "utf-8" else path.read_text(encoding=encoding).encode()

    def numbers(self, cells: pl.Series) -> pl.Series:
        """Parse text with the separators of the files."""
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
        return super().numbers(texts)


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

    model_config = ConfigDict(arbitrary_types_allowed=True)

    path: Text | Texts = "data frame"
    frame: Annotated[pl.DataFrame, BeforeValidator(_polars)]

    def paths(self) -> list[Path]:
        """Return what messages call the data frame."""
        return [Path(self.title)]

    def open(self, path: Path) -> pl.LazyFrame:
        """Return the rows of the data frame."""
        return self.frame.with_row_index(ROW, offset=1).lazy()


def load_frame(config: FileSource, frame: pd.DataFrame | pl.DataFrame, ahead: int = 0) -> Panel:
    """Load the series of a data frame as if it were a file of a source; see ``load_data``.

    Args:
        config: the source, which names the columns.
        frame: with these columns; times and numbers are not text.
        ahead: steps after the end of the series for which ``data.covariates`` are needed.
    """
    shared = config.model_dump(include=set(FileSource.model_fields) - {"path", "target_"})
    return load_data(FrameSource.model_validate(shared | {"frame": frame}), ahead=ahead)


def repeated_column(name: str) -> ValueError:
    """Return why a file with two columns of one name cannot be read; see ``FileSource.open``."""
    return ValueError(f"two columns are called {name!r}", "Rename or remove one of them.")


def _report_absent(file: File, needed: Sequence[str], problems: Problems) -> list[str]:
    """Return the columns that a file lacks, and add one problem for all of them."""
    present = [name for name in file.frame.collect_schema() if name != ROW]
    absent = [column for column in dict.fromkeys(needed) if column not in present]
    if absent:
        close = [get_close_matches(column, present, n=1) for column in absent]
        hints = [f" Did you mean {match[0]!r}?" for match in close if match]
        columns = shown([repr(name) for name in present], len(present), most=SHOWN)
        problems.add(
            f"no column{'s' if len(absent) > 1 else ''} {', '.join(map(repr, absent))}",
            f"The columns are {columns}.{''.join(hints)} Set data.time_column, "
            "data.target_columns and so on to their names.",
            subject=file.label,
        )
    return absent


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


def _guess_encoding(content: bytes) -> str | None:
    """Return ``cp1252`` or ``gbk`` for text that is not UTF-8, None if it looks like neither.

    Letters of cp1252 that ASCII lacks are alone or in pairs. A character of gbk has two bytes, and
    the first one of frequent characters is at most 0xD7.
    """
    runs = re.findall(rb"[\x80-\xff]+", content)
    lengths, firsts = {len(run) for run in runs}, b"".join(runs)[::2]
    if 1 in lengths and max(lengths) <= 2:
        return "cp1252"
    frequent = sum(first <= 0xD7 for first in firsts) > 0.8 * len(firsts)
    return "gbk" if frequent and all(length % 2 == 0 for length in lengths) else None


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
