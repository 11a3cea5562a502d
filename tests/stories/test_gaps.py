"""Gaps: a sensor was silent for two weeks of the test.

*The user* trains on the daily maximum temperatures of Seattle, in which fourteen days of the test
part are blank, with the defaults of `data=csv`.

*Before*, the blank days were filled by a line and scored as if they had been measured. In a trial
with such blanks, the MAE rose from 0.256 to 0.373 and the skill fell from 60 % to 17 %; the only
sign was "Filled 337 missing values".

*Now* the title of the results says how many values are not scored, `forecasts.parquet` marks them,
and every metric is the one of the measured days. The baseline is the best of four on the
validation part, and is named. A job that has no use for the guesses in its training sets
`data.train_on_filled=false`.
"""

import json
from collections.abc import Callable
from pathlib import Path

import darts.metrics
import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from engine.project import Finished, fixtures
from vega_datasets import local_data

from stories.conftest import Figure
from stories.steps import SMALL, done, forecasts, latest

Run = Callable[..., Finished]

BLANK = pd.date_range("2015-10-01", periods=14)
FILE = ["data=csv", "data.path=days.csv", "data.time_column=date", "data.target_columns=temp_max"]
DATA = "vega-datasets: seattle_weather"


@pytest.fixture
def table(workdir: Path) -> pd.DataFrame:
    """Write the file of the user, and return it as pandas reads it."""
    frame = local_data.seattle_weather()[["date", "temp_max"]]
    frame.loc[frame["date"].isin(BLANK), "temp_max"] = np.nan
    frame.to_csv(workdir / "days.csv", index=False)
    return pd.read_csv("days.csv", parse_dates=["date"])


def test_only_measured_days_are_scored(run: Run, table: pd.DataFrame, figure: Figure) -> None:
    printed = done(run("train", *SMALL, *FILE))
    assert "Filled 14 missing values" in printed
    found, scores = forecasts(latest()), json.loads((latest() / "metrics.json").read_text())
    # the truth is that of the user's file
    joined = found.merge(table, left_on="time", right_on="date")
    measured = joined[joined["temp_max"].notna()]
    silent = len(joined) - len(measured)
    assert f"{silent} of {len(joined)} values missing and not scored" in printed
    assert (~found["observed"]).sum() == silent
    for name in ("model", "baseline"):
        mae = (measured[name] - measured["temp_max"]).abs().mean()
        figure(1, f"MAE of the {name}, two weeks blank", DATA, scores["test"][name]["mae"], mae)
    of_model, of_baseline = (
        (measured[name] - measured["temp_max"]).abs().mean() for name in ("model", "baseline")
    )
    figure(1, "skill", DATA, scores["skill"]["score"], 1 - of_model / of_baseline)


def test_the_baseline_is_the_best_of_four(run: Run, table: pd.DataFrame, figure: Figure) -> None:
    done(run("train", *SMALL, *FILE))
    scores = json.loads((latest() / "metrics.json").read_text())
    values, count = table["temp_max"].to_numpy(), len(table)
    test = count - int(0.1 * count)
    validation = test - int(0.1 * count)
    starts = np.arange(validation, test - 6)
    steps = np.arange(7)
    truth = values[starts[:, None] + steps]
    last = values[starts - 1][:, None]
    rise = (last - values[0]) / (starts - 1)[:, None]
    guesses = {
        "seasonal naive": values[starts[:, None] - 7 + steps],
        "naive": last + 0 * steps,
        "drift": last + rise * (steps + 1),
        "moving average": np.stack([values[s - 7 : s] for s in starts]).mean(axis=1)[:, None],
    }
    errors = {name: np.abs(truth - guess).mean() for name, guess in guesses.items()}
    best = min(errors, key=errors.__getitem__)
    assert scores["skill"]["baseline"] == best
    found = scores["validation"]["baseline"]["mae"]
    figure(5, f"validation MAE of the best baseline ({best})", DATA, found, errors[best])


def test_anybody_can_compute_the_metrics(run: Run, table: pd.DataFrame, figure: Figure) -> None:
    metrics = "metrics=[mae,mse,smape,r2_score]"
    done(run("train", *SMALL, *FILE, metrics))
    found, scores = forecasts(latest()), json.loads((latest() / "metrics.json").read_text())
    known = found[found["observed"]]
    truth = TimeSeries.from_values(known["truth"].to_numpy())
    for name, value in scores["test"]["model"].items():
        forecast = TimeSeries.from_values(known["model"].to_numpy())
        other = getattr(darts.metrics, name)(truth, forecast)
        figure(6, f"{name} from forecasts.parquet", DATA, value, other)


def test_guesses_may_stay_out_of_the_training(run: Run, table: pd.DataFrame) -> None:
    """As if the user had given every blank day of the training part a weight of 0 by hand."""
    early = pd.date_range("2014-03-01", periods=60)
    table.loc[table["date"].isin(early), "temp_max"] = np.nan
    table.assign(w=table["temp_max"].notna().astype(int)).to_csv("days.csv", index=False)
    done(run("train", *SMALL, *FILE, "data.train_on_filled=false", "hydra.run.dir=one"))
    done(run("train", *SMALL, *FILE, "data.sample_weight_column=w", "hydra.run.dir=other"))
    done(run("train", *SMALL, *FILE, "hydra.run.dir=all"))
    assert fixtures.same_weights(Path("one"), Path("other"))
    assert not fixtures.same_weights(Path("one"), Path("all"))
