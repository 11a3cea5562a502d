"""Processes that are killed, hang or fail, two that train in one folder, and signals to stop."""

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
from types import SimpleNamespace

import psutil
import pytest
import torch
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from engine.project import FAST, PROJECT, Finished, fixtures
from my_forecast.commands.train import train
from my_forecast.loading.epoch_order import EpochOrder, ResumableLoader
from my_forecast.runs.folder import RESUME_POINT

from reliability import FULL
from reliability.faulty import (
    Faulty,
    Interrupt,
    StopAll,
    UseFaulty,
    interrupt,
    interrupt_twice,
    terminate,
)

Run = Callable[..., Finished]
METHODS = multiprocessing.get_all_start_methods()
# ends before the next test needs the CPUs
SECONDS = 10
QUICK = [*FAST, "after_run=[]", "trainer.max_epochs=1", "hydra.run.dir=run"]


@pytest.fixture(autouse=True)
def own_code(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let runs name the module of faults when they resume, as if a file in ``conf/`` did."""
    folder = tmp_path_factory.mktemp("conf")
    own = UseFaulty, Interrupt, StopAll, interrupt, interrupt_twice, terminate
    names = [f"- {one.__module__}.{one.__name__}\n" for one in own]
    (folder / "own_code.yaml").write_text("".join(names))
    conf = fixtures.run_config.CONF
    monkeypatch.setattr(fixtures.run_config, "CONF", [*conf, folder])


@pytest.fixture(autouse=True)
def own_handlers() -> Iterator[None]:
    """Restore what handles signals, which a command ignores once it ends."""
    numbers = signal.SIGINT, signal.SIGTERM
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def added(callback: type, **arguments: object) -> list[str]:
    """Return overrides that add a callback."""
    values = {"_target_": f"{callback.__module__}.{callback.__name__}", **arguments}
    return [f"+callbacks.added.{key}={value}" for key, value in values.items()]


def faulty(fault: str, method: str, workers: int = 2) -> list[str]:
    """Return overrides that train with workers that have a fault."""
    Path("fault").touch()
    return [
        *added(UseFaulty, fault=fault),
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
        process = psutil.Popen(
            command, env=env, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
        )
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


def shared_memory(*pids: int) -> list[str]:
    """Return what processes share by name, which contains that of the one that made it."""
    folder, numbers = Path("/dev/shm"), {str(pid) for pid in pids}
    return [path.name for path in folder.glob("*") if numbers & {*re.findall(r"\d+", path.name)}]


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
        pids = belonging()
        process.kill()
        process.wait()
        wait(lambda: not belonging(), SECONDS)
        assert not shared_memory(*pids)
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


@pytest.mark.parametrize("fault", ["hang", "loop"])
def test_a_worker_that_hangs_ends_the_training(fault: str, run: Run, workdir: Path) -> None:
    """A worker that sleeps or computes without end, with a timeout of a second."""
    hangs = faulty(fault, METHODS[0], 1)
    [line] = error(run("train", *QUICK, *hangs, "dataloader.timeout=1"))
    assert "dataloader.timeout: DataLoader timed out after 1 seconds" in line
    assert not multiprocessing.active_children()


def test_a_dataset_of_which_an_epoch_reads_a_part_may_be_slow(run: Run, workdir: Path) -> None:
    """Persistent workers that are busy with the rest of an epoch when the next one begins."""
    slow = faulty("slow", METHODS[0], 1)
    short = ["trainer.max_epochs=2", "+trainer.limit_train_batches=1", "model.batch_size=10"]
    assert run("train", *QUICK, *slow, *short, "dataloader.timeout=30").code == 0


@pytest.mark.parametrize("alive", [False, True])
@pytest.mark.parametrize("error", [ConnectionResetError, EOFError, FileNotFoundError])
def test_a_worker_that_is_killed_while_it_sends_a_batch_is_named(
    error: type[Exception], alive: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is lost; the same error of a dataset, whose worker lives on, is its own."""

    class Batches:
        _workers = (
            SimpleNamespace(pid=7, join=lambda seconds: None, is_alive=lambda: alive, kill=None),
        )

        def __next__(self) -> None:
            raise error("lost")

    monkeypatch.setattr(torch.utils.data.DataLoader, "__iter__", lambda self: Batches())
    loader = ResumableLoader([0, 1], batch_sampler=EpochOrder(2, 1))
    with pytest.raises(error if alive else RuntimeError) as raised:
        next(iter(loader))
    assert str(raised.value).startswith("lost" if alive else "DataLoader worker (pid 7) was killed")


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
    stop = added(Interrupt, step=8, times=times)
    finished = run("train", *fixtures.STATEFUL, *stop, "hydra.run.dir=run")
    assert finished.code == 128 + signal.SIGINT
    printed = finished.out + finished.err
    assert "Traceback" not in printed
    assert printed.count("Stopped.") == 1
    assert f"Stopped. Continue with: python train.py resume={workdir / 'run'}" in printed
    assert run("train", "resume=run").code == 0
    assert fixtures.same_weights(workdir / "run", stateful)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="there are no signals on this system")
