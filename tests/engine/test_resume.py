"""Resuming and fine-tuning: a run that was killed ends as if it had not been."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.commands.train import train
from my_forecast.config import TrainConfig, check_config
from my_forecast.errors import UserError
from my_forecast.loading.epoch_order import EpochOrder, ResumableLoader
from my_forecast.runs.folder import write_config
from omegaconf import DictConfig
from pytorch_lightning import Callback

from engine.project import FAST, PROJECT

Config = Callable[..., DictConfig]
# how often a run is killed; KILLS=20 takes its time
KILLS = int(os.environ.get("KILLS", "5"))
# everything that has a state: dropout, optimiser, scheduler, early stopping
STATEFUL = [
    *FAST,
    "trainer.max_epochs=8",
    "trainer.log_every_n_steps=1",
    "+trainer.enable_progress_bar=false",
    "callbacks=default",
    "logger=csv",
    "model.batch_size=32",
    "model.dropout=0.5",
    "+model.lr_scheduler_cls._target_=hydra.utils.get_class",
    "+model.lr_scheduler_cls.path=torch.optim.lr_scheduler.ReduceLROnPlateau",
    "+model.lr_scheduler_kwargs={monitor: val_loss, patience: 0}",
]


class StopAt(Callback):
    """Sends a signal to this process after a step, once."""

    def __init__(self, step: int, name: str) -> None:
        """Send the signal ``name`` after ``step`` steps of the optimiser."""
        self.step = step
        self.name = name

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Send it."""
        sent = Path("sent")
        if trainer.global_step == self.step and not sent.exists():
            sent.touch()
            signal.raise_signal(getattr(signal, self.name))


def stop_at(step: int, name: str) -> list[str]:
    """Return overrides that send a signal after a step."""
    stop = {"_target_": f"{__name__}.StopAt", "step": step, "name": name}
    return [f"+callbacks.stop.{key}={value}" for key, value in stop.items()]


def train_in(folder: str, *overrides: str) -> None:
    """Train in a process of its own."""
    with initialize_config_dir(version_base="1.3", config_dir=str(PROJECT / "conf")):
        config = compose("train", [f"paths.output_dir={folder}", *overrides])
    Path(folder).mkdir(exist_ok=True)
    train(config)


def result(run_dir: Path) -> tuple[dict[str, torch.Tensor], str, str]:
    """Return weights, metrics and the log of the losses."""
    weights = torch.load(run_dir / "bundle" / "model.pt.ckpt", weights_only=False)["state_dict"]
    metrics = (run_dir / "metrics.json").read_text()
    return weights, metrics, (run_dir / "csv_logs" / "metrics.csv").read_text()


def assert_same(first: Path, second: Path) -> None:
    """Compare two finished runs bit for bit."""
    (weights, *texts), (other_weights, *other_texts) = result(first), result(second)
    assert texts == other_texts
    for name, value in weights.items():
        assert torch.equal(other_weights[name], value), name


def new_run(config: Config, workdir: Path, name: str, *overrides: str) -> Path:
    """Train into a folder of its own."""
    (workdir / name).mkdir()
    train(config(*STATEFUL, f"paths.output_dir={workdir.as_posix()}/{name}", *overrides))
    return workdir / name


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not(workdir: Path) -> None:
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload([train.__module__])

    def start(name: str, *overrides: str) -> Any:
        process = context.Process(target=train_in, args=(str(workdir / name), *overrides))
        process.start()
        return process

    start("warm", *STATEFUL).join()
    begin = time.monotonic()
    start("whole", *STATEFUL).join()
    seconds = time.monotonic() - begin

    kills = runs = 0
    while kills < KILLS:
        run_dir = workdir / f"run{runs}"
        runs += 1
        while not (run_dir / "record.json").exists():
            begun = (run_dir / "config.yaml").exists()
            process = start(run_dir.name, *([f"resume={run_dir}"] if begun else STATEFUL))
            process.join(random.uniform(0, seconds) if kills < KILLS else None)
            if process.exitcode is None:
                process.kill()
                process.join()
                kills += 1
            else:
                assert process.exitcode == 0
        assert_same(workdir / "whole", run_dir)


