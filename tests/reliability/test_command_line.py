"""Commands that cannot work: broken YAML, folders and disks that cannot be written to."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from engine.project import FAST, PROJECT, Finished
from engine.series import COMMON
from my_forecast.data import load_data
from my_forecast.errors import UserError
from my_forecast.large_data import StoredPanel
from my_forecast.runs.folder import RESUME_POINT
from rendered import environment

from reliability import FULL
from reliability.runs import disk
from reliability.test_processes import error

Run = Callable[..., Finished]
QUICK = [*FAST, "after_run=[]", "trainer.max_epochs=1"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["trainer.devices=7"], "trainer.devices: 7 must be 1 or auto"),
        (["trainer.devices=[0,1]"], r"trainer.devices: \[0, 1\] must be 1 or auto"),
        (["trainer.devices=-1"], "trainer.devices: -1 must be 1"),
        (["+trainer.num_nodes=2"], "trainer.num_nodes: 2 must be 1"),
        (["+trainer.strategy=ddp"], "trainer.strategy: 'ddp' must be auto"),
        (["+trainer.strategy=ddp_spawn"], "trainer.strategy: 'ddp_spawn' must be auto"),
        (["dataloader.timeout=60"], "dataloader.timeout: 60 requires workers"),
        (["dataloader.timeout=-1"], "dataloader.timeout: -1 must be at least 0 or auto"),
        (["hydra.run.dir="], "hydra.run.dir: it is the working directory"),
        (["hydra.run.dir=."], "hydra.run.dir: it is the working directory"),
        (["hydra.run.dir=file/run"], "'.*file.*': .*Check the path, and hydra.run.dir"),
        (["hydra.run.dir=folder"], "'.*train.log': .*Check the path, and hydra.run.dir"),
        (
            ["experiment=broken"],
            r"conf.experiment.broken\.yaml, line 2, column 2: expected ',' or '\]'",
        ),
    ],
)
def test_what_cannot_work_is_refused_in_a_line(
    overrides: list[str], message: str, run: Run, workdir: Path
) -> None:
    """Several devices, nodes and strategies, folders that cannot be written to, broken YAML."""
    Path("file").touch()
    Path("folder", "train.log").mkdir(parents=True)
    Path("conf", "experiment").mkdir(parents=True)
    Path("conf", "experiment", "broken.yaml").write_text("a: [1\nb: 2\n")
    [line] = error(run("train", "--config-dir=conf", *QUICK, *overrides))
    assert re.search(message, line), line
    if "hydra.run.dir" in overrides[0]:
        assert {path.name for path in workdir.iterdir()} <= {"file", "folder", "conf", "outputs"}


@pytest.mark.parametrize(
    ("limit", "steps"),
    [
        (["trainer.max_epochs=null", "+trainer.max_steps=7"], 7),
        (["trainer.max_epochs=2", "+trainer.max_steps=7"], 6),
        (["trainer.max_epochs=null", "+trainer.max_time=00:00:00:01"], None),
    ],
)
def test_a_training_may_be_limited_by_steps_or_time(
    limit: list[str], steps: int | None, run: Run, workdir: Path
) -> None:
    """`trainer.max_epochs=null` with `trainer.max_steps` or `trainer.max_time`."""
    assert run("train", *QUICK, *limit, "callbacks=[]", "hydra.run.dir=run").code == 0
    point = torch.load(workdir / "run" / RESUME_POINT, weights_only=False)
    reached = point["global_step"]
    assert reached == steps if steps else reached > 0


@pytest.mark.parametrize("devices", ["1", "auto"])
def test_one_device_is_allowed(devices: str, run: Run, workdir: Path) -> None:
    """`trainer.devices` is 1 or auto."""
    assert run("train", *QUICK, f"trainer.devices={devices}").code == 0


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "record.json"])
def test_a_full_disk_ends_in_a_line_and_the_run_is_resumed(
    name: str, run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when the config, the metrics or the record is written."""
    write = Path.write_text

    def full(self: Path, *args: Any, **arguments: Any) -> int:
        if self.name.startswith(name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, *args, **arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        line, log = error(run("train", *QUICK, "hydra.run.dir=run"))
    assert "No space left on device" in line
    assert name in line
    assert "Traceback" in Path(log.removeprefix("The traceback is in ")).read_text()
    again = [*QUICK, "hydra.run.dir=run"] if name == "config.yaml" else ["resume=run"]
    assert run("train", *again).code == 0


@pytest.fixture
def small_disk(workdir: Path) -> Iterator[Path]:
    """Return a folder on a disk of 1 MB."""
    with disk(workdir / "disk", "1m") as folder:
        yield folder


def test_a_store_that_does_not_fit_on_the_disk(run: Run, small_disk: Path) -> None:
    """`prepare.py` on a disk of 1 MB; then give it more room and prepare again."""
    rows = 100_000
    pd.DataFrame({"ds": range(rows), "y": np.arange(rows) % 7.0}).to_parquet("data.parquet")
    arguments = ["data.path=data.parquet", f"store={small_disk}/store"]
    command = [sys.executable, str(PROJECT / "prepare.py"), *arguments]
    env = environment(PROJECT)
    finished = subprocess.run(command, capture_output=True, text=True, env=env)
    printed = finished.stdout + finished.stderr
    assert finished.returncode == 1, printed
    assert "No space left on device" in printed
    assert "Traceback" not in printed
    assert not (small_disk / "store").exists()
    with pytest.raises(UserError, match="not a complete store"):
        load_data(StoredPanel(**COMMON, path=f"{small_disk}/store.unfinished"))
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    assert run("prepare", *arguments).code == 0
    panel = load_data(StoredPanel(**COMMON, path=f"{small_disk}/store"))
    assert panel.targets.length.tolist() == [rows]


@pytest.mark.parametrize("room", [0, 1 << 12, 1 << 19] if FULL else [1 << 19])
def test_a_checkpoint_that_does_not_fit_on_the_disk(room: int, run: Run, small_disk: Path) -> None:
    """Train on a disk of 1 MB with little room; then give it more room and resume."""

    def train(*overrides: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PROJECT / "train.py"), *overrides]
        # this process may have been told to show tracebacks
        env = {key: value for key, value in os.environ.items() if key != "HYDRA_FULL_ERROR"}
        return subprocess.run(command, capture_output=True, text=True, env=env)

    new = [*QUICK, "callbacks=default", f"hydra.run.dir={small_disk}/run"]
    (small_disk / "other").write_bytes(bytes((1 << 20) - room))
    finished = train(*new)
    assert finished.returncode == 1
    printed = finished.stdout + finished.stderr
    assert printed.count("Error: OSError: ") == 1, printed
    assert "No space left on device" in printed
    assert "Traceback" not in printed
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    begun = (small_disk / "run" / "config.yaml").exists()
    assert run("train", *([f"resume={small_disk}/run"] if begun else new)).code == 0