@pytest.mark.parametrize("method", METHODS if FULL else METHODS[:1])
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"] if FULL else ["SIGTERM"])
def test_a_signal_to_all_processes_saves_and_stops(
    name: str, method: str, run: Run, workdir: Path, stateful: Path
) -> None:
    """Ctrl-C or SIGTERM for the training and its workers at once; resume, and compare."""
    overrides = [item for item in fixtures.STATEFUL if "callbacks" not in item]
    overrides += added(StopAll, step=8, name=name)
    overrides += ["callbacks=[default,exact_resume]", "hydra.run.dir=run"]
    overrides += ["dataloader.num_workers=2", f"dataloader.multiprocessing_context={method}"]
    with training(*overrides) as (process, belonging):
        assert process.wait(120) == 128 + getattr(signal, name), Path("printed").read_text()
        wait(lambda: not belonging(), SECONDS)
        assert not shared_memory(process.pid)
    printed = Path("printed").read_text()
    assert "Traceback" not in printed
    assert "DataLoader worker" not in printed
    assert printed.count(f"Stopped. Continue with: python train.py resume={workdir / 'run'}") == 1
    if name == "SIGTERM":
        assert torch.load(workdir / "run" / RESUME_POINT, weights_only=False)["global_step"] == 8
    assert run("train", "resume=run").code == 0
    assert fixtures.same_weights(workdir / "run", stateful)


SIGNALS = {"Ctrl-C": interrupt, "Ctrl-C twice": interrupt_twice, "SIGTERM": terminate}


@pytest.mark.parametrize("stage", ["load", "predict", "test", "report"])
@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_outside_of_the_training_is_one_line(
    name: str, stage: str, run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, once and twice, and SIGTERM while data is loaded, the model tested, a report made."""
    send = SIGNALS[name]
    quick = [item for item in QUICK if stage != "load" or not item.startswith("data")]
    if stage == "load":
        quick += ["data=function", f"data.function={send.__module__}.{send.__name__}"]
    elif stage == "report":
        quick += [f"+after_run.stop._target_={send.__module__}.{send.__name__}"]
        quick += ["+after_run.stop._partial_=true"]
    with monkeypatch.context() as patch:
        if stage == "predict":
            patch.setattr(PLForecastingModule, "predict_step", send)
        elif stage == "test":
            patch.setattr("my_forecast.commands.train.backtest", send)
        finished = run("train", *quick)
    assert finished.code == 128 + (signal.SIGTERM if send is terminate else signal.SIGINT)
    printed = (finished.out + finished.err).strip().splitlines()
    assert "Traceback" not in "".join(printed)
    log = (workdir / "run" / "train.log").read_text(encoding="utf-8")
    assert ("Terminated" if send is terminate else "KeyboardInterrupt") in log
    if stage == "report":
        assert printed[-1] == "Stopped."
        return
    assert printed[-1] == f"Stopped. Continue with: python train.py resume={workdir / 'run'}"
    if stage != "load":
        assert run("train", "resume=run").code == 0


MIDDLE = [
    *("+trainer.limit_train_batches=1", "model.batch_size=2", "callbacks=[]"),
    *("dataloader.num_workers=1", f"dataloader.multiprocessing_context={METHODS[0]}"),
    "dataloader.persistent_workers=false",
]


def test_workers_in_the_middle_of_an_epoch_end_with_the_command(workdir: Path) -> None:
    """Epochs of one batch of many, which workers go on loading, in a process of its own."""
    command = [sys.executable, str(PROJECT / "train.py"), *QUICK, *MIDDLE]
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def train_in(folder: Path) -> None:
    """Train as Python code does."""
    train(fixtures.compose_config(folder, *QUICK[:-1], *MIDDLE))


def test_workers_in_the_middle_of_an_epoch_end_with_a_process_of_multiprocessing(
    workdir: Path,
) -> None:
    """The same in a process that Python ends without its exit handlers."""
    process = multiprocessing.get_context("spawn").Process(target=train_in, args=(workdir,))
    process.start()
    process.join(300)
    ended = process.exitcode
    process.kill()
    assert ended == 0
