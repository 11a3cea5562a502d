"""Exact resume: a run that was stopped by a signal continues from the batch it was stopped in."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from my_forecast.commands.train import train
from omegaconf import DictConfig

from engine.test_resume import assert_same, new_run, stop_at

Config = Callable[..., DictConfig]
EXACT = "callbacks=[default,exact_resume]"


@pytest.mark.skipif(sys.platform == "win32", reason="a SIGTERM ends a process of Windows at once")
@pytest.mark.parametrize(
    ("step", "overrides"),
    [
        (8, []),  # within the second epoch
        (10, []),  # after its last batch
        (5, ["trainer.max_epochs=3", "+trainer.limit_train_batches=3"]),
        (8, ["dataloader.num_workers=1", "dataloader.multiprocessing_context=fork"]),
    ],
)
def test_sigterm_saves_first(
    step: int, overrides: list[str], config: Config, workdir: Path
) -> None:
    whole = new_run(config, workdir, "whole", *overrides)
    with pytest.raises(SystemExit) as stopped:
        new_run(config, workdir, "run", *overrides, EXACT, *stop_at(step, "SIGTERM"))
    assert stopped.value.code == 128 + signal.SIGTERM
    point = torch.load(workdir / "run" / "checkpoints" / "last.ckpt", weights_only=False)
    assert point["global_step"] == step
    train(config("resume=run"))
    assert_same(whole, workdir / "run")


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="Slurm does not run on this system")
def test_slurm_runs_the_job_again(
    config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scontrol = workdir / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" > "{workdir}/asked"\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(workdir), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "1234")
    handler = signal.getsignal(signal.SIGUSR1)
    try:
        with pytest.raises(SystemExit):
            new_run(config, workdir, "run", EXACT, *stop_at(8, "SIGUSR1"))
    finally:
        signal.signal(signal.SIGUSR1, handler)
    assert (workdir / "asked").read_text() == "requeue 1234\n"
    point = torch.load(workdir / "run" / "checkpoints" / "last.ckpt", weights_only=False)
    assert point["global_step"] == 8
