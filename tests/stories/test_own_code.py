"""A model, a loss and a metric of the user's own.

*The user* writes a subclass of a Darts model, a loss and a metric into `src/<package>/own/`, names
them in an experiment, and copies the whole project to another folder afterwards.

*Before*, own classes trained, and the run was then refused when it was loaded, because safe loading
did not know them; a metric had to be added to a module of the template.

*Now* what the config names is registered, the run loads again in a new process and in another copy
of the project, and the metric has a column in every table. A name that is given on the command line
alone trains, with a warning before it begins: the run loads as soon as a file in `conf/` has it.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine.project import PROJECT
from vega_datasets import local_data

from stories.conftest import Figure
from stories.steps import QUICK, forecasts

pytestmark = pytest.mark.slow_story

DATA = "vega-datasets: seattle_weather"
CODE = '''\
"""A model, a loss and a metric."""

from typing import Any

import numpy as np
import torch
from darts import TimeSeries
from darts.models import NLinearModel


class Mine(NLinearModel):
    """An NLinear that begins with random weights."""

    def __init__(
        self,
        input_chunk_length: int,
        output_chunk_length: int,
        output_chunk_shift: int = 0,
        **arguments: Any,
    ) -> None:
        """Take what NLinear takes."""
        super().__init__(
            input_chunk_length,
            output_chunk_length,
            output_chunk_shift,
            const_init=False,
            **arguments,
        )


class Pinball(torch.nn.Module):
    """Counts forecasts that are too low three times."""

    def forward(self, forecast: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Return the mean over all values."""
        error = truth - forecast
        return torch.maximum(3 * error, -error).mean()


def too_low(actual: TimeSeries, pred: TimeSeries, component_reduction: Any = np.nanmean) -> Any:
    """Return the share of forecasts that are too low, for each component."""
    known = ~np.isnan(actual.values())
    low = np.where(known, pred.values() < actual.values(), np.nan)
    shares = np.nanmean(low, axis=0)
    return shares if component_reduction is None else component_reduction(shares)
'''
EXPERIMENT = """\
# @package _global_
defaults:
  - override /data: csv
data:
  path: seattle.csv
  time_column: date
  target_columns: temp_max
model:
  loss_fn:
    _target_: my_forecast.own.mine.Pinball
metrics: [mae, my_forecast.own.mine.too_low]
"""
MODEL = """\
_target_: my_forecast.own.mine.Mine
input_chunk_length: 28
output_chunk_length: ${horizon}
batch_size: 32
"""


def python(project: Path, code: int, *arguments: str) -> str:
    """Run Python in a project, and return what it printed."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(project / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == code, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project with code of the user's own and a file."""
    folder = tmp_path / "mine"
    shutil.copytree(PROJECT, folder)
    (folder / "src/my_forecast/own/mine.py").write_text(CODE)
    (folder / "conf/experiment/mine.yaml").write_text(EXPERIMENT)
    (folder / "conf/model/mine.yaml").write_text(MODEL)
    local_data.seattle_weather()[["date", "temp_max"]].to_csv(folder / "seattle.csv", index=False)
    return folder


def test_own_code_trains_loads_and_moves(project: Path, tmp_path: Path, figure: Figure) -> None:
    own = ["model=mine", "experiment=mine", "horizon=7", "hydra.run.dir=run", *QUICK]
    assert "TOO_LOW" in python(project, 0, "train.py", *own)
    found = forecasts(project / "run")
    weather = local_data.seattle_weather()
    joined = found.merge(weather, left_on="time", right_on="date")
    scores = json.loads((project / "run/metrics.json").read_text())["test"]["model"]
    share = float(np.mean(joined["model"] < joined["temp_max"]))
    figure(6, "own metric: share of forecasts that are too low", DATA, scores["too_low"], share)
    assert "TOO_LOW" in python(project, 0, "evaluate.py", "run=run", "after_run=[]")
    moved = tmp_path / "elsewhere"
    project.rename(moved)
    python(moved, 0, "predict.py", "run=run", "output=next.csv")
    assert pd.read_csv(moved / "next.csv")["temp_max"].between(-10, 40).all()


def test_a_name_from_the_command_line_alone_is_asked_for(project: Path) -> None:
    """A loss that no file in ``conf/`` names: the run loads once one does."""
    loss = ["++model.loss_fn._target_=mine.Pinball", "hydra.run.dir=run", *QUICK]
    shutil.copy(project / "src/my_forecast/own/mine.py", project / "src/mine.py")
    printed = python(project, 0, "train.py", "model=nlinear", *loss)
    assert "a file in conf/ must name mine.Pinball" in printed
    text = python(project, 1, "evaluate.py", "run=run", "after_run=[]")
    assert "'mine.Pinball'" in text
    assert "add this name to a file in conf/" in text
    (project / "conf/trusted.yaml").write_text("- mine.Pinball\n")
    assert "Saved in" in python(project, 0, "evaluate.py", "run=run", "after_run=[]")
