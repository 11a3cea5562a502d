"""Every option in conf/ works: each of them trains, or evaluates, a small model."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
import yaml
from omegaconf import DictConfig, OmegaConf

from my_forecast.commands.evaluate import (
    evaluate,
)
from my_forecast.commands.train import (
    train,
)

from conftest import FAST, NO_REPORT, PROJECT

pytestmark = pytest.mark.usefixtures("no_plots")
Config = Callable[..., DictConfig]
# one epoch of one step
SHORT = ["trainer.max_epochs=1", "++model.batch_size=512", *NO_REPORT]
SYNTHETIC = [item for item in FAST if item.startswith("data.")]
ETTH1 = ["data.path=etth1.csv", "data.end=null", "data.validation_size=16", "data.test_size=16"]
COUNTS = ["data=csv", "data.path=series.csv"]
# what an option needs beside itself: add a line for an option of your own that needs something
EXTRA = {
    "data=csv": ["data.path=series.csv"],
    "data=etth1": ["data.path=etth1.csv"],
    "data=excel": ["data.path=series.xlsx"],
    "data=function": ["data.function=conftest.three_waves"],
    "data=parquet": ["data.path=series.parquet"],
    "data=store": ["data.path=store"],
    "data=synthetic": SYNTHETIC,
    "experiment=etth1_dlinear": ETTH1,
    "experiment=etth1_nlinear": ETTH1,
    "experiment=etth1_tide": ETTH1,
    "experiment=synthetic_panel": SYNTHETIC,
    "likelihood=negative_binomial": COUNTS,
    "likelihood=poisson": COUNTS,
    "model=rnn": ["model.training_length=16"],
}


def options(command: str) -> list[str]:
    """Return every option of every group that the config of a command has."""
    config = yaml.safe_load((PROJECT / "conf" / f"{command}.yaml").read_text(encoding="utf-8"))
    groups = {group for entry in config["defaults"] if isinstance(entry, dict) for group in entry}
    found = []
    for group in sorted(groups - {"hydra"}):
        files = sorted((PROJECT / "conf" / group).glob("*.yaml"))
        found += [f"{group}={path.stem}" for path in files]
    return found


def write_files(folder: Path) -> None:
    """Write the files that EXTRA names."""
    counts = pd.DataFrame({"ds": range(80), "y": [day % 7 for day in range(80)]})
    counts.to_csv(folder / "series.csv", index=False)
    counts.to_parquet(folder / "series.parquet")
    hours = pd.date_range("2016-07-01", periods=80, freq="h")
    channels = ["HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT"]
    values = np.random.default_rng(0).random((80, 7))
    pd.DataFrame(values, hours, channels).to_csv(folder / "etth1.csv", index_label="date")


@pytest.mark.parametrize("option", options("train"))
def test_every_option_trains(option: str, config: Config, workdir: Path) -> None:
    if option == "trainer=cuda" and not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU")
    chosen = [option, *EXTRA.get(option, [])]
    fast = [*FAST, *SHORT]
    if option.startswith("trainer="):
        fast.remove("trainer.accelerator=cpu")
    if any(item.startswith(("data=", "experiment=")) for item in chosen):
        fast = [item for item in fast if not item.startswith("data")]
    if option.startswith("experiment="):
        fast.remove("model=tide")
    write_files(workdir)
    if option == "data=excel":
        pl.read_csv("series.csv").write_excel("series.xlsx")
    if option == "data=store":
        from my_forecast.large_data import prepare

        prepare(config("data.path=series.parquet", "store=store", name="prepare"))
    composed = config(*fast, *chosen)
    if missing := OmegaConf.missing_keys(composed):
        pytest.skip(f"give {', '.join(missing)} a value in EXTRA")
    (workdir / "run").mkdir()
    train(composed)
    scores = json.loads((workdir / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert np.isfinite(scores["test"]["model"]["mae"])


@pytest.mark.parametrize("option", options("evaluate"))
def test_every_option_evaluates(option: str, config: Config, trained: Path, workdir: Path) -> None:
    (workdir / "run").mkdir()
    evaluate(config(f"run={trained.as_posix()}", option, name="evaluate"))
    scores = json.loads((workdir / "run" / "metrics.json").read_text(encoding="utf-8"))
    assert np.isfinite(scores["test"]["model"]["mae"])
