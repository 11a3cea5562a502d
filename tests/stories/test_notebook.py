"""A notebook and a service: forecasts of data frames.

*The user* loads a finished run in Python, gives it data frames, and serves forecasts from a process
that runs for weeks.

*Before*, a data frame had to bring the columns that the calendar had made in training, and
Lightning printed its banners with every forecast.

*Now* calendar, holidays and static covariates are added as in the training, the frame may be newer
than the file, and the forecasts print nothing and are those of `predict.py`. They have the columns
of the file, so that a join works.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine.project import Finished
from my_forecast import load_run

from stories.data import pizzas
from stories.steps import SMALL, done

Run = Callable[..., Finished]

FILE = [
    *("data=csv", "data.path=sales.csv", "data.time_column=day", "data.target_columns=sold"),
    *("data.series_column=[sort,size]", "data.static_covariates_columns=[rank]", "model=tide"),
    *("covariates=calendar", "data.covariates.calendar.holidays=US", "model.hidden_size=16"),
]


@pytest.fixture
def sales(workdir: Path) -> pd.DataFrame:
    """Write the sales of each sort in three sizes."""
    sold = pizzas()
    sold = sold[sold["size"].isin(["S", "M", "L"])].groupby(["date", "type", "size"]).size()
    sold = sold.unstack([1, 2]).reindex(pd.date_range("2015-01-01", "2015-12-31")).fillna(0)
    table = sold.rename_axis(index="day").stack([0, 1]).rename("sold").reset_index()
    table = table.rename(columns={"type": "sort"})
    table["rank"] = table["size"].map({"S": 1, "M": 2, "L": 3})
    table.to_csv("sales.csv", index=False)
    return table


def test_a_service_answers_again_and_again(
    run: Run, sales: pd.DataFrame, capfd: pytest.CaptureFixture[str]
) -> None:
    done(run("train", *SMALL, *FILE))
    done(run("predict", "run=latest", "output=next.csv"))
    capfd.readouterr()
    service = load_run("latest", "cpu")
    answers = [service.forecast(sales, horizon=7) for _ in range(3)]
    for answer in answers[1:]:
        pd.testing.assert_frame_equal(answers[0], answer, check_exact=True)
    written = pd.read_csv("next.csv")
    np.testing.assert_allclose(answers[0]["sold"], written["sold"], rtol=1e-5)
    # a frame that ends earlier is forecast from its own end, across the holidays
    early = sales[sales["day"] < "2015-12-24"]
    answer = service.forecast(early, horizon=7)
    times = answer.filter(regex="day|time").iloc[:, 0]
    assert set(pd.to_datetime(times)) == set(pd.date_range("2015-12-24", periods=7))
    assert len(answer) == 12 * 7
    printed = capfd.readouterr()
    assert "GPU available" not in printed.out + printed.err
    assert "litlogger" not in printed.out + printed.err


@pytest.mark.slow_story
def test_forecasts_are_joined_back_to_the_input(run: Run, sales: pd.DataFrame) -> None:
    """By the keys of the file, two columns, each with the type that it has there."""
    done(run("train", *SMALL, *FILE))
    done(run("predict", "run=latest", "output=next.csv"))
    done(run("predict", "run=latest", "output=next.parquet", "overwrite=true"))
    for ahead in (pd.read_csv("next.csv", parse_dates=["day"]), pd.read_parquet("next.parquet")):
        assert [*ahead][:3] == ["sort", "size", "day"]
        last_year = ahead.assign(day=ahead["day"] - pd.Timedelta(364, "D"))
        joined = last_year.merge(sales, on=["sort", "size", "day"], suffixes=("", "_then"))
        assert len(joined) == len(ahead) == 12 * 7
