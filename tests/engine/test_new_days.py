"""``evaluate.py test_start=...``: an old run on new days."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast import load_run
from my_forecast.evaluation.backtest import backtest, with_reference

from engine.project import Finished

Command = Callable[..., Finished]
TRAIN = [
    "data=csv",
    "data.path=old.csv",
    "data.season_length=4",
    "data.end=79",
    "model=tide",
    "horizon=3",
    "model.input_chunk_length=8",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "after_run=[]",
    "hydra.run.dir=outputs/one",
]
EVALUATE = ["run=latest", "accelerator=cpu", "data_path=new.csv", "hydra.run.dir=tested"]


def write(name: str, ids: str, days: range) -> pd.DataFrame:
    """Write the same values for the same days of a series, whatever the file, and return them."""
    parts = []
    for id_ in ids:
        y = ord(id_) + np.random.default_rng(ord(id_)).random(200) + np.arange(200) % 4
        parts.append(pd.DataFrame({"unique_id": id_, "ds": days, "y": y[days.start : days.stop]}))
    table = pd.concat(parts)
    table.to_csv(name, index=False)
    return table


@pytest.fixture
def old(run: Command, workdir: Path) -> pd.DataFrame:
    """Train on two series of 80 days, and return them."""
    table = write("old.csv", "ab", range(80))
    assert run("train", *TRAIN).code == 0
    return table


def test_new_days_are_scored_by_the_scale_and_the_baseline_of_the_run(
    old: pd.DataFrame, run: Command, workdir: Path
) -> None:
    write("new.csv", "ab", range(92, 120))
    done = run("evaluate", *EVALUATE, "test_start=100")
    assert done.code == 0, done.out + done.err
    table = pl.read_parquet("tested/forecasts.parquet")
    # every forecast of 3 steps within the 20 days from 100 on
    assert table["origin"].unique().sort().to_list() == list(range(99, 117))
    scores = json.loads(Path("tested/metrics.json").read_text())
    trained = json.loads(Path("outputs/one/metrics.json").read_text())
    assert scores["skill"]["baseline"] == trained["skill"]["baseline"]
    assert f"Baseline ({scores['skill']['baseline']}) and scales are those of the run." in done.out
    expected = []
    for id_ in "ab":
        train = old[old["unique_id"] == id_]["y"].to_numpy()[:64]
        own = table.filter(pl.col("series") == id_)
        error = np.abs(own["truth"] - own["model"]).mean()
        expected.append(error / np.abs(train[4:] - train[:-4]).mean())
    assert scores["test"]["model"]["mase"] == pytest.approx(np.mean(expected))


@pytest.mark.usefixtures("old")
def test_nothing_before_the_input_of_a_forecast_changes_it(workdir: Path) -> None:
    found = load_run("latest", "cpu")

    @settings(max_examples=20)
    @given(start=st.integers(8, 117), extra=st.integers(0, 60), stride=st.integers(1, 5))
    def same(start: int, extra: int, stride: int) -> None:
        spec = found.backtest_spec(stride=stride)
        tables = []
        for begin in (start - 8, max(0, start - 8 - extra)):
            write("part.csv", "ab", range(begin, 120))
            loaded = found.load_data(3, "part.csv", test_start=start)
            data, split = found.split(loaded, 3, start)
            tested = backtest(
                found.bundle, data, split, with_reference(found.bundle, data, split, spec)
            )
            assert (data.times[split.test_start] == start).all()
            tables.append(tested)
        one, other = tables
        assert list(one.windows) == list(other.windows) == [len(range(start, 118, stride))] * 2
        np.testing.assert_array_equal(one.forecasts["model"], other.forecasts["model"])
        np.testing.assert_array_equal(one.truth, other.truth)
        assert all(np.array_equal(one.scale[name], other.scale[name]) for name in one.scale)

    same()


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize(
    ("ids", "start", "message"),
    [
        ("ab", "120", "test_start: 120 is after the end of the data, 119. Set an earlier one"),
        (
            "ab",
            "95",
            "2 of 2 series too short. a, 28 steps: 3 lie before test_start, but the model",
        ),
        ("ab", "118", "2 lie at or after test_start, but one forecast needs 3"),
        ("ab", "soon", "test_start: 'soon' is not a whole number"),
        ("abc", "100", "no scaler for 1 series of the data: c"),
    ],
)
def test_what_cannot_be_scored_is_one_line(
    ids: str, start: str, message: str, run: Command, workdir: Path
) -> None:
    write("new.csv", ids, range(92, 120))
    done = run("evaluate", *EVALUATE, f"test_start={start}")
    assert done.code == 1
    [line] = re.findall("^Error: .*", done.out + done.err, re.MULTILINE)
    assert message in line


def test_series_that_are_new_to_a_run_are_scaled_by_what_lies_before(
    run: Command, workdir: Path
) -> None:
    write("old.csv", "ab", range(80))
    assert run("train", *TRAIN, "data.scaler_fit=global").code == 0
    new = write("new.csv", "ac", range(80, 120))
    done = run("evaluate", *EVALUATE, "test_start=100", "intervals=conformal")
    assert done.code == 0, done.out + done.err
    assert (
        "Series that are new to the run are scaled by what lies before test_start: c." in done.out
    )
    by_series = pd.read_csv("tested/metrics_by_series.csv", index_col="series")
    # without the validation part, a tenth of 40 days, which the intervals are calibrated on
    before = new[new["unique_id"] == "c"]["y"].to_numpy()[:16]
    scale = np.abs(before[4:] - before[:-4]).mean()
    ratio = by_series["model_mae"] / by_series["model_mase"]
    assert ratio["c"] == pytest.approx(scale)
