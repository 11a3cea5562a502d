"""A retail panel with promotions, which are planned ahead.

*The user* has daily sales of four sorts of pizza, days on which a sort is offered, and a plan of
the next offers in a file of its own.

*Before*, a plan that begins late or ends early ended in an error without the series and the dates.

*Now* the message names the column, the series and the times, and `future_path` takes the plan; the
forecast knows the offers.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine.project import Finished

from stories.data import pizzas
from stories.steps import SMALL, done, refusal

Run = Callable[..., Finished]

FILE = [
    *("data=csv", "data.path=sales.csv", "data.time_column=day", "data.target_columns=sold"),
    *("data.series_column=sort", "data.future_covariates_columns=[offer]", "data.fill=zero"),
]


@pytest.fixture
def sales(workdir: Path) -> pd.DataFrame:
    """Write the sales, with offers on some days, and the plan of two weeks."""
    sold = pizzas().groupby(["date", "type"]).size().unstack()
    sold = sold.reindex(pd.date_range("2015-01-01", "2015-12-31")).fillna(0)
    table = sold.melt(var_name="sort", value_name="sold", ignore_index=False)
    table = table.rename_axis("day").reset_index()
    table["offer"] = (np.random.default_rng(0).random(len(table)) < 0.2).astype(int)
    # what an offer does
    table["sold"] += 200 * table["offer"]
    table.to_csv("sales.csv", index=False)
    days = pd.date_range("2016-01-01", periods=14, name="day")
    plan = pd.DataFrame({"sort": name, "day": days} for name in sold).explode("day")
    plan["offer"] = (plan["day"].dt.dayofweek == 1).astype(int)
    plan.to_csv("plan.csv", index=False)
    return table


def test_the_plan_makes_the_forecast(run: Run, sales: pd.DataFrame) -> None:
    learn = ["model=tide", "model.hidden_size=16", "trainer.max_epochs=10"]
    done(run("train", *SMALL, *FILE, *learn))
    text = refusal(run("predict", "run=latest", "output=next.csv"))
    assert "future covariates end at 2015-12-31" in text
    assert "2016-01-07" in text
    done(run("predict", "run=latest", "output=next.csv", "future_path=plan.csv"))
    table = pd.read_csv("next.csv")
    assert len(table) == 4 * 7
    days = pd.to_datetime(table.filter(regex="day|time").iloc[:, 0])
    by_day = table.groupby(days.dt.dayofweek)["sold"].mean()
    # the offers of the plan are on Tuesdays
    assert by_day.idxmax() == 1


def test_a_column_that_begins_late_is_named(run: Run, sales: pd.DataFrame) -> None:
    late = (sales["sort"] == "veggie") & (sales["day"] < "2015-03-01")
    sales["offer"] = sales["offer"].astype(float).where(~late, np.nan)
    sales.to_csv("sales.csv", index=False)
    text = refusal(run("train", *SMALL, *FILE, "data.fill=linear"))
    assert "veggie" in text
    assert "offer" in text
    assert "2015-03-01" in text
