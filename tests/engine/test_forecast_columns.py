"""The tables of forecasts have the columns of their source, so that both can be joined."""

import datetime as dt
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from darts.models import NLinearModel
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from my_forecast import load_run
from my_forecast.commands.predict import write_table
from my_forecast.config import QuantileConfig
from my_forecast.data import DataError, Panel, Split, fit_scalers, load_data
from my_forecast.data.files import CsvFiles, FrameSource, ParquetFiles
from my_forecast.errors import UserError
from my_forecast.evaluation.forecast import as_in_source, forecast
from my_forecast.large_data import StoredPanel
from my_forecast.large_data.store import write_store
from my_forecast.modeling.bundle import Bundle

from engine.project import Finished
from engine.series import COMMON, series_set

Run = Callable[..., Finished]
STEPS, AHEAD = 6, 3
KEYS = {
    "whole numbers": (pl.Int64(), st.integers(-(2**62), 2**62)),
    "short numbers": (pl.Int16(), st.integers(-9, 999)),
    "texts": (pl.String(), st.from_regex("[a/é][ 07-]{0,2}[a/é]", fullmatch=True)),
    "days": (pl.Date(), st.dates(dt.date(1999, 1, 1), dt.date(2030, 1, 1))),
    "yes or no": (pl.Boolean(), st.booleans()),
}
FIRST = dt.datetime(2024, 2, 27)
TIMES = {
    "days": (pl.Date(), dt.timedelta(days=1)),
    "half hours": (pl.Datetime("ms"), dt.timedelta(minutes=30)),
    "nanoseconds": (pl.Datetime("ns"), dt.timedelta(hours=1)),
    "numbers": (pl.Int32(), 7),
}


@cache
def trained() -> Bundle:
    """Return a model, and a scaler that takes any series."""
    data = series_set(20, 20)
    scalers = fit_scalers(data, Split(*[data.targets.stop] * 2), "standard", fit="global")
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
    model = NLinearModel(3, 2, n_epochs=1, pl_trainer_kwargs=quiet)
    model.fit(scalers.transform(data).to_series(), dataloader_kwargs={"pin_memory": False})
    return Bundle(model, scalers)


def forecasts(data: Panel, time_format: str | None = None) -> pd.DataFrame:
    """Return forecasts of ``AHEAD`` steps as ``predict.py`` writes them."""
    return as_in_source(forecast(trained(), data, AHEAD, QuantileConfig()), data, time_format)


@st.composite
def long_tables(draw: st.DrawFn) -> tuple[pl.DataFrame, list[str], pl.Series]:
    """Return rows of series of several lengths, their keys, and whether a row is in the future."""
    kinds = draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3))
    one = st.tuples(*(KEYS[kind][1] for kind in kinds))
    series = draw(st.lists(one, min_size=1, max_size=4, unique=True))
    keys = [f"key {number}" for number in range(len(kinds))]
    time_type, step = TIMES[draw(st.sampled_from(sorted(TIMES)))]
    first = 0 if isinstance(step, int) else FIRST
    rows, future = list[tuple[Any, ...]](), list[bool]()
    for key in series:
        steps = draw(st.integers(STEPS, 2 * STEPS))
        rows += [(*key, first + n * step, float(n % 3)) for n in range(steps + AHEAD)]
        future += [n >= steps for n in range(steps + AHEAD)]
    table = pl.DataFrame(rows, [*keys, "at", "y"], orient="row")
    types = {key: KEYS[kind][0] for key, kind in zip(keys, kinds, strict=True)}
    table = table.cast({**types, "at": time_type})
    names = table.select(pl.concat_str(pl.col(keys).cast(pl.String), separator="/"))
    assume(names.n_unique() == len(series))
    return table, keys, pl.Series(future)


