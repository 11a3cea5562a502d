"""A training with two workers that is killed at any moment, and resumed."""

import multiprocessing
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from engine.project import fixtures
from engine.test_resume import STATEFUL, assert_same
from my_forecast.commands.train import train
from my_forecast.errors import UserError
from my_forecast.runs.folder import RECORD, SUMS, checked

from reliability import FULL
from reliability.test_processes import SECONDS, shared_memory

CASES = 50 if FULL else 5
WORKERS = [
    "dataloader.num_workers=2",
    "dataloader.multiprocessing_context=fork",
    "trainer.max_epochs=4",
]
# seconds after the first worker starts, in which workers are there on any machine
WITH_WORKERS = 0.3
# what a run writes: its config, resume points, bundle, metrics, record and checksums
WRITES = 40


def train_in(folder: Path, write: int | None, *overrides: str) -> None:
    """Train in a session of its own, which may be killed in the middle of a write."""
    os.setsid()
    # the fork server may have been started for workers, which ignore what stops a training
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    sync, writes = os.fsync, 0

    def killed(file: int) -> None:
        nonlocal writes
        writes += 1
        if writes == write:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(file)

    os.fsync = killed
    folder.mkdir(exist_ok=True)
    try:
        train(fixtures.compose_config(folder, *overrides))
    except UserError as error:
        (folder / "error").write_text(str(error))
        sys.exit(1)


def start(folder: Path, *overrides: str, write: int | None = None) -> Any:
    """Begin a training, or resume it; the module of the command is imported already."""
    methods: Any = multiprocessing.get_context("forkserver")
    methods.set_forkserver_preload([train_in.__module__])
    begun = (folder / "config.yaml").exists()
    settings = [f"resume={folder}"] if begun else [*STATEFUL, *WORKERS, *overrides]
    process = methods.Process(target=train_in, args=(folder, write, *settings))
    process.start()
    return process


def session(leader: int) -> list[psutil.Process]:
    """Return the processes of a session."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue
    return found


def workers_of(leader: int) -> list[int]:
    """Return the processes that torch has named as its workers."""
    found = []
    for process in session(leader):
        try:
            if process.name() == "pt_data_worker":
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def finished(folder: Path) -> bool:
    """Return whether a run is finished; its files must be whole then."""
    if not ((folder / RECORD).is_file() and (folder / SUMS).is_file()):
        return False
    for line in (folder / SUMS).read_text(encoding="utf-8").splitlines():
        checked(folder, line.split("  ")[1])
    return True


def kill(process: Any, what: str, generator: random.Random) -> None:
    """Kill a training or its workers, or press Ctrl-C twice."""
    workers = workers_of(process.pid)
    pids = {"one worker": workers[:1], "all workers": workers}.get(what, [process.pid])
    number = signal.SIGINT if what == "Ctrl-C twice" else signal.SIGKILL
    for pid in pids * (2 if what == "Ctrl-C twice" else 1):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        time.sleep(generator.choice([0, 0.001, 0.1]) if number == signal.SIGINT else 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can fork a training safely")
def test_a_training_with_workers_is_killed_at_any_moment(workdir: Path) -> None:
    """Kill -9 of the training, one or all workers, at random times and within writes; Ctrl-C."""
    start(workdir / "first").join(300)
    begin = time.monotonic()
    start(workdir / "whole").join(300)
    # with room for a machine that is less busy later
    seconds = 0.7 * (time.monotonic() - begin)
    assert finished(workdir / "whole")
    generator = random.Random(0)
    kinds = ["write", "training", "one worker", "all workers", "Ctrl-C twice"]
    kills = runs = 0
    while kills < CASES:
        assert runs < 10 * CASES, f"{kinds[kills % len(kinds)]}: no training ends by it"
        folder = workdir / f"run{runs}"
        runs += 1
        while not finished(folder):
            (folder / "error").unlink(missing_ok=True)
            what = kinds[kills % len(kinds)] if kills < CASES else ""
            write = generator.randrange(1, WRITES) if what == "write" else None
            process = start(folder, write=write)
            if "worker" in what:
                while process.exitcode is None and not workers_of(process.pid):
                    time.sleep(0.01)
                process.join(generator.uniform(0, WITH_WORKERS))
            else:
                process.join(120 if what in ("", "write") else generator.uniform(0, seconds))
            if process.exitcode is None:
                assert what != "write", "the training hangs"
                kill(process, what, generator)
                process.join(120)
            assert process.exitcode is not None, f"the training hangs after: {what}"
            # some end before they are hit
            kills += bool(what) and process.exitcode != 0
            leader, end = process.pid, time.monotonic() + SECONDS
            while session(leader):
                assert time.monotonic() < end, f"{what}: {session(leader)}"
                time.sleep(0.1)
            assert not shared_memory(leader), what
            # after Ctrl-C, it is an exception that ends the process with 1
            if process.exitcode == 1 and what != "Ctrl-C twice":
                assert "worker" in (folder / "error").read_text(), what
        assert_same(workdir / "whole", folder)
