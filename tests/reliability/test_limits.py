"""Memory, open files, shared memory and disks that run out, and a clock that is set back."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engine.project import PROJECT, Finished, fixtures
from my_forecast.loading import hardware
from my_forecast.runs.folder import find_run
from rendered import environment

from reliability import FULL
from reliability.faulty import Interrupt
from reliability.runs import disk, trained
from reliability.test_processes import QUICK, added, error, faulty, own_code, own_handlers, training

Run = Callable[..., Finished]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps these limits")
SILENT = ["callbacks=[]", "+trainer.enable_progress_bar=false"]
__all__ = ["own_code", "own_handlers"]
# sets a limit of the system, and trains
LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.{limit}, ({value}, {value}))
sys.argv = ["train.py", *sys.argv[1:]]
runpy.run_path({script!r}, run_name="__main__")
"""


def limited(limit: str, value: int, *overrides: str) -> Finished:
    """Train in a process with a limit."""
    code = LIMITED.format(limit=limit, value=value, script=str(PROJECT / "train.py"))
    command = [sys.executable, "-c", code, *QUICK, *SILENT, *overrides]
    env = environment(PROJECT)
    found = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120)
    return Finished(found.returncode, found.stdout, found.stderr)


@linux
@pytest.mark.parametrize("fault", ["memory", "tensor"])
def test_memory_that_runs_out_in_a_worker(fault: str, run: Run, workdir: Path) -> None:
    """A worker that may have 256 MB more memory asks for 4 GB, of Python and of torch."""
    first, _ = error(run("train", *QUICK, *faulty(fault, "fork", 1), "dataloader.timeout=60"))
    assert first.startswith("Error: in a DataLoader worker: ")
    assert "Memory ran out. Decrease model.batch_size or dataloader.num_workers." in first


@linux
@pytest.mark.parametrize("fault", ["memory", "tensor"])
def test_memory_that_runs_out_in_the_training(fault: str, run: Run, workdir: Path) -> None:
    """The training itself may have 256 MB more memory, and asks for 4 GB; then it resumes."""
    with training(*QUICK, *SILENT, *faulty(fault, "auto", 0)) as (process, _):
        code = process.wait(120)
    first, _ = error(Finished(code, Path("printed").read_text(), ""))
    assert "Memory ran out. Decrease model.batch_size or dataloader.num_workers." in first
    Path("fault").unlink()
    assert run("train", "resume=run").code == 0


@linux
@pytest.mark.parametrize("files", [64, *(range(24, 48, 2) if FULL else [24])])
def test_few_open_files(files: int, workdir: Path) -> None:
    """A training with two workers may open 64 files, or only 24 (to 46 in the full run).

    With fewer, Python itself cannot remove its temporary folders when it ends.
    """
    workers = ["dataloader.num_workers=2", "dataloader.multiprocessing_context=fork"]
    finished = limited("RLIMIT_NOFILE", files, *workers)
    if finished.code != 0:
        assert files < 64
        printed = finished.out + finished.err
        # the queues of both workers print tracebacks of their own when they cannot send a batch
        assert printed.count("Traceback (") <= printed.count("in _feed")
        # a warning that comes later may follow it
        first = printed.partition("Error: ")[2].splitlines()[0]
        assert "Too many open files" in first
        assert "ulimit -n" in first


@pytest.fixture
def read_only(workdir: Path) -> Iterator[Callable[[], None]]:
    """Return what makes the folder ``disk`` read-only, for root as well."""
    with disk(workdir / "disk", "20m") as folder:
        yield lambda: subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


def test_a_read_only_folder_is_named(
    run: Run, workdir: Path, read_only: Callable[[], None]
) -> None:
    """Begin a run, resume one, and evaluate one on a disk that has become read-only."""
    assert run("train", *QUICK, "hydra.run.dir=disk/run").code == 0
    unfinished = workdir / "disk" / "unfinished"
    shutil.copytree(workdir / "disk" / "run", unfinished)
    (unfinished / "SHA256SUMS").unlink()
    read_only()
    for overrides in ([*QUICK, "hydra.run.dir=disk/new"], ["resume=disk/unfinished"]):
        [line] = error(run("train", *overrides))
        assert "Read-only file system" in line
        assert "disk" in line
    assert run("evaluate", "run=disk/run", "after_run=[]", "accelerator=cpu").code == 0


def test_small_shared_memory_is_refused_before_it_is_full(
    run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`/dev/shm` has 10 KB left, for the batches of two workers; without workers, it trains."""
    usage = shutil.disk_usage

    def small(path: Path) -> object:
        return usage(path)._replace(free=10_000) if path == hardware.SHARED_MEMORY else usage(path)

    monkeypatch.setattr(hardware, "SHARED_MEMORY", workdir)
    monkeypatch.setattr(shutil, "disk_usage", small)
    workers = ["dataloader.num_workers=2", "dataloader.multiprocessing_context=auto"]
    [line] = error(run("train", *QUICK, *workers, "hydra.run.dir=refused"))
    assert "dataloader.num_workers: " in line
    assert "/dev/shm" in line
    assert "docker run --shm-size" in line
    assert run("train", *QUICK).code == 0


SHARED = "mount -t tmpfs -o size=1m tmpfs /dev/shm && exec {} {}/train.py"


@linux
def test_workers_with_a_megabyte_of_shared_memory(workdir: Path) -> None:
    """Two workers share 1 MB of `/dev/shm` for small batches, in a namespace of their own."""
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"]).returncode:
        pytest.skip("this user cannot have a mount of its own")
    script = SHARED.format(sys.executable, PROJECT) + ' "$@"'
    overrides = [*QUICK, "dataloader.num_workers=2"]
    command = [*namespace, script, "sh", *overrides]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout + found.stderr


def test_the_latest_run_is_the_last_by_its_name(workdir: Path) -> None:
    """An older run has files dated in the future; of the jobs of a multirun, the tenth is last."""
    names = [
        "train/2031-01-02/03-04-05-000000",
        "train/2031-01-02/03-04-06-000000",
        "train/2030-12-31/23-59-59-000000",
        "multirun/2031-01-02/03-04-07-000000/9",
        "multirun/2031-01-02/03-04-07-000000/10",
    ]
    source, outputs = trained(workdir / "source"), workdir / "outputs"
    for number, name in enumerate(names):
        shutil.copytree(source, outputs / name)
        os.utime(outputs / name / "SHA256SUMS", (number, number))
    future = time.time() + 10 * 365 * 86400
    os.utime(outputs / names[2] / "SHA256SUMS", (future, future))
    assert find_run("latest") == Path("outputs", names[4])
    shutil.rmtree(outputs / "multirun")
    assert find_run("latest") == Path("outputs", names[1])


def test_a_clock_that_is_set_back_does_not_hinder_a_resume(
    run: Run, workdir: Path, stateful: Path
) -> None:
    """All files of a run that was killed are dated in the future; resume, and compare."""
    stop = added(Interrupt, step=8, times=1)
    assert run("train", *fixtures.STATEFUL, *stop, "hydra.run.dir=run").code != 0
    future = time.time() + 10 * 365 * 86400
    for path in (workdir / "run").rglob("*"):
        os.utime(path, (future, future))
    assert run("train", "resume=run").code == 0
    assert fixtures.same_weights(workdir / "run", stateful)