@settings(max_examples=40)
@given(table=long_tables(), kind=st.sampled_from(["csv", "parquet", "frame", "store"]))
def test_forecasts_are_joined_with_what_happened(
    table: tuple[pl.DataFrame, list[str], pl.Series], kind: str
) -> None:
    actual, keys, future = table
    labels = [*keys, "at"]
    columns = {"time_column": "at", "target_columns": ["y"], "series_column": keys}
    with tempfile.TemporaryDirectory() as name:
        folder, suffix = Path(name), "csv" if kind == "csv" else "parquet"
        whole, path, output = (folder / f"{n}.{suffix}" for n in ("actual", "input", "forecast"))
        for place, rows in ((whole, actual), (path, actual.filter(~future))):
            if kind == "csv":
                rows.write_csv(place, datetime_format="%F %T")
            else:
                rows.write_parquet(place)
        if kind == "csv":
            source: Any = CsvFiles(**COMMON, **columns, path=path.as_posix())
        elif kind == "frame":
            source = FrameSource(**COMMON, **columns, frame=pd.read_parquet(path))
        else:
            source = ParquetFiles(**COMMON, **columns, path=path.as_posix())
        if kind == "store":
            (folder / "store").mkdir()
            write_store(folder / "store", source)
            source = StoredPanel(**COMMON, path=f"{name}/store")
        write_table(forecasts(load_data(source)), output)
        dates = ["at"] if actual["at"].dtype.is_temporal() else []
        found, known = (
            pd.read_csv(one, parse_dates=dates) if kind == "csv" else pd.read_parquet(one)
            for one in (output, whole)
        )
        if kind == "parquet":
            schema = pl.read_parquet_schema(output)
            assert [schema[label] for label in labels] == actual.select(labels).dtypes
    assert list(found) == [*labels, "y"]
    assert found[labels].dtypes.to_dict() == known[labels].dtypes.to_dict()
    joined = found.merge(known, on=labels, validate="one_to_one")
    assert len(joined) == len(found) == future.sum()


def write(rows: str, header: str = "shop,day,y") -> dict[str, Any]:
    """Write a CSV file, and return the keys of its source."""
    Path("x.csv").write_text(f"{header}\n{rows}", encoding="utf-8")
    columns = {"time_column": "day", "target_columns": ["y"], "path": "x.csv"}
    return {**COMMON, **columns, "series_column": "shop"}


def test_dates_are_written_as_the_files_write_them(run: Run, workdir: Path) -> None:
    days = pd.date_range("2024-01-01", periods=60)
    for name, form, first in (("a", "%d.%m.%Y", "01.03.2024"), ("b", "%Y%m%d", 20240301)):
        write("".join(f"{shop},{day:{form}},{day.day}\n" for shop in "ab" for day in days))
        train = ["data=csv", "data.path=x.csv", "data.time_column=day", "data.series_column=shop"]
        fast = ["model=nlinear", "model.input_chunk_length=6", "horizon=3", "trainer.max_epochs=1"]
        own = [f"data.time_format={form}", "after_run=[]", f"hydra.run.dir={name}", *fast]
        assert run("train", *train, *own).code == 0
        for output in ("f.csv", "f.parquet"):
            assert run("predict", f"run={name}", f"output={output}", "overwrite=true").code == 0
        table = pd.read_csv("f.csv")
        assert list(table) == ["shop", "day", "y"]
        assert table["day"].tolist()[::3] == [first] * 2
        # where dates have a type of their own they are dates
        assert pd.read_parquet("f.parquet")["day"].dtype.kind == "M"
        assert pd.DataFrame(load_run(name).forecast())["day"].tolist()[0] == days[-1] + days.freq


@pytest.mark.parametrize(
    ("shops", "kind"), [(["7", "-12"], "i"), (["07", "12"], "O"), (["7", "x"], "O")]
)
def test_text_that_is_exactly_a_whole_number_is_one(
    shops: list[str], kind: str, workdir: Path
) -> None:
    rows = "".join(f"{shop},{day},{day % 2}\n" for shop in shops for day in range(8))
    found = forecasts(load_data(CsvFiles(**write(rows))))["shop"]
    assert found.astype(str).unique().tolist() == shops
    assert found.dtype.kind == kind


def test_numbers_in_one_file_and_text_in_another_are_text(workdir: Path) -> None:
    for number, shops in enumerate(([1, 2], ["x", "2"])):
        rows = [(shop, day + 6 * number, 0.5) for shop in shops for day in range(6)]
        pl.DataFrame(rows, ["shop", "day", "y"], orient="row").write_parquet(f"{number}.parquet")
    own = write("") | {"path": "*.parquet"}
    assert forecasts(load_data(ParquetFiles(**own)))["shop"].unique().tolist() == ["1", "2", "x"]


