"""A nightly job: new data, the same file of forecasts, and how good the run still is.

*The user* trains once, and every night forecasts from a file that has grown, into the same file. At
the end of the quarter an evaluation shows the new days alone.

*Before*, `predict.py` refused to replace its file, and an evaluation of new data divided all of it
again, so that it scored days of the training, or demanded a training part.

*Now* `overwrite=true` replaces the file, a night that fails leaves the old one in place, and
`evaluate.py data_path=... test_start=...` scores the new days.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from engine.project import Finished
from vega_datasets import local_data

from stories.conftest import Figure
from stories.steps import SMALL, done, forecasts, latest, refusal

Run = Callable[..., Finished]

DATA = "vega-datasets: seattle_weather"
FILE = ["data=csv", "data.path=until.csv", "data.time_column=date", "data.target_columns=temp_max"]


@pytest.fixture
def days(workdir: Path) -> pd.DataFrame:
    """Write the days until September 2015."""
    table = local_data.seattle_weather()[["date", "temp_max"]]
    table[table["date"] < "2015-10-01"].to_csv("until.csv", index=False)
    return table


def test_every_night_the_same_file(run: Run, days: pd.DataFrame) -> None:
    done(run("train", *SMALL, *FILE))
    job = ["run=latest", "output=forecast.csv", "data_path=tonight.csv", "overwrite=true"]
    for night in pd.date_range("2015-10-05", periods=3):
        days[days["date"] <= night].to_csv("tonight.csv", index=False)
        done(run("predict", *job))
        times = pd.to_datetime(pd.read_csv("forecast.csv").iloc[:, 0])
        assert times.tolist() == pd.date_range(night, periods=8)[1:].tolist()
    kept = Path("forecast.csv").read_bytes()
    Path("tonight.csv").write_text("date,temp_max\n2015-10-08,warm\n")
    assert "warm" in refusal(run("predict", *job))
    assert Path("forecast.csv").read_bytes() == kept
    assert "already exists" in refusal(run("predict", *job[:2]))


def test_an_old_run_on_new_days_only(run: Run, days: pd.DataFrame, figure: Figure) -> None:
    done(run("train", *SMALL, *FILE))
    days[days["date"] >= "2015-09-01"].to_csv("new.csv", index=False)
    done(
        run("evaluate", "run=latest", "data_path=new.csv", "test_start=2015-10-01", "after_run=[]")
    )
    found = forecasts(latest("evaluate"))
    assert found["time"].min() == pd.Timestamp("2015-10-01")
    assert found["time"].max() == pd.Timestamp("2015-12-31")
    joined = found.merge(days, left_on="time", right_on="date")
    mae = (joined["model"] - joined["temp_max"]).abs().mean()
    scores = json.loads((latest("evaluate") / "metrics.json").read_text())
    figure(15, "MAE of an old run on new days", DATA, scores["test"]["model"]["mae"], mae)
