"""Backtests that train again: as if each training had been run by hand on what was known then."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from my_forecast.errors import UserError
from my_forecast.retraining import Retraining

from engine.project import Finished

Run = Callable[..., Finished]
SHORT = [
    "model=tide",
    "data=csv",
    "horizon=3",
    "stride=2",
    "model.input_chunk_length=6",
    "model.dropout=0.1",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "data.validation_size=10",
]


def write_series(path: Path, lengths: dict[str, int]) -> None:
    """Write random walks whose level and size of steps change with time."""
    tables = []
    for name, length in lengths.items():
        steps = np.random.default_rng(len(name)).standard_normal(length) * np.arange(length)
        tables.append(pd.DataFrame({"unique_id": name, "ds": range(length), "y": steps.cumsum()}))
    pd.concat(tables).to_csv(path, index=False)


def newest(workdir: Path, task: str) -> Path:
    return sorted(workdir.glob(f"outputs/{task}/*/*/metrics.json"))[-1].parent


def error(folder: Path) -> float:
    scores = json.loads((folder / "metrics.json").read_text())
    return float(scores["test"]["model"]["mae"])


def test_retraining_is_a_run_for_every_few_origins(run: Run, workdir: Path) -> None:
    """Forecasts start at 69, 71 | 73, 75 | 77; files that end with them hold nothing later."""
    write_series(workdir / "all.csv", {"a": 80})
    assert run("train", *SHORT, "data.path=all.csv", "data.test_size=11").code == 0
    run_dir = newest(workdir, "train")
    before = {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")}
    by_hand = []
    for number, (first, last) in enumerate([(69, 71), (73, 75), (77, 77)]):
        table = pd.read_csv(workdir / "all.csv").head(last + 3)
        table.to_csv(workdir / f"{number}.csv", index=False)
        part = [f"data.path={number}.csv", f"data.test_size={last + 3 - first}"]
        assert run("train", *SHORT, *part).code == 0
        by_hand += [error(newest(workdir, "train"))] * (2 if last > first else 1)

    finished = run(
        "evaluate",
        f"run={run_dir.as_posix()}",
        "backtest=retrain",
        "backtest.every=2",
        "accelerator=cpu",
    )
    assert finished.code == 0, finished.err
    assert "Training the model 3 times from scratch" in finished.out + finished.err
    folder = newest(workdir, "evaluate")
    assert error(folder) == pytest.approx(np.mean(by_hand), rel=1e-6)
    assert error(folder) != pytest.approx(error(run_dir), rel=1e-3)
    # neither the run nor the results hold anything of the trainings
    assert {path: path.stat().st_mtime_ns for path in run_dir.rglob("*")} == before
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_series_with_fewer_origins_stay_in_the_training(run: Run, workdir: Path) -> None:
    write_series(workdir / "all.csv", {"long": 100, "s": 70})
    panel = ["data.path=all.csv", "data.test_size=0.2", "likelihood=quantile"]
    assert run("train", *SHORT, *panel).code == 0
    assert (
        run(
            "evaluate", "run=latest", "accelerator=cpu", "backtest=retrain", "backtest.every=4"
        ).code
        == 0
    )
    scores = json.loads((newest(workdir, "evaluate") / "metrics.json").read_text())
    assert 0 <= scores["test_quantiles"]["coverage_80"] <= 1
    table = pd.read_csv(newest(workdir, "evaluate") / "metrics_by_series.csv")
    assert table["windows"].tolist() == [9, 6]
    expected = pd.read_csv(newest(workdir, "train") / "metrics_by_series.csv")
    columns = [name for name in table if name.startswith("baseline")]
    pd.testing.assert_frame_equal(table[columns], expected[columns])


@pytest.mark.parametrize("value", [0, True, "often"])
def test_every_is_a_number_of_origins(value: Any) -> None:
    with pytest.raises(UserError, match=r"backtest\.every: "):
        Retraining(every=value)