def test_times_that_do_not_fit_their_type_in_the_source_have_a_longer_one(workdir: Path) -> None:
    days = pl.date_range(dt.date(2024, 1, 1), dt.date(2024, 1, 6), eager=True)
    weeks = pl.Series([122, 123, 124, 125, 126, 127], dtype=pl.Int8)
    for times, frequency, expected in (
        (days, "12h", pd.Timestamp("2024-01-06 12:00")),
        (weeks, None, 128),
    ):
        pl.DataFrame({"day": times, "y": np.arange(6.0)}).write_parquet("x.parquet")
        own = write("") | {"path": "x.parquet", "series_column": None, "frequency": frequency}
        found = forecasts(load_data(ParquetFiles(**own)))
        assert list(found) == ["day", "y"]
        assert found["day"][0] == expected


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Melbourne"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "frame"])
def test_forecasts_of_times_with_a_zone_have_that_zone(zone: str, kind: str, workdir: Path) -> None:
    """Across the changes between winter and summer time of 2024, two in each zone."""
    for date, step in (
        ("2024-03-10", "h"),
        ("2024-11-03", "30min"),
        ("2024-04-07", "30min"),
        ("2024-10-06", "h"),
    ):
        # the last ones are ahead: until then, clocks have changed
        times = pd.date_range(date, periods=STEPS + AHEAD, freq=step, tz=zone)
        frame = pd.DataFrame({"day": times, "y": np.arange(len(times)) % 2.0})
        frame[:STEPS].to_parquet("x.parquet")
        own = write("") | {"path": "x.parquet", "series_column": None}
        source: Any = ParquetFiles(**own)
        if kind == "frame":
            del own["path"]
            source = FrameSource(**own, frame=frame[:STEPS])
        found = forecasts(load_data(source))
        output = Path("f.csv" if kind == "csv" else "f.parquet")
        write_table(found, output)
        if kind == "csv":
            assert pd.read_csv(output)["day"].tolist() == list(map(str, times[STEPS:]))
        else:
            assert len(pd.read_parquet(output).merge(frame, on="day")) == AHEAD
            assert str(pd.read_parquet(output)["day"].dtype.tz) == zone  # type: ignore[union-attr]


@pytest.mark.parametrize(("form", "end"), [(None, "+00:00"), ("%d.%m.%Y %H:%M%z", "+0000")])
def test_forecasts_of_text_with_an_offset_say_that_they_are_utc(
    form: str | None, end: str, workdir: Path
) -> None:
    """Across the end of summer time, where the offset changes."""
    times = pd.date_range("2024-10-27", periods=STEPS + AHEAD, freq="h", tz="Europe/Berlin")
    texts = [time.strftime(form) if form else time.isoformat() for time in times]
    own = write("") | {"series_column": None, "time_format": form}
    write("".join(f"{text},{n % 2}\n" for n, text in enumerate(texts[:STEPS])), "day,y")
    write_table(forecasts(load_data(CsvFiles(**own)), form), Path("f.csv"))
    found = pd.read_csv("f.csv")["day"]
    assert found.str.endswith(end).all()
    assert pd.to_datetime(found, format=form, utc=True).tolist() == list(times[STEPS:])


def test_components_as_series_have_the_keys_of_their_series(workdir: Path) -> None:
    rows = "".join(f"{shop},{day},{day % 2},{day % 3}\n" for shop in (1, 2) for day in range(8))
    own = write(rows, "shop,day,y,z") | {"target_columns": ["y", "z"], "component_series": True}
    found = forecasts(load_data(CsvFiles(**own)))
    assert list(found) == ["shop", "component", "day", "value"]
    series = found[["shop", "component"]].drop_duplicates().to_numpy().tolist()
    assert series == [[1, "y"], [1, "z"], [2, "y"], [2, "z"]]
    own = write(rows, "component,day,y,z") | own | {"series_column": "component"}
    with pytest.raises(UserError, match="a column 'component', but a column of this name"):
        load_data(CsvFiles(**own))


@pytest.mark.parametrize("name", ["shop", "day"])
def test_what_names_a_row_is_not_forecast(name: str, workdir: Path) -> None:
    own = write("".join(f"{shop},{day},1\n" for shop in (1, 2) for day in range(8)))
    with pytest.raises(DataError, match=f"column '{name}': forecasts have a column of this name"):
        load_data(CsvFiles(**own | {"target_columns": [name]}))


def test_wide_files_are_series_of_their_names(workdir: Path) -> None:
    for name in ("north", "south"):
        write("".join(f"{day},{day % 2}\n" for day in range(8)), "day,y")
        Path("x.csv").rename(f"{name}.csv")
    found = forecasts(load_data(CsvFiles(**write("") | {"path": "*th.csv", "series_column": None})))
    assert list(found) == ["series", "day", "y"]
    assert found["series"].unique().tolist() == ["north", "south"]
