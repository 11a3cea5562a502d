"""Fixtures: no network, small trained runs, and the entry points run in this process."""

import logging
import runpy
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from matplotlib.figure import Figure
from matplotlib.image import imsave
from omegaconf import DictConfig
from pytorch_lightning import Callback

from my_forecast import run_config
from my_forecast.commands.train import (
    train,
)

PROJECT = Path(__file__).parents[1]
# a group without options cannot be set
NO_REPORT = ["after_run=[]"] if (PROJECT / "conf" / "after_run").is_dir() else []
# own_code.yaml lists what runs of the tests may name
run_config.CONF.append(Path(__file__).parent)
# a few steps on a small model and a small data set, whatever the project's defaults become
FAST = [
    "model=tide",
    "data=synthetic",
    "data.n_series=3",
    "data.length=80",
    "horizon=5",
    "model.input_chunk_length=10",
    "trainer.max_epochs=2",
    "trainer.accelerator=cpu",
    "stride=3",
]
# the same on a file from ``sales``, which has to be named with data.path
FAST_SALES = [
    "data=csv",
    "data.future_covariates_columns=[event]",
    "data.validation_size=12",
    "data.test_size=12",
    "model=tide",
    "model.input_chunk_length=10",
    "horizon=5",
    "stride=3",
    "likelihood=quantile",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
    *NO_REPORT,
]
# on FAST: all that has a state; five steps an epoch
STATEFUL = [
    *FAST,
    "trainer.max_epochs=3",
    "model.batch_size=32",
    "model.dropout=0.5",
    "++model.lr_scheduler_cls=torch.optim.lr_scheduler.ReduceLROnPlateau",
    "++model.lr_scheduler_kwargs={monitor: val_loss}",
    "callbacks=default",
    "logger=csv",
    "dataloader.num_workers=0",
    *NO_REPORT,
]


def three_waves() -> list[TimeSeries]:
    """Return series as a function of the user's own might."""
    return [
        TimeSeries.from_values(np.sin(np.arange(80) * number).astype(np.float32))
        for number in (1, 2, 3)
    ]


def sales(days: int = 80, known: int = 20) -> pd.DataFrame:
    """Return two daily series, and an event that is known some days after their end."""
    dates = pd.date_range("2024-01-01", periods=days + known, freq="D")
    event = (dates.day == 1).astype(int)
    tables = []
    for number, name in enumerate(("north", "south")):
        noise = np.random.default_rng(number).standard_normal(len(dates))
        units = 100 + 100 * number + 10 * dates.dayofweek + 30 * event + noise
        units = units.where(np.arange(len(dates)) < days)
        tables.append(pd.DataFrame({"unique_id": name, "ds": dates, "y": units, "event": event}))
    return pd.concat(tables)


def changed(series: TimeSeries, start: int) -> TimeSeries:
    """Return a series with other values from a position on."""
    values = series.values().copy()
    values[start:] = values[start:] * 3 + 7
    return series.with_values(values)


def compose_config(folder: Path, *overrides: str, name: str = "train") -> DictConfig:
    """Compose the config of a command whose results go to ``folder``."""
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        return compose(name, [f"paths.output_dir={folder.as_posix()}", *overrides])


def weights(run_dir: Path) -> dict[str, torch.Tensor]:
    """Return the weights of a finished run."""
    checkpoint = torch.load(run_dir / "bundle" / "model.pt.ckpt", weights_only=False)
    state: dict[str, torch.Tensor] = checkpoint["state_dict"]
    return state


def same_weights(one: Path, other: Path) -> bool:
    """Return whether two finished runs have the same weights, bit for bit."""
    pairs = zip(weights(one).values(), weights(other).values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class StopAt(Callback):
    """A callback that stops the training, once."""

    def __init__(self, step: int) -> None:
        """Stop it after ``step`` steps of the optimizer."""
        self.step = step

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Stop it, unless a file says that this was done before the run was resumed."""
        stopped = Path("stopped")
        if trainer.global_step == self.step and not stopped.exists():
            stopped.touch()
            raise RuntimeError("stopped by the test")


@dataclass
class Finished:
    """What a finished entry point left: its exit code and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make every connection to another machine fail."""
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            pytest.fail(f"a test tried to connect to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture
def no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Save one pixel for each plot: drawing one takes as long as a small training."""
    draw = Figure.savefig

    def save(figure: Figure, file: Any, **arguments: Any) -> None:
        if isinstance(file, Path):
            return imsave(file, np.zeros((1, 1, 3)), format="png")
        return draw(figure, file, **arguments)

    monkeypatch.setattr(Figure, "savefig", save)


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def config(workdir: Path) -> Callable[..., DictConfig]:
    """Return a function that composes a config as the entry points would."""

    def composed(*overrides: str, name: str = "train") -> DictConfig:
        return compose_config(workdir / "run", *overrides, name=name)

    return composed


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run on ``sales.csv`` beside it; tests only read it."""
    folder = tmp_path_factory.mktemp("trained")
    sales().to_csv(folder / "sales.csv", index=False)
    (folder / "run").mkdir()
    path = f"data.path={folder.as_posix()}/sales.csv"
    train(compose_config(folder / "run", *FAST_SALES, path))
    return folder / "run"


@pytest.fixture(scope="session")
def stateful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a finished run with STATEFUL; tests only read it."""
    folder = tmp_path_factory.mktemp("stateful")
    train(compose_config(folder, *STATEFUL))
    return folder


@pytest.fixture
def run(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Finished]:
    """Return a function that runs an entry point with overrides, as `python <name>.py` does."""

    def run_script(name: str, *overrides: str) -> Finished:
        GlobalHydra.instance().clear()
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *overrides])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
        # what was typed must not be seen by the next test
        monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
        capfd.readouterr()
        handlers = logging.getLogger().handlers[:]
        try:
            runpy.run_path(str(PROJECT / f"{name}.py"), run_name="__main__")
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        finally:
            GlobalHydra.instance().clear()
            for handler in set(logging.getLogger().handlers) - set(handlers):
                logging.getLogger().removeHandler(handler)
                handler.close()
        printed = capfd.readouterr()
        return Finished(code, printed.out, printed.err)

    return run_script