def test_after_sigterm_a_run_resumes_from_the_last_epoch(config: Config, workdir: Path) -> None:
    whole = new_run(config, workdir, "whole")
    with pytest.raises(SystemExit) as stopped:
        new_run(config, workdir, "run", *stop_at(8, "SIGTERM"))
    assert stopped.value.code == 128 + signal.SIGTERM
    point = torch.load(workdir / "run" / "checkpoints" / "last.ckpt", weights_only=False)
    assert 0 < point["global_step"] < 8
    train(config("resume=run"))
    assert_same(whole, workdir / "run")


def test_a_run_that_was_killed_in_its_test_does_not_train_again(
    config: Config, workdir: Path
) -> None:
    early = ["callbacks.early_stopping.patience=1", "callbacks.early_stopping.min_delta=100"]
    run_dir = new_run(config, workdir, "run", *early)
    before = result(run_dir)
    assert pd.read_csv(run_dir / "csv_logs" / "metrics.csv")["epoch"].max() == 1
    for name in ("record.json", "metrics.json"):
        (run_dir / name).unlink()
    train(config("resume=run"))
    weights, *texts = result(run_dir)
    assert texts == list(before[1:])
    assert all(torch.equal(weights[name], value) for name, value in before[0].items())


def test_a_run_that_was_killed_at_once_starts_over(config: Config, workdir: Path) -> None:
    whole = new_run(config, workdir, "whole")
    (workdir / "run").mkdir()
    text = (whole / "config.yaml").read_text().replace("whole", "run")
    (workdir / "run" / "config.yaml").write_text(text)
    (workdir / "run" / "storage-left").mkdir()
    train(config("resume=run"))
    assert_same(whole, workdir / "run")
    assert not (workdir / "run" / "storage-left").exists()


def test_a_run_that_was_moved_is_refused(config: Config, workdir: Path) -> None:
    killed = check_config(config(*FAST, "paths.output_dir=elsewhere"), TrainConfig)
    (workdir / "run").mkdir()
    write_config(workdir / "run", killed.as_dict())
    with pytest.raises(UserError, match=r"run' was moved\..* elsewhere"):
        train(config("resume=run"))


def test_a_run_whose_data_changed_is_refused(config: Config, workdir: Path) -> None:
    rows = [f"{day},{day % 7}" for day in range(80)]
    (workdir / "x.csv").write_text("\n".join(["ds,y", *rows]))
    data = ["data=csv", "data.path=x.csv"]
    own = [item for item in STATEFUL if not item.startswith("data")]
    (workdir / "run").mkdir()
    train(config(*own, *data, f"paths.output_dir={workdir.as_posix()}/run"))
    (workdir / "run" / "record.json").unlink()
    (workdir / "x.csv").write_text("\n".join(["ds,y", *rows, "80,3"]))
    with pytest.raises(UserError, match="the data has changed since the run began"):
        train(config("resume=run"))


@settings(max_examples=50)
@given(st.data())
def test_a_loader_goes_on_where_it_was(data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 40))
    size = data.draw(st.integers(1, 10))
    batches = -(-length // size)
    seen = data.draw(st.integers(0, batches))
    epoch = data.draw(st.integers(0, 3))

    def loader() -> ResumableLoader:
        order = EpochOrder(length, size, seed=1)
        order.set_epoch(epoch)
        return ResumableLoader(torch.arange(length), batch_sampler=order)

    whole = [batch.tolist() for batch in loader()]
    assert sorted(chain.from_iterable(whole)) == list(range(length))
    killed, resumed = loader(), loader()
    first = [batch.tolist() for _, batch in zip(range(seen), killed, strict=False)]
    resumed.load_state_dict(killed.state_dict())
    assert first + [batch.tolist() for batch in resumed] == whole
    # the next epoch begins at its start
    resumed.batch_sampler.sampler.set_epoch(epoch + 1)
    assert len(list(resumed)) == batches


def test_finetuning_begins_with_the_weights_of_a_run(config: Config, workdir: Path) -> None:
    source = new_run(config, workdir, "source")
    still = ["finetune=source", "trainer.max_epochs=1", "model.optimizer_kwargs.lr=0"]
    tuned = new_run(config, workdir, "tuned", *still, "seed=1")
    weights, other = result(source)[0], result(tuned)[0]
    assert all(torch.equal(other[name], value) for name, value in weights.items())
    moved = new_run(config, workdir, "moved", "finetune=source", "trainer.max_epochs=1")
    assert any(not torch.equal(result(moved)[0][name], weights[name]) for name in weights)
    with pytest.raises(UserError, match=r"do not fit.*trained with model.hidden_size=128"):
        new_run(config, workdir, "other", "finetune=source", "model.hidden_size=64")
