"""A run that was stopped is resumed to the same result; another one starts from its weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from my_forecast.commands.train import (
    train,
)
from my_forecast.errors import (
    UserError,
)

from conftest import FAST, STATEFUL, Finished, same_weights, weights

pytestmark = pytest.mark.usefixtures("no_plots")
Config = Callable[..., DictConfig]
STOP = ["+callbacks.stop._target_=conftest.StopAt", "+callbacks.stop.step=8"]


def new_run(config: Config, folder: Path, *overrides: str) -> Path:
    folder.mkdir()
    train(config(*STATEFUL, f"paths.output_dir={folder.as_posix()}", *overrides))
    return folder


def test_a_stopped_run_ends_as_if_it_had_not_been_stopped(
    config: Config, run: Callable[..., Finished], stateful: Path, workdir: Path
) -> None:
    with pytest.raises(RuntimeError, match="stopped by the test"):
        new_run(config, workdir / "run", *STOP)
    assert not (workdir / "run" / "record.json").exists()
    point = torch.load(workdir / "run" / "checkpoints" / "last.ckpt", weights_only=False)
    assert 0 < point["global_step"] < 8
    assert run("train", "resume=run").code == 0
    assert same_weights(stateful, workdir / "run")
    for name in ("metrics.json", "csv_logs/metrics.csv"):
        assert (stateful / name).read_text() == (workdir / "run" / name).read_text(), name


def test_a_finished_run_is_not_resumed(config: Config, trained: Path) -> None:
    with pytest.raises(UserError, match=r"is finished\. finetune="):
        train(config(f"resume={trained.as_posix()}", f"paths.output_dir={trained.as_posix()}"))


def test_a_run_is_not_overwritten(config: Config, trained: Path) -> None:
    with pytest.raises(UserError, match="already holds a run"):
        train(config(*FAST, f"paths.output_dir={trained.as_posix()}"))


def test_a_new_run_starts_from_the_weights_of_another(
    config: Config, stateful: Path, workdir: Path
) -> None:
    start = [f"finetune={stateful.as_posix()}", "trainer.max_epochs=1"]
    still = new_run(config, workdir / "still", *start, "model.optimizer_kwargs.lr=0")
    assert same_weights(stateful, still)
    moved = new_run(config, workdir / "moved", *start)
    assert set(weights(moved)) == set(weights(stateful))
    assert not same_weights(stateful, moved)
    with pytest.raises(UserError, match=r"do not fit this model.*model\.hidden_size=128"):
        new_run(config, workdir / "other", *start, "model.hidden_size=64")
