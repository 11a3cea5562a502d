"""A run moves to another machine: the folder of its bundle alone.

*The user* copies `bundle/` to a machine that has the project, and neither the run nor its data.

*Before*, `run=<bundle>` was refused, because it has no record.json, although the README promised
that it loads on any machine.

*Now* it forecasts new data as the whole run does.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import statsmodels.api as sm
from engine.project import Finished
from my_forecast import load_run

from stories.steps import SMALL, done, latest

Run = Callable[..., Finished]

FILE = ["data=csv", "data.path=here/co2.csv", "data.time_column=week", "data.target_columns=co2"]


def test_a_bundle_alone_forecasts_as_the_run(run: Run, workdir: Path) -> None:
    weeks = sm.datasets.co2.load_pandas().data.rename_axis("week")
    Path("here").mkdir()
    weeks.iloc[:-52].to_csv("here/co2.csv")
    weeks.to_csv("newer.csv")
    done(run("train", *SMALL, *FILE))
    done(run("predict", "run=latest", "output=run.csv", "data_path=newer.csv"))
    shutil.copytree(latest() / "bundle", "usb/bundle")
    shutil.rmtree("here")
    shutil.rmtree("outputs")
    done(run("predict", "run=usb/bundle", "output=bundle.csv", "data_path=newer.csv"))
    assert Path("bundle.csv").read_bytes() == Path("run.csv").read_bytes()
    ahead = pd.read_csv("bundle.csv")
    assert ahead["co2"].between(360, 385).all()
    assert load_run("usb/bundle", "cpu").config.horizon == 7
