"""``data.time_zone``: local times become UTC, and forecasts and calendars are local again."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.data import DataError, Panel, load_data
from my_forecast.data.files import CsvFiles, ParquetFiles, load_frame
from my_forecast.evaluation.forecast import as_in_source
from my_forecast.large_data.store import StoredPanel, write_store

from engine.series import COMMON

FILE: dict[str, Any] = {
    **COMMON,
    "time_column": "time",
    "target_columns": ["y"],
    "series_column": "id",
}
NEW_YORK, MELBOURNE = "America/New_York", "Australia/Melbourne"
# a few days around the changes of 2024
CHANGES = {
    NEW_YORK: ("2024-03-09", "2024-11-02"),
    MELBOURNE: ("2024-04-06", "2024-10-05"),
    # changes by half an hour
    "Australia/Lord_Howe": ("2024-04-06", "2024-10-05"),
    # no summer time, and no whole hours from UTC
    "Asia/Kolkata": ("2024-03-09", "2024-11-02"),
}


def rows_of(times: pd.DatetimeIndex, names: str = "ab") -> pd.DataFrame:
    """Return one row of each series for every time, in turn."""
    ids = [name for _ in times for name in names]
    return pd.DataFrame(
        {"id": ids, "time": times.repeat(len(names)), "y": np.arange(len(ids)) * 1.0}
    )


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Panel]:
    """Return a function that loads the rows of a frame from a CSV or Parquet file."""

    def of(frame: pd.DataFrame, kind: type[Any] = CsvFiles, **changes: Any) -> Panel:
        path = tmp_path / f"data{kind.suffix}"
        write = frame.to_csv if kind is CsvFiles else frame.to_parquet
        write(path, index=False)
        return load_data(kind(**FILE | {"path": str(path)} | changes))

    return of


# where clocks change by half an hour, times of whole hours do not show which of two a half hour is
ZONES_AND_STEPS = [(zone, step) for zone in CHANGES for step in ("30min", "h")]
ZONES_AND_STEPS.remove(("Australia/Lord_Howe", "h"))


@pytest.mark.parametrize(("zone", "step"), ZONES_AND_STEPS)
@pytest.mark.parametrize("written", ["local", "offsets", "zoned Parquet"])
def test_local_times_are_regular_at_both_changes(
    zone: str, step: str, written: str, load: Callable[..., Panel]
) -> None:
    for day in CHANGES[zone]:
        times = pd.date_range(day, periods=100, freq=step, tz=zone)
        frame = rows_of(times)
        if written == "local":
            frame["time"] = frame["time"].dt.tz_localize(None)
        kind = ParquetFiles if written == "zoned Parquet" else CsvFiles
        panel = load(frame, kind, time_zone=zone)
        assert (panel.local(panel.times) == times).all()
        assert [len(series) for series in panel.to_series()] == [100, 100]
        np.testing.assert_array_equal(panel.to_series()[0].values()[:, 0], np.arange(0, 200, 2))


@settings(max_examples=60)
@given(data=st.data())
def test_forecasts_have_the_times_of_their_rows(data: st.DataObject) -> None:
    """From the file to the panel and back is the identity, wherever the series begins."""
    zone = data.draw(st.sampled_from([*CHANGES]))
    steps = ["15min", "30min"] + ["h", "2h"] * (zone != "Australia/Lord_Howe")
    step = data.draw(st.sampled_from(steps))
    first = pd.Timestamp(data.draw(st.sampled_from(CHANGES[zone])), tz=zone)
    first += pd.Timedelta(data.draw(st.integers(0, 200)) * 15, "min")
    times = pd.date_range(first, periods=data.draw(st.integers(5, 60)), freq=step)
    local = data.draw(st.booleans())
    frame = rows_of(times.tz_localize(None) if local else times)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.csv"
        frame.to_csv(path, index=False)
        source = CsvFiles(**FILE | {"path": str(path), "time_zone": zone})
        panels = [load_data(source), load_frame(source, frame)]
    for panel in panels:
        table = pd.DataFrame({"series": "a", "time": panel.times, "y": 0.0})
        found = as_in_source(table, panel)["time"]
        if (times == times.normalize()).all():
            assert found.dt.tz is None
            continue
        assert str(found.dt.tz) == zone
        # a single row of the hour that comes twice is summer time
        expected = times.tz_localize(None).tz_localize(
            zone, ambiguous=~times.tz_localize(None).duplicated()
        )
        assert set(expected) <= set(found) if local else (found == times).all()


def test_christmas_begins_at_midnight_in_melbourne(load: Callable[..., Panel]) -> None:
    times = pd.date_range("2024-12-22", periods=24 * 6, freq="h", tz=MELBOURNE)
    node = {"_target_": "my_forecast.calendar.calendar", "_partial_": True}
    node |= {"attributes": ["hour"], "holidays": "AU"}
    frame = rows_of(times.tz_localize(None), "a")
    panel = load(frame, time_zone=MELBOURNE, covariates={"calendar": node})
    [known] = panel.to_series("future_covariates")
    table = pd.DataFrame(known.values(), times, known.components)
    holidays = table.index[table["holidays"] == 1].tz_localize(None)
    assert holidays[0] == pd.Timestamp("2024-12-25 00:00")
    assert holidays[-1] == pd.Timestamp("2024-12-26 23:00")
    sine = next(name for name in table if "hour_sin" in name)
    np.testing.assert_allclose(table[sine], np.sin(2 * np.pi * times.hour / 24), atol=1e-6)


@pytest.mark.parametrize("kind", [CsvFiles, ParquetFiles])
def test_days_have_no_zone(kind: type[Any], load: Callable[..., Panel]) -> None:
    for day in CHANGES[NEW_YORK]:
        days = pd.date_range(day, periods=9, freq="D", tz=NEW_YORK)
        panel = load(rows_of(days), kind, time_zone=NEW_YORK)
        assert panel.zone is None
        assert (panel.times == days.tz_localize(None)).all()


def test_hours_are_aggregated_to_local_days(load: Callable[..., Panel]) -> None:
    hours = pd.date_range("2024-03-09", periods=71, freq="h", tz=NEW_YORK)
    rules = {"time_zone": NEW_YORK, "resample": "D", "aggregate": "count"}
    panel = load(rows_of(hours.tz_localize(None), "a"), **rules)
    [series] = panel.to_series()
    # the second day has 23 hours
    assert series.values()[:, 0].tolist() == [24, 23, 24]
    assert series.time_index[0] == pd.Timestamp("2024-03-09")


def test_dates_of_the_config_are_local(load: Callable[..., Panel]) -> None:
    hours = pd.date_range("2024-03-09", periods=100, freq="h", tz=NEW_YORK)
    panel = load(rows_of(hours.tz_localize(None), "a"), time_zone=NEW_YORK, end="2024-03-10 05:00")
    assert panel.local(panel.times[[panel.targets.stop[0] - 1]])[0] == hours[28]
    assert panel.position("2024-03-10T09:00Z", "data.test_start") == 28


def test_a_time_that_does_not_exist_is_named(load: Callable[..., Panel]) -> None:
    times = pd.date_range("2024-03-10", periods=24, freq="h")
    with pytest.raises(DataError) as error:
        load(rows_of(times, "a"), time_zone=NEW_YORK)
    [problem] = error.value.problems
    assert (problem.count, problem.places) == (1, ["2024-03-10 02:00:00"])
    assert NEW_YORK in problem.what


def test_a_zone_is_checked() -> None:
    with pytest.raises(ValueError, match="Did you mean Europe/Berlin"):
        CsvFiles(**FILE | {"path": "x.csv", "time_zone": "Europe/Berln"})


def test_a_store_keeps_the_zone(tmp_path: Path) -> None:
    path, hours = tmp_path / "data.csv", pd.date_range("2024-03-09", periods=50, freq="h")
    rows_of(hours.delete(26)).to_csv(path, index=False)
    source = CsvFiles(**FILE | {"path": str(path), "time_zone": NEW_YORK})
    (tmp_path / "store").mkdir()
    write_store(tmp_path / "store", source)
    kept = load_data(StoredPanel(**COMMON | {"path": str(tmp_path / "store")}))
    assert kept.zone == NEW_YORK
    assert (kept.times == load_data(source).times).all()
