"""Random data files: their series are exactly those of the rows, or the report is true."""

import csv
import io
import math
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from engine.series import COMMON
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from my_forecast.data import DataError, load_data
from my_forecast.data.files import CsvFiles, FileSource, ParquetFiles

from reliability import FULL

fuzzed = settings(
    max_examples=2500 if FULL else 150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

# what a cell of a CSV file holds, and the number that it stands for
NUMBERS = ["0", "-0", "7", "+7", "007", " 7 ", "1.5", "-2.50", "1.", ".5", "1e3", "1E-3", "0.1"]
NUMBERS += ["123456789.123456789", "5e-324", "1e99", "0.30000000000000004"]
MISSING = ["", " ", "NA", "N/A", "NaN", "nan", "null", "None"]
BOOLEANS = {"True": 1.0, "false": 0.0}
NOT_NUMBERS = [
    "x",
    "1.2.3",
    "--1",
    "1 2",
    "0x10",
    "1_000",
    "1-",
    "e5",
    "½",
    "\u0661",
    "12:30",
    "$5",
]
INFINITE = ["inf", "-inf", "1e999"]
NAMES = ["a", "B", "NA", "007", "ü", "a b", "a,b", 'q"x', "x;y", "two\nlines", "=1+1", "1/2"]
# of columns
HEADERS = [*NAMES, "2024", 'the "best"', "x_duplicated_0", "series"]
BAD_DATES = ["soon", "2024-13-40", "2024-02-30", "01.02.2024 25:00", "-"]
# neither day nor month without a format that says which is which
AMBIGUOUS = ["03/04/2024", "03-04-2024", "3.4.2024"]
BAD_NUMBERS = ["1.5", "soon", "inf", "1e300", "nan"]
# how times are written: the format of the source, and whether each text is in it
FORMATS = ["%d/%m/%Y", "%m/%d/%Y", "%Y%m%d", "%d.%m.%y", "%d %b %Y"]
START = datetime(2024, 1, 31)
STEPS = 30
# problems of a file that cannot be read: nothing else about it is known
UNREADABLE = ("not readable as CSV", "two columns are called")
# problems of a series whose times have no regular step, if no frequency is set
IRREGULAR = ("irregular step", "times between those of other series")


def grid(frequency: str) -> list[Any]:
    """Return the times on which rows lie."""
    if frequency.isdigit():
        return list(range(-20, -20 + STEPS * int(frequency), int(frequency)))
    return pd.date_range(START, periods=STEPS, freq=frequency).to_pydatetime().tolist()


@dataclass
class Truth:
    """The rows of a file as they are meant, and what is wrong with them.

    A row is the name of its series, its time, and its values: None where there is none, NaN for a
    missing value.
    """

    frequency: str
    given: bool
    duplicates: str
    rows: list[tuple[str | None, Any, list[float]]]
    # faults in cells, in columns and of the file, by the words of the report
    planted: Counter[str] = field(default_factory=Counter)

    def series(self) -> dict[str, dict[Any, list[float]]]:
        """Return the rows of each series by time."""
        found: dict[str, dict[Any, list[float]]] = {}
        for name, time, values in self.rows:
            if name is not None and time is not None:
                own = found.setdefault(name, {})
                if time not in own or self.duplicates == "last":
                    own[time] = values
        return found

    def expected(self) -> tuple[Counter[str], set[str]]:
        """Return the problems that the report must count, and those that it may name as well."""
        wrong, possible = +self.planted, set[str]()
        if unreadable := [word for word in wrong if word.startswith(UNREADABLE)]:
            return Counter(unreadable), possible
        series, times = self.series(), grid(self.frequency)
        if not series:
            # without any row, no target is left
            del wrong["forecasts have a column of this name"]
        pairs = Counter((name, time) for name, time, _ in self.rows if time is not None)
        # a row without a time may be the step that is missing; one without a name, in any series
        incomplete = {name for name, time, _ in self.rows if name is None or time is None}
        known = [time for own in series.values() for time in own]
        if self.given and self.frequency == "h" and known:
            # steps are counted from the first time, which may lie between those of the grid
            times = pd.date_range(min(known), periods=STEPS, freq="h").to_pydatetime().tolist()
        for name, own in series.items():
            off = [time for time in own if time not in times]
            at = sorted(times.index(time) for time in own if time in times)
            regular = not off and at == [*range(at[0], at[0] + len(own))]
            twice = sum(count - 1 for (other, _), count in pairs.items() if other == name)
            refused = twice if self.duplicates == "refuse" else 0
            empty = int(np.isnan([*own.values()]).all(axis=0).sum())
            few = len(own) < 3
            if refused or off or few or not (regular or self.given):
                # either of two rows may count; the values of a series are not checked if rows lie
                # off the steps, which a series of few rows takes from the others; steps without
                # a row are gaps only if a frequency is set
                possible.add("no values at all")
            else:
                wrong["no values at all"] += empty
            if not (regular or self.given):
                # the step that the others have may be taken from this series
                possible.update(IRREGULAR)
            if refused:
                wrong["duplicate time"] += refused
            elif not incomplete & {name, None}:
                wrong["too few rows for a time series"] += few
                if self.given and not few:
                    wrong["unexpected time"] += len(off)
                elif not (regular or few):
                    wrong["irregular"] = 1
        return +wrong, possible

    def regular_in_another_step(self) -> bool:
        """Return whether all series skip the same steps, so that nothing is wrong with them."""
        times = grid(self.frequency)
        known = {time for own in self.series().values() for time in own}
        if self.given or not known <= set(times):
            return False
        positions = [times.index(time) for time in known]
        return math.gcd(*(position - min(positions) for position in positions)) > 1

    def check(self, source: FileSource) -> None:
        """Load the file, and compare."""
        assume(not self.regular_in_another_step())
        wrong, possible = self.expected()
        if wrong:
            with pytest.raises(DataError) as refused:
                load_data(source)
            found: Counter[str] = Counter()
            for problem in refused.value.problems:
                number = problem.count or sum(problem.series.values()) or 1
                found[problem.what.partition(" (")[0]] += number
            if wrong.pop("irregular", 0):
                assert found[IRREGULAR[0]] or found[IRREGULAR[1]], refused.value
            for word in possible:
                del found[word], wrong[word]
            assert found == wrong, refused.value
            return
        series, times = self.series(), grid(self.frequency)
        panel = load_data(source)
        assert panel.names == list(series)
        first = 0
        for role, width in (("targets", len(source.target_columns)), ("past_covariates", 1)):
            array = getattr(panel, role)
            if array is None:
                continue
            for number, own in enumerate(series.values()):
                at = sorted(map(times.index, own))
                steps = times[at[0] : at[-1] + 1]
                nothing = [np.nan] * len(self.rows[0][2])
                values = np.array([own.get(time, nothing) for time in steps])[:, first:]
                values = values[:, :width]
                known = np.flatnonzero(~np.isnan(values).all(axis=1))
                kept = slice(known[0], known[-1] + 1)
                np.testing.assert_array_equal(array.of(number), np.nan_to_num(values[kept]))
                place = slice(array.start[number], array.stop[number])
                assert list(panel.times[place]) == steps[kept]
            first += width


@st.composite
def truths(draw: st.DrawFn, long: bool, width: int, frequencies: list[str]) -> Truth:
    """Draw the rows of regular series, and what happens to them."""
    frequency = draw(st.sampled_from(frequencies))
    times, rows = grid(frequency), []
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    for name in names if long else ["data"]:
        begin = draw(st.integers(0, 5))
        length = draw(st.integers(2, 12))
        values = st.lists(st.just(0.0), min_size=width, max_size=width)
        rows += [(name, time, draw(values)) for time in times[begin : begin + length]]
    for kind in draw(st.lists(st.sampled_from(["drop", "double", "shuffle", "shift"]), max_size=2)):
        which = draw(st.integers(0, len(rows) - 1))
        if kind == "drop" and len(rows) > 3:
            del rows[which]
        elif kind == "double":
            rows.append(rows[which])
        elif kind == "shuffle":
            rows = draw(st.permutations(rows))
        elif kind == "shift" and frequency == "h":
            name, time, own = rows[which]
            rows[which] = name, time + timedelta(minutes=7), own
    policy = draw(st.sampled_from(["refuse", "first", "last"]))
    return Truth(frequency, draw(st.booleans()), policy, rows)


def settings_of(truth: Truth, columns: list[str], long: bool, cut: int) -> dict[str, Any]:
    """Return the fields of the source of these columns: name, time, values."""
    return {
        **COMMON,
        "fill": "zero",
        "series_column": columns[0] if long else None,
        "time_column": columns[1],
        "target_columns": columns[2:][:cut],
        "past_covariates_columns": columns[2:][cut:],
        "frequency": truth.frequency if truth.given else None,
        "duplicates": truth.duplicates,
    }


@fuzzed
@given(data=st.data())
def test_csv_files(data: st.DataObject) -> None:
    """Random CSV files: rows shuffled, repeated, missing; odd names, numbers and dates."""
    draw = data.draw
    long, width = draw(st.booleans()), draw(st.integers(1, 3))
    truth = draw(truths(long, width, ["D", "h", "MS", "W-SUN", "1", "7"]))
    dates = not truth.frequency.isdigit()
    daily = truth.frequency in ("D", "MS", "W-SUN")
    form = draw(st.sampled_from([None, *FORMATS])) if daily else None
    zone = dates and form is None and draw(st.booleans())
    separator = draw(st.sampled_from(",;\t|"))
    decimal = draw(st.sampled_from(".,"))
    faults = draw(st.lists(st.sampled_from(["time", "number", "infinite", "name"]), max_size=2))
    # those of most rows show whether times are dates
    assume(2 * faults.count("time") < len(truth.rows))
    places = [(kind, draw(st.integers(0, len(truth.rows) - 1))) for kind in faults]

    def time_text(time: Any) -> str:
        if not dates:
            return draw(st.sampled_from([str(time), f"{time}.0", f" {time}"]))
        if form is not None:
            return time.strftime(form)
        if zone:
            hours = draw(st.integers(-11, 11))
            moved = time.replace(tzinfo=UTC) + timedelta(hours=hours)
            return f"{moved.replace(tzinfo=None).isoformat()}{hours:+03d}:00"
        styles = [time.isoformat(), time.isoformat(" "), f"{time.isoformat()}Z"]
        return draw(st.sampled_from([*styles, f"{time:%Y-%m-%d}"] if daily else styles))

    lines, meant = [], []
    for row, (name, time, _) in enumerate(truth.rows):
        cells = [name, time_text(time)]
        own: list[float] = []
        for _ in range(width):
            text = draw(st.sampled_from(NUMBERS * 3 + MISSING + list(BOOLEANS)))
            number = BOOLEANS.get(text, np.nan if text in MISSING else None)
            own.append(float(text) if number is None else number)
            cells.append(text.replace(".", decimal) if number is None else text)
        for kind in (kind for kind, place in places if place == row):
            if kind == "time" and time is not None:
                others = BAD_DATES + (AMBIGUOUS if form is None else []) if dates else BAD_NUMBERS
                cells[1] = draw(st.sampled_from(["", *others]))
                time = None
                words = "invalid date" if dates else "non-integer time"
                truth.planted[words] += 1
            elif kind == "name" and long and name is not None:
                cells[0], name = draw(st.sampled_from(["", " "])), None
                truth.planted["missing series name"] += 1
            elif kind in ("number", "infinite") and not np.isposinf(own[0]):
                words = "infinite value" if kind == "infinite" else "non-numeric value"
                others = NOT_NUMBERS + (["1.5"] if decimal == "," else ["1,5"])
                cells[2] = draw(st.sampled_from(INFINITE if kind == "infinite" else others))
                own[0] = np.inf
                truth.planted[words] += 1
        meant.append((name, time, own))
        lines.append(cells)
    truth.rows = meant
    names = draw(
        st.lists(st.sampled_from(HEADERS), min_size=width + 3, max_size=width + 3, unique=True)
    )
    header, ignored = names[: width + 2], names[-1]
    if not long:
        header, lines = header[1:], [cells[1:] for cells in lines]
    # a column that is not used, such as an index
    if draw(st.booleans()):
        header = [draw(st.sampled_from(["", ignored])), *header]
        lines = [[str(number), *cells] for number, cells in enumerate(lines)]
    # a line without any text is no row
    assume(all(any(cell.strip() for cell in cells) for cells in lines))
    layout = draw(st.sampled_from([""] * 6 + ["long row", "two names"]))
    if layout == "long row":
        lines[draw(st.integers(0, len(lines) - 1))].append("1")
        truth.planted["not readable as CSV"] += 1
    elif layout == "two names":
        header.append(header[-1])
        lines = [[*cells, "1"] for cells in lines]
        truth.planted["two columns are called " + repr(header[-1])] += 1
    file = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    writer = csv.writer(file, delimiter=separator, quoting=quoting, lineterminator=end)
    writer.writerow(header)
    for cells in lines:
        writer.writerow(cells)
        if draw(st.integers(0, 9)) == 0:
            file.write(draw(st.sampled_from(["", separator * (len(header) - 1)])) + end)
    text = file.getvalue()
    if draw(st.booleans()):
        text = text.removesuffix(end)
    encoding, setting = draw(
        st.sampled_from(
            [("utf-8", "auto"), ("utf-8-sig", "auto"), ("utf-16", "auto"), ("cp1252", "cp1252")]
        )
    )
    cut = draw(st.sampled_from([width, max(1, width - 1)]))
    columns = settings_of(truth, names[:-1], long, cut)
    targets = columns["target_columns"]
    truth.planted["forecasts have a column of this name"] += "series" in targets
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        path.write_bytes(text.encode(encoding, "replace"))
        found = draw(st.sampled_from(["auto", separator]))
        options = {"separator": found, "decimal": decimal, "time_format": form}
        truth.check(CsvFiles(**columns, **options, path=str(path), encoding=setting))


KINDS = [pl.Float64, pl.Float32, pl.Int8, pl.Int64, pl.UInt64, pl.Boolean, pl.Decimal(10, 2)]


@fuzzed
@given(data=st.data())
def test_parquet_files(data: st.DataObject) -> None:
    """Random Parquet files: all types of numbers and times, missing values, several row groups."""
    draw = data.draw
    long, width = draw(st.booleans()), draw(st.integers(1, 3))
    truth = draw(truths(long, width, ["D", "h", "MS", "1", "7"]))
    dates = not truth.frequency.isdigit()
    limits = {pl.Boolean: (0, 1), pl.UInt64: (0, 2**63), pl.Int8: (-128, 127)}
    columns: list[pl.Series] = []
    for _ in range(width):
        kind = draw(st.sampled_from(KINDS))
        if kind in (pl.Float64, pl.Float32):
            bits = 64 if kind == pl.Float64 else 32
            some = st.floats(-1e9, 1e9, width=bits) | st.just(np.nan)
            some |= st.sampled_from([np.inf]) if draw(st.integers(0, 9)) == 0 else st.nothing()
        else:
            some = st.integers(*limits.get(kind, (-(10**6), 10**6)))
        count = len(truth.rows)
        values = draw(st.lists(some | st.none(), min_size=count, max_size=count))
        columns.append(pl.Series(values, dtype=None if kind == pl.Boolean else kind).cast(kind))
    table = pl.DataFrame([column.alias(f"v{n}") for n, column in enumerate(columns)])
    floats = table.select(pl.all().cast(pl.Float64).fill_null(np.nan)).to_numpy()
    truth.planted["infinite value"] += int(np.isinf(floats).sum())
    names, times = [row[0] for row in truth.rows], [row[1] for row in truth.rows]
    place = draw(st.integers(0, 20))
    if draw(st.integers(0, 9)) == 0 and place < len(times):
        times[place] = None
        truth.planted["missing time"] += 1
    if long and draw(st.integers(0, 9)) == 0 and place < len(names):
        names[place] = draw(st.sampled_from(["", None]))
        truth.planted["missing series name"] += 1
    truth.rows = [
        (name or None, time, own)
        for name, time, own in zip(names, times, floats.tolist(), strict=True)
    ]
    time = pl.Series("time", times)
    if dates:
        units = [pl.Datetime(unit) for unit in ("ms", "us", "ns")]
        whole = truth.frequency != "h" and all(one is None or one.hour == 0 for one in times)
        time = time.cast(draw(st.sampled_from([*units, *([pl.Date] if whole else [])])))
    else:
        time = time.cast(draw(st.sampled_from([pl.Int16, pl.Int64])))
    kind = draw(st.sampled_from([pl.String, pl.Categorical]))
    frame = table.with_columns(time, pl.Series("id", names, pl.String).cast(kind))
    fields = settings_of(
        truth,
        ["id", "time", *table.columns],
        long,
        draw(st.sampled_from([width, max(1, width - 1)])),
    )
    # values of one role are float32 if all of its columns are
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.parquet"
        if draw(st.booleans()):
            frame.write_parquet(path)
        else:
            # pandas has no whole numbers that are missing, and no types without values
            assume(dates or None not in times)
            assume(all(column.count() for column in columns))
            frame.to_pandas().to_parquet(path, index=draw(st.booleans()))
        truth.check(ParquetFiles(**fields, path=str(path)))
