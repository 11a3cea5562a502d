"""This version against release 0.2.0, the last one before its code moved: old and new in turn."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import copier
from common import Row, interleaved, medians, seconds
from scripts.processes import SCRIPTS, project

ROOT = Path(__file__).parents[1]
RELEASE = "0.2.0"
# the same data, sizes and steps for both
DATA = ("data=synthetic", "data.n_series=50", "data.length=1000", "horizon=24", "trainer=cpu")
STEPS = ("stride=24", "model.batch_size=256", "callbacks.early_stopping.patience=99")
EPOCHS = {"nlinear": 8, "dlinear": 4, "nhits": 1, "tide": 1}


def measure() -> Iterator[Row]:
    """Compare the loader, the fit of four models, the first batch with workers, and the start."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        sides = {RELEASE: release(folder), "now": project()}
        yield row("loader", "a hundred epochs, 100 x 2,000", sides, loader)
        for model, epochs in EPOCHS.items():
            options = (f"model={model}", f"trainer.max_epochs={epochs}")
            yield row("fit", model, sides, partial(fit, folder, *options))
        workers = ("dataloader.num_workers=2", "dataloader.multiprocessing_context=spawn")
        options = ("model=nlinear", "trainer.max_epochs=1", *workers)
        case = "nlinear, an epoch with 2 spawned workers"
        yield row("first batch", case, sides, partial(fit, folder, *options))
        yield row("start", "train.py --help", sides, start)


def row(bench: str, case: str, sides: dict[str, Path], side: Callable[[Path], float]) -> Row:
    """Measure one case with both; a ratio of 1.05 allows for the noise of the machine."""
    times = medians(interleaved({key: partial(side, path) for key, path in sides.items()}))
    detail = {f"{name}, s": round(value, 3) for name, value in times.items()}
    ratio = times["now"] / times[RELEASE]
    return Row("previous", f"{bench}: {case}, against {RELEASE}", ratio, "<= 1.05 x", detail)


def release(folder: Path) -> Path:
    """Render the release with its defaults, and return the project."""
    releases = tomllib.loads((ROOT / "tests/releases.toml").read_text(encoding="utf-8"))
    template, rendered = folder / "template", folder / "my-forecast"
    template.mkdir()
    archive = subprocess.run(
        ["git", "archive", releases[RELEASE]], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x"], cwd=template, input=archive.stdout, check=True)
    copier.run_copy(str(template), rendered, defaults=True, quiet=True)
    return rendered


def run(folder: Path, *arguments: str | Path) -> str:
    """Run Python in a project, and return what it prints."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise RuntimeError(f"{command} failed:\n{(result.stdout + result.stderr)[-4000:]}")
    return result.stdout


def loader(folder: Path) -> float:
    """Return the seconds of the epochs of a training loader."""
    return float(run(folder, SCRIPTS / "loader_epochs.py").splitlines()[-1])


NUMBERS = count()


def fit(outputs: Path, *options_and_folder: str | Path) -> float:
    """Train, and return the seconds of the fit that the record of the run holds."""
    *options, folder = options_and_folder
    output = outputs / f"run-{next(NUMBERS)}"
    run(Path(folder), "train.py", *DATA, *STEPS, *options, f"hydra.run.dir={output}")
    record = json.loads((output / "record.json").read_text(encoding="utf-8"))
    return float(record["seconds"]["fit"])


def start(folder: Path) -> float:
    """Return the seconds that the help takes."""
    return seconds(lambda: run(folder, "train.py", "--help"))
