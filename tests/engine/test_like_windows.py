"""Every command under what Windows refuses, as ``like_windows.py`` emulates it."""

import gc
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from my_forecast.compare import main as compare
from my_forecast.config import LoaderConfig
from my_forecast.loader_lab import measure

from engine.like_windows import act_like_windows
from engine.project import FAST, Finished, fixtures
from engine.test_resume import stop_at

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds open files through /proc")

no_plots = fixtures.no_plots
Run = Callable[..., Finished]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let the system act like Windows, and return what it refuses."""
    yield from act_like_windows(monkeypatch)


@pytest.fixture
def succeed(run: Run, refused: list[str], no_plots: None) -> Callable[..., None]:
    """Return a function that runs a command, which must not try what Windows refuses."""

    def command(name: str, *overrides: str) -> None:
        done = run(name, *overrides)
        assert done.code == 0, done.out + done.err
        assert not refused

    return command


def test_open_and_mapped_files_are_held(workdir: Path, refused: list[str]) -> None:
    """As Windows does: neither deleted, replaced nor renamed, nor is a folder that has them."""
    Path("new").touch()
    with TemporaryDirectory(dir=workdir) as name:
        path = Path(name, "x.npy")
        np.save(path, np.arange(3.0))
        for use in (path.open("rb"), np.load(path, mmap_mode="r")):
            for refuse in (
                path.unlink,
                lambda: Path("new").replace(path),
                lambda: path.parent.rename("renamed"),
            ):
                with pytest.raises(PermissionError):
                    refuse()
            del use
        Path("new").replace(path)
        with pytest.raises(FileExistsError):
            path.rename(path)
    assert len(refused) == 6
    assert not Path(name).exists()


def test_mapped_files_and_stores(
    workdir: Path, succeed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fixtures.sales().to_parquet("sales.parquet", index=False)
    source = ["data.path=sales.parquet", "data.future_covariates_columns=[event]"]
    # each day that is cut, and each component, is one more file until the store is complete
    succeed("prepare", *source, "data.end=2024-03-10", "store=store")
    assert not Path("store.unfinished").exists()
    mapped = [*fixtures.FAST_SALES, "stride=20", "storage=mmap"]
    sizes = [option for option in mapped if not option.startswith(("data=", "data.future"))]
    for name, data in (
        ("one", ["data=store", "data.path=store"]),
        ("two", ["data=parquet", *source]),
    ):
        succeed("train", *sizes, *data, "after_run=report", f"hydra.run.dir={name}")
        assert Path(name, "report.html").is_file()
        assert not list(Path(name).glob("storage-*"))
    succeed("train", *sizes, "data=store", "data.path=store", "finetune=one", "hydra.run.dir=more")
    succeed("evaluate", "run=one", "backtest=retrain", "backtest.every=2", "hydra.run.dir=again")
    assert not list(Path("again").glob("training-*"))
    succeed("predict", "run=one", "output=parts.parquet", "writer=parts")
    succeed("predict", "run=one", "output=table.csv", "writer=parts")
    assert not list(Path().glob("*.parts"))
    measured = ["measure=loaders", "measure.batches=2", "model.batch_size=16", *sizes]
    monkeypatch.setattr(
        measure, "settings_to_measure", lambda hardware: [LoaderConfig(num_workers=0)] * 2
    )
    succeed("doctor", *measured, "data=store", "data.path=store")
    assert not list(Path("outputs/doctor").rglob("storage-*"))
    compare(["*", "--csv", "runs.csv"])


def test_a_run_that_was_stopped_is_resumed(
    workdir: Path, succeed: Callable[..., None], run: Run, refused: list[str]
) -> None:
    exact = ["callbacks=[default,exact_resume]", "logger=csv", "storage=mmap"]
    done = run("train", *FAST, *exact, *stop_at(4, "SIGTERM"), "hydra.run.dir=run")
    assert done.code == 143
    # an exception keeps the arrays, and so the files, until the process ends
    assert list(Path("run").glob("storage-*"))
    gc.collect()
    refused.clear()
    succeed("train", "resume=run")
    assert not list(Path("run").glob("storage-*"))
