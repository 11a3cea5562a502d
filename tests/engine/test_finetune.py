"""Fine-tuning: what is taken from the run, and what wins over it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from my_forecast import load_run

from engine.project import Finished, fixtures

Command = Callable[..., Finished]
SETTINGS = [
    "data=csv",
    "data.path=old.csv",
    "data.time_column=date",
    "data.target_columns=[units]",
    "data.scaler=minmax",
    "model=tide",
    "horizon=5",
    "stride=3",
    "seed=7",
    "model.input_chunk_length=10",
    "model.hidden_size=16",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    "optimizer=sgd",
    "lr_scheduler=exponential",
    "loss=huber",
    "callbacks=default",
    "hydra.run.dir=outputs/source",
    "after_run=[]",
]
# keys that hold the folder of a run
PLACES = {"callbacks.best_checkpoint.dirpath", "logger.csv.save_dir", "paths.output_dir"}


@pytest.fixture
def source(run: Command, workdir: Path) -> dict[str, Any]:
    """Train a run on ``old.csv``, write a longer ``new.csv``, and return the config of the run."""
    for name, days in (("old", 80), ("new", 100)):
        dates = pd.date_range("2024-01-01", periods=days, name="date")
        columns = {"units": dates.dayofweek + np.random.default_rng(0).random(days), "price": 1.0}
        pd.DataFrame(columns, dates).to_csv(workdir / f"{name}.csv")
    done = run("train", *SETTINGS)
    assert done.code == 0, done.out + done.err
    return written(workdir / "outputs" / "source")


def written(folder: Path) -> dict[str, Any]:
    """Return the config of a run."""
    config: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    return config


def differing(one: Any, other: Any, key: str = "") -> set[str]:
    """Return the dotted keys in which two configs differ."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return set() if one == other else {key.strip(".")}
    keys = one.keys() | other.keys()
    return set().union(*(differing(one.get(k), other.get(k), f"{key}.{k}") for k in keys))


def test_a_finetuned_run_differs_only_in_what_is_set(
    source: dict[str, Any], run: Command, workdir: Path
) -> None:
    typed = ["data.path=new.csv", "model.dropout=0.2", "model.optimizer_kwargs.lr=0"]
    done = run("train", "finetune=latest", *typed, "hydra.run.dir=tuned")
    assert done.code == 0, done.out + done.err
    assert f"config are those of this run, but for {', '.join(typed)}." in done.out
    tuned = written(workdir / "tuned")
    keys = {item.partition("=")[0] for item in typed}
    assert differing(source, tuned) == {*keys, *PLACES, "finetune"}
    assert tuned["finetune"] == "outputs/source"
    assert all("source" not in str(tuned[key]) for key in ("callbacks", "logger", "paths"))
    before, after = (fixtures.weights(Path(name)) for name in ("outputs/source", "tuned"))
    # without a learning rate
    assert all(torch.equal(after[name], value) for name, value in before.items())
    model = load_run("tuned", "cpu").model
    assert model.model_params["dropout"] == 0.2
    layers = [layer for layer in model.model.modules() if "Dropout" in type(layer).__name__]
    assert {layer.p for layer in layers} == {0.2}


@pytest.mark.usefixtures("source")
def test_groups_that_are_set_replace_those_of_the_run(run: Command) -> None:
    groups = ["optimizer=adam", "lr_scheduler=cosine", "loss=mse", "trainer=cpu", "callbacks=[]"]
    printed = run("train", "finetune=outputs/source", *groups, "~logger", "--cfg", "job").out
    config = yaml.safe_load(printed)
    assert config["model"]["optimizer_cls"] == "torch.optim.Adam"
    # nothing of SGD, of the exponential schedule, or of the Huber loss is left
    assert list(config["model"]["optimizer_kwargs"]) == ["lr"]
    assert list(config["model"]["lr_scheduler_kwargs"]) == ["T_max"]
    assert config["model"]["loss_fn"] == {"_target_": "torch.nn.MSELoss"}
    assert config["trainer"]["max_epochs"] == 100
    assert not config.get("callbacks")
    assert "logger" not in config
    assert (config["seed"], config["data"]["scaler"]) == (7, "minmax")
    config = yaml.safe_load(
        run("train", "finetune=latest", "experiment=synthetic_panel", "--cfg", "job").out
    )
    assert config["data"]["n_series"] == 40
    assert (config["horizon"], config["seed"]) == (14, 7)


@pytest.mark.usefixtures("source")
def test_every_job_of_a_multirun_begins_with_the_same_run(run: Command, workdir: Path) -> None:
    done = run("train", "-m", "finetune=latest", "data.path=new.csv,old.csv", "seed=3")
    assert done.code == 0, done.out + done.err
    jobs = [written(path) for path in sorted(workdir.glob("outputs/multirun/*/*/*/"))]
    assert [job["data"]["path"] for job in jobs] == ["new.csv", "old.csv"]
    assert [job["finetune"] for job in jobs] == ["outputs/source"] * 2
    assert [job["seed"] for job in jobs] == [3, 3]


@pytest.mark.usefixtures("source")
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["data.target_columns=[units,price]"], "columns.*trained with past target: 1, future"),
        (["model.hidden_size=32"], "weights do not fit.* model.hidden_size=16"),
        (["model=nhits"], "weights do not fit.* model._target_=darts.models.TiDEModel"),
        (["data.pth=new.csv"], "data.pth: unknown key. Did you mean data.path"),
        (["-m", "finetune=outputs/source,latest"], "finetune: must be one run"),
    ],
)
def test_what_does_not_fit_is_one_line(typed: list[str], message: str, run: Command) -> None:
    own = [] if "-m" in typed else ["finetune=outputs/source"]
    done = run("train", *own, *typed)
    printed = done.out + done.err
    assert done.code == 1
    [line] = [line for line in printed.splitlines() if line.startswith("Error: ")]
    assert re.search(message, line), printed
    assert "Traceback" not in printed


def test_all_settings_may_be_typed_again(run: Command, source: dict[str, Any]) -> None:
    """A section that is typed has its defaults, with the loss and the optimizer that are typed."""
    settings = [item for item in SETTINGS if not item.startswith("hydra")]
    done = run("train", *settings, "finetune=outputs/source", "hydra.run.dir=outputs/again")
    assert done.code == 0, done.out + done.err
    assert differing(source, written(Path("outputs/again"))) == {"finetune", *PLACES}
    few = ["model=tide", "model.input_chunk_length=10", "model.hidden_size=16", "likelihood=none"]
    done = run("train", *few, "finetune=outputs/source", "hydra.run.dir=outputs/few")
    assert done.code == 0, done.out + done.err
    assert "optimizer_cls" in written(Path("outputs/few"))["model"]
