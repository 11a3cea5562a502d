"""A wide file: 22 sectors of employment, a column each.

*The user* forecasts all columns of a file of monthly employment in the United States, then those of
the manufacturers, then each column as a series of its own.

*Before*, all 22 names had to be typed into `data.target_columns=[...]`, and a pattern or a word
ended in an error of Hydra.

*Now* `all` and patterns stand for columns, `data.component_series=true` makes each a series, and
the plot shows the worst and the best of them.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine.project import Finished
from vega_datasets import local_data

from stories.conftest import Figure
from stories.steps import QUICK, done, forecasts, latest

Run = Callable[..., Finished]

DATA = "vega-datasets: us_employment"
SMALL = ["model=nlinear", "model.input_chunk_length=12", "horizon=6", *QUICK]
FILE = ["data=csv", "data.path=wide.csv", "data.time_column=month", "data.season_length=12"]
PARTS = ["data.validation_size=18", "data.test_size=18"]


@pytest.fixture
def wide(workdir: Path) -> pd.DataFrame:
    """Write 22 sectors."""
    table = local_data.us_employment().drop(columns="nonfarm_change")
    assert table.shape == (120, 23)
    table.to_csv("wide.csv", index=False)
    return table.set_index(pd.to_datetime(table.pop("month")))


def test_all_columns_and_patterns(run: Run, wide: pd.DataFrame) -> None:
    for typed, names in (
        ("all", [*wide]),
        ("[*durable_goods,manufacturing]", ["durable_goods", "nondurable_goods", "manufacturing"]),
        ("nonfarm", ["nonfarm"]),
    ):
        done(run("train", *SMALL, *FILE, *PARTS, f"data.target_columns={typed}"))
        assert set(forecasts(latest())["component"]) == set(names)
    done(run("predict", "run=latest", "output=nonfarm.csv"))
    assert list(pd.read_csv("nonfarm.csv"))[1:] == ["nonfarm"]


def test_every_column_as_a_series(run: Run, wide: pd.DataFrame, figure: Figure) -> None:
    alone = ["data.target_columns=all", "data.component_series=true", "metrics=[mase,mae]"]
    printed = done(run("train", *SMALL, *FILE, *PARTS, *alone))
    found = forecasts(latest())
    assert found["series"].nunique() == 22
    assert "worst of 22 series" in printed
    scores = pd.read_csv(latest() / "metrics_by_series.csv").set_index("series")
    for column in ("utilities", "government"):
        (name,) = (name for name in scores.index if re.fullmatch(rf"(.*\W)?{column}", name))
        of_series = found[found["series"] == name]
        truth = wide[column].reindex(of_series["time"]).to_numpy()
        error = np.abs(of_series["model"] - truth).mean()
        training = wide[column].to_numpy()[: 120 - 36]
        scale = np.abs(training[12:] - training[:-12]).mean()
        value = scores.loc[name, "model_mase"]
        figure(8, f"MASE of one of 22 columns, {column}", DATA, value, error / scale)
    worst = scores["model_mase"].idxmax()
    lines = printed.split("worst of 22 series")[1].splitlines()
    assert lines[1].strip().startswith(worst)
