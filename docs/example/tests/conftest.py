"""Fixtures: no network, and the entry points run in this process."""

import logging
import runpy
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from darts import TimeSeries
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

PROJECT = Path(__file__).parents[1]
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


def three_waves() -> list[TimeSeries]:
    """Return series as a function of the user's own might."""
    return [
        TimeSeries.from_values(np.sin(np.arange(80) * number).astype(np.float32))
        for number in (1, 2, 3)
    ]


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
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def config(workdir: Path) -> Iterator[Callable[..., DictConfig]]:
    """Return a function that composes a config as the entry points would."""
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):

        def composed(*overrides: str, name: str = "train") -> DictConfig:
            return compose(name, [f"paths.output_dir={workdir.as_posix()}/run", *overrides])

        yield composed


@pytest.fixture
def run(
    workdir: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Finished]:
    """Return a function that runs an entry point with overrides, as `python <name>.py` does."""

    def run_script(name: str, *overrides: str) -> Finished:
        GlobalHydra.instance().clear()
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *overrides])
        monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
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
