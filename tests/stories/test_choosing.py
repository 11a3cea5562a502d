"""Choosing among runs, and averaged weights.

*The user* trains three models and takes the best of the table that `compare` prints. Another one
adds Lightning's StochasticWeightAveraging.

*Before*, the table was sorted by test metrics, so that the choice made the test too good. The
weights that were saved were those of the best epoch, whatever the callback had computed.

*Now* every run has validation metrics, `compare` sorts by them, and the test is beside them. The
log says which weights were kept, and they are the average.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import torch
from darts import TimeSeries
from darts.metrics import mae
from engine.project import Finished, fixtures
from my_forecast import load_run
from my_forecast.compare import main

from stories.conftest import Figure
from stories.steps import QUICK, done, latest

Run = Callable[..., Finished]

DATA = "statsmodels: sunspots"
FILE = ["data=csv", "data.path=spots.csv", "data.time_column=YEAR", "data.target_columns=spots"]
SMALL = ["model.input_chunk_length=33", "horizon=11", "data.season_length=11", *QUICK]


@pytest.fixture
def spots(workdir: Path) -> pd.DataFrame:
    """Write yearly sunspots from 1700 on; times are whole numbers."""
    table = sm.datasets.sunspots.load_pandas().data.rename(columns={"SUNACTIVITY": "spots"})
    table = table.astype({"YEAR": int})
    table.to_csv("spots.csv", index=False)
    return table


@pytest.mark.slow_story
def test_the_best_run_on_the_validation_part_comes_first(
    run: Run, spots: pd.DataFrame, figure: Figure, capfd: pytest.CaptureFixture[str]
) -> None:
    names = ["nlinear", "dlinear", "tide"]
    for name in names:
        done(run("train", f"model={name}", *SMALL, *FILE, f"hydra.run.dir=runs/{name}"))
    main(["runs/*", "--csv", "runs.csv"])
    table = pd.read_csv("runs.csv")
    printed = capfd.readouterr().out.splitlines()
    order = [Path(name).name for name in table["run"]]
    assert [line.split()[0] for line in printed[1:4]] == order
    # the validation part again, by Darts: 30 years before the last 30
    series = TimeSeries.from_times_and_values(
        pd.RangeIndex(1700, 1700 + len(spots)), spots["spots"].to_numpy(np.float32)
    )
    size = round(0.1 * len(spots))
    split = len(spots) - size
    known, expected = series[:split], {}
    scaler = known[: split - size].values()
    mean, deviation = scaler.mean(), scaler.std()
    for name in names:
        model = load_run(f"runs/{name}", "cpu").model
        scaled = known.with_values((known.values() - mean) / deviation)
        parts = model.historical_forecasts(
            scaled,
            start=split - size,
            start_format="position",
            forecast_horizon=11,
            retrain=False,
            last_points_only=False,
            verbose=False,
        )
        back = [part.with_values(part.values() * deviation + mean) for part in parts]
        expected[name] = float(np.mean([mae(known, part) for part in back]))
        scores = json.loads(Path(f"runs/{name}/metrics.json").read_text())
        figure(
            4, f"validation MAE, {name}", DATA, scores["validation"]["model"]["mae"], expected[name]
        )
    assert order == sorted(names, key=expected.__getitem__)


def test_the_average_of_the_weights_is_saved(run: Run, spots: pd.DataFrame, figure: Figure) -> None:
    swa = "{_target_: pytorch_lightning.callbacks.StochasticWeightAveraging, swa_lrs: 0.01, "
    every = (
        "{_target_: pytorch_lightning.callbacks.ModelCheckpoint, dirpath: every, save_top_k: -1}"
    )
    options = [f"+callbacks.swa={swa}swa_epoch_start: 2}}", f"+callbacks.every={every}"]
    few = ["trainer.max_epochs=5", "save_every_n_epochs=0"]
    printed = done(run("train", "model=nlinear", *SMALL, *FILE, *few, *options))
    assert "StochasticWeightAveraging" in printed
    saved = fixtures.weights(latest())
    paths = sorted(Path("every").glob("*.ckpt"), key=lambda path: path.stat().st_mtime)
    states = [torch.load(path, weights_only=False)["state_dict"] for path in paths]
    name = max(saved, key=lambda key: saved[key].numel())
    # Lightning takes those with which the epochs from swa_epoch_start on begin
    mean = torch.stack([state[name] for state in states[:4]]).mean(dim=0)
    ours, theirs = (float(weights.abs().sum()) for weights in (saved[name], mean))
    figure(7, "sum of the absolute averaged weights", DATA, ours, theirs)
