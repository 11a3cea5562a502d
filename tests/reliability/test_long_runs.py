"""Many runs in one process, and many epochs with workers: nothing grows."""

import gc
import json
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from engine.project import fixtures
from my_forecast.commands.evaluate import evaluate
from my_forecast.commands.predict import predict
from my_forecast.commands.train import train
from pytorch_lightning import Callback

from reliability import FULL
from reliability.runs import SMALL

CYCLES, EPOCHS = (200, 200) if FULL else (10, 20)
# growth of one cycle or epoch; in few of them, what is allocated once is not spread thin
MEGABYTES = 0.5 if FULL else 8.0
Measured = Callable[[str, object], None]


def measure() -> list[float]:
    """Return the megabytes, open files and threads of this process."""
    gc.collect()
    process = psutil.Process()
    files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return [process.memory_info().rss / 1e6, files, process.num_threads()]


class MeasureEpochs(Callback):
    """Measure after every epoch, and write the measurements to a file in the end."""

    def __init__(self) -> None:
        """Begin without measurements."""
        self.rows: list[list[float]] = []

    def on_train_epoch_end(self, *args: Any) -> None:
        """Measure."""
        self.rows.append(measure())

    def on_train_end(self, *args: Any) -> None:
        """Write the measurements."""
        Path("measured.json").write_text(json.dumps(self.rows))


def cycles(folder: Path) -> None:
    """Train, evaluate and predict again and again."""
    os.chdir(folder)
    rows = []
    for number in range(CYCLES):
        run = folder / f"run{number}"
        run.mkdir()
        train(fixtures.compose_config(run, *SMALL))
        evaluated = folder / f"evaluated{number}"
        evaluated.mkdir()
        name = f"run={run.as_posix()}"
        evaluate(fixtures.compose_config(evaluated, name, "after_run=[]", name="evaluate"))
        output = f"output=forecast{number}.csv"
        predict(fixtures.compose_config(folder, f"run=[{run.as_posix()}]", output, name="predict"))
        rows.append(measure())
    Path("measured.json").write_text(json.dumps(rows))


def epochs(folder: Path, persistent: bool) -> None:
    """Train for many epochs with two workers."""
    os.chdir(folder)
    (folder / "run").mkdir()
    workers = {
        "num_workers": 2,
        "persistent_workers": persistent,
        "multiprocessing_context": multiprocessing.get_all_start_methods()[0],
    }
    overrides = [f"dataloader.{key}={value}" for key, value in workers.items()]
    overrides += [f"trainer.max_epochs={EPOCHS}"]
    callback = f"+callbacks.measure._target_={__name__}.MeasureEpochs"
    train(fixtures.compose_config(folder / "run", *SMALL, *overrides, callback))


def growth(work: Callable[..., None], folder: Path, *arguments: Any) -> list[float]:
    """Work in a new process; return the growth of each number, by the second half of the work."""
    process: Any = multiprocessing.get_context("spawn").Process(
        target=work, args=(folder, *arguments)
    )
    process.start()
    process.join(3600)
    assert process.exitcode == 0
    rows = np.array(json.loads((folder / "measured.json").read_text()))
    rows = rows[len(rows) // 2 :]
    slopes: list[float] = np.polyfit(np.arange(len(rows)), rows, 1)[0].tolist()
    return slopes


def assert_nothing_grows(slopes: list[float], unit: str, record_property: Measured) -> None:
    """Compare growth with that of a leak, and note it for the page."""
    memory, files, threads = slopes
    text = f"{memory:+.2g} MB, {files:+.2g} open files, {threads:+.2g} threads {unit}"
    record_property("measured", text)
    assert memory < MEGABYTES, text
    assert files < 0.5, text
    assert threads < 0.5, text


def test_commands_in_one_process_do_not_grow(tmp_path: Path, record_property: Measured) -> None:
    """Train, evaluate and predict 200 times in one process (10 in the short form)."""
    slopes = growth(cycles, tmp_path)
    assert_nothing_grows(slopes, "a cycle", record_property)


@pytest.mark.parametrize("persistent", [True, False])
def test_epochs_with_workers_do_not_grow(
    persistent: bool, tmp_path: Path, record_property: Measured
) -> None:
    """200 epochs (20 in the short form) with two workers, which persist or start every epoch."""
    slopes = growth(epochs, tmp_path, persistent)
    assert_nothing_grows(slopes, "an epoch", record_property)
