"""Processes that are killed, hang or fail, two that train in one folder, and Ctrl-C."""

import multiprocessing
import os
import platform
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from engine.project import FAST, PROJECT, Finished, fixtures
from my_forecast.loading.epoch_order import EpochOrder, ResumableLoader

from reliability import FULL
from reliability.faulty import Faulty, Interrupt, UseFaulty, interrupt

Run = Callable[..., Finished]
METHODS = multiprocessing.get_all_start_methods()
# ends before the next test needs the CPUs
SECONDS = 10
QUICK = [*FAST, "after_run=[]", "trainer.max_epochs=1", "hydra.run.dir=run"]


@pytest.fixture(autouse=True)
def own_code(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs name the module of faults when they resume, as if a file in ``conf/`` did."""
    folder = tmp_path_factory.mktemp("conf")
    names = [f"- {one.__module__}.{one.__name__}\n" for one in (UseFaulty, Interrupt, interrupt)]
    (folder / "own_code.yaml").write_text("".join(names))
    conf = fixtures.run_config.CONF
    monkeypatch.setattr(fixtures.run_config, "CONF", [*conf, folder])


def faulty(fault: str, method: str, workers: int = 2) -> list[str]:
    """Return overrides that train with workers that have a fault."""
    Path("fault").touch()
    return [
        f"+callbacks.faulty._target_={UseFaulty.__module__}.{UseFaulty.__name__}",
        f"+callbacks.faulty.fault={fault}",
        f"dataloader.num_workers={workers}",
        f"dataloader.multiprocessing_context={method}",
    ]


def error(finished: Finished) -> list[str]:
    """Return the lines of the error that a command ended in."""
    assert finished.code != 0
    printed = finished.out + finished.err
    assert "Traceback (" not in printed
    lines = printed[printed.index("Error: ") :].strip().splitlines()
    assert len(lines) <= 2, printed
    return lines


@contextmanager
def training(*overrides: str) -> Iterator[tuple[psutil.Popen, Callable[[], list[int]]]]:
    """Train in a process of its own; give it, and what lists all processes that belong to it."""
    mark = str(uuid.uuid4())
    paths = [str(Path(__file__).parents[1]), os.environ["PYTHONPATH"]]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TEST_MARK": mark}

    def belonging() -> list[int]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TEST_MARK") == mark:
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    command = [sys.executable, str(PROJECT / "train.py"), *overrides]
    with Path("printed").open("w") as printed:
        process = psutil.Popen(command, env=env, stdout=printed, stderr=subprocess.STDOUT)
        try:
            yield process, belonging
        finally:
            for pid in belonging():
                os.kill(pid, signal.SIGKILL)
            process.wait()


def wait(condition: Callable[[], object], seconds: float) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, Path("printed").read_text()
        time.sleep(0.1)


def shared_memory(pid: int) -> list[str]:
    """Return what a process shares by name."""
    folder = Path("/dev/shm")
    return [path.name for path in folder.glob("*") if str(pid) in re.findall(r"\d+", path.name)]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there are no signals on this system")
@pytest.mark.parametrize("method", METHODS if FULL else sorted({METHODS[0], METHODS[-1]}))
def test_nothing_is_left_of_a_killed_training(method: str, run: Run, workdir: Path) -> None:
    """Kill -9 of the training while workers hang; a second resume meanwhile, and one after it."""
    with training(*QUICK, *faulty("hang", method)) as (process, belonging):
        wait(lambda: len([*workdir.glob("loading_*")]) == 2, 60)
        assert len(belonging()) > 2
        if method == METHODS[0] or FULL:
            [line] = error(run("train", "resume=run"))
            holder = f"process {process.pid} on {platform.node()}"
            assert f"hydra.run.dir: {holder} trains in '{workdir / 'run'}'" in line
        process.kill()
        process.wait()
        wait(lambda: not belonging(), SECONDS)
        assert not shared_memory(process.pid)
    if method == METHODS[0] or FULL:
        (workdir / "fault").unlink()
        assert run("train", "resume=run").code == 0


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there are no signals on this system")
@pytest.mark.parametrize("method", METHODS if FULL else METHODS[-1:])
@pytest.mark.parametrize("fault", ["kill", "kill_one"] if FULL else ["kill_one"])
def test_a_killed_worker_ends_the_training(
    fault: str, method: str, run: Run, workdir: Path
) -> None:
    """Kill -9 of one worker, or of all."""
    [line] = error(run("train", *QUICK, *faulty(fault, method)))
    killed = max(path.stat().st_mtime for path in workdir.glob("loading_*"))
    assert time.time() - killed < 2 * SECONDS
    assert re.search(r"dataloader.num_workers: DataLoader worker \(pid.*decrease", line)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("method", METHODS if FULL else METHODS[:1])
def test_the_error_of_a_worker_is_its_cause(method: str, run: Run, workdir: Path) -> None:
    """A dataset that raises an exception in a worker."""
    first, second = error(run("train", *QUICK, *faulty("raise", method, 1)))
    assert first == """Error: in a DataLoader worker: KeyError: "no weather station 'Oslo'\""""
    log = Path(second.removeprefix("The traceback is in ")).read_text(encoding="utf-8")
    assert f"in {Faulty.__getitem__.__name__}" in log


@pytest.mark.parametrize("workers", [0, 1])
def test_stop_iteration_does_not_cut_an_epoch(workers: int, run: Run, workdir: Path) -> None:
    """A dataset that raises StopIteration, with and without workers."""
    method = METHODS[0] if workers else "auto"
    [line] = error(run("train", *QUICK, *faulty("stop", method, workers)))
    assert re.search(r"Faulty raised StopIteration with \d+ batches left", line)


def test_a_worker_that_hangs_ends_the_training(run: Run, workdir: Path) -> None:
    """A worker that never answers, with a timeout of a second."""
    hangs = faulty("hang", METHODS[0], 1)
    [line] = error(run("train", *QUICK, *hangs, "dataloader.timeout=1"))
    assert "dataloader.timeout: DataLoader timed out after 1 seconds" in line
    assert not multiprocessing.active_children()


def test_a_dataset_of_which_an_epoch_reads_a_part_may_be_slow(run: Run, workdir: Path) -> None:
    """Persistent workers that are busy with the rest of an epoch when the next one begins."""
    slow = faulty("slow", METHODS[0], 1)
    short = ["trainer.max_epochs=2", "+trainer.limit_train_batches=1", "model.batch_size=10"]
    assert run("train", *QUICK, *slow, *short, "dataloader.timeout=30").code == 0


def test_an_error_about_a_timeout_is_the_datasets_own(workdir: Path) -> None:
    """A dataset whose own exception says that something timed out."""
    Path("fault").touch()
    loader = ResumableLoader(
        Faulty(range(10), "timeout"), batch_sampler=EpochOrder(10, 3), num_workers=0
    )
    with pytest.raises(RuntimeError, match="database timed out"):
        list(loader)


@pytest.mark.parametrize("times", [1, 2])
def test_after_ctrl_c_a_run_resumes_to_the_same_weights(
    times: int, run: Run, workdir: Path, stateful: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C during a step, once and twice; resume, and compare with an uninterrupted run."""
    handler = signal.getsignal(signal.SIGINT)
    pressed = [f"{Interrupt.__module__}.Interrupt", 8, times]
    keys = ("_target_", "step", "times")
    stop = [f"+callbacks.stop.{key}={value}" for key, value in zip(keys, pressed, strict=True)]
    try:
        finished = run("train", *fixtures.STATEFUL, *stop, "hydra.run.dir=run")
    finally:
        signal.signal(signal.SIGINT, handler)  # Lightning ignores it from then on
    assert finished.code == 128 + signal.SIGINT
    printed = finished.out + finished.err
    assert "Traceback" not in printed
    assert printed.count("Stopped.") == 1
    assert f"Stopped. Continue with: python train.py resume={workdir / 'run'}" in printed
    assert run("train", "resume=run").code == 0
    assert fixtures.same_weights(workdir / "run", stateful)


@pytest.mark.parametrize("stage", ["load", "test"])
def test_ctrl_c_outside_of_the_training_is_one_line(
    stage: str, run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while data is loaded, and while the model is tested."""
    quick = QUICK
    if stage == "load":
        source = f"data.function={interrupt.__module__}.interrupt"
        quick = [item for item in QUICK if not item.startswith("data")]
        quick += ["data=function", source]
    else:
        monkeypatch.setattr("my_forecast.commands.train.backtest", interrupt)
    finished = run("train", *quick)
    assert finished.code == 128 + signal.SIGINT
    printed = (finished.out + finished.err).strip().splitlines()
    assert printed[-1] == f"Stopped. Continue with: python train.py resume={workdir / 'run'}"
    assert "Traceback" not in "".join(printed)
    assert "KeyboardInterrupt" in (workdir / "run" / "train.log").read_text(encoding="utf-8")
