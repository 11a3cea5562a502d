"""The folder of a run: the names of its files, how they are written, and how it is found again.

Nothing heavy is imported, so that runs can be compared at once.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError

CONFIG, RECORD, METRICS, BUNDLE = "config.yaml", "record.json", "metrics.json", "bundle"
METRICS_BY_STEP, METRICS_BY_SERIES = "metrics_by_step.csv", "metrics_by_series.csv"
FINGERPRINT = "data_fingerprint.txt"
RESUME_POINT = Path("checkpoints", "last.ckpt")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path to write to, and put the file in place, so that nobody ever reads half of it."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    yield unfinished
    unfinished.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text aside, and put it in place."""
    with written_aside(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a file that ``write_json`` wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write the resolved config; raise ``UserError`` when the folder already holds a run."""
    if (folder / CONFIG).exists():
        raise UserError(
            f"hydra.run.dir: '{folder}' already holds a run, which is not overwritten. Choose "
            "another folder, or leave hydra.run.dir out."
        )
    write_text(folder / CONFIG, yaml.safe_dump(config, allow_unicode=True, sort_keys=False))


def find_run(run: str, key: str = "run") -> Path:
    """Return the folder of a finished run.

    Args:
        run: the folder, or ``latest`` for the newest one under ``outputs``.
        key: the setting that holds it, for messages.

    Raises:
        UserError: when it is not the folder of a finished run of ``train.py``.
    """
    if run == "latest":
        records = sorted(Path("outputs").rglob(RECORD), key=lambda path: path.stat().st_mtime)
        if not records:
            raise UserError(f"{key}=latest: 'outputs' holds no finished run. Train one first.")
        return records[-1].parent
    folder = Path(run)
    if not folder.is_dir():
        raise UserError(
            f"{key}: there is no folder '{folder}'. Give the folder of a run, or latest."
        )
    for name in (RECORD, f"{BUNDLE}/{CONFIG}"):
        if not (folder / name).is_file():
            raise UserError(
                f"{key}: '{folder}' has no {name}, so it is not a finished run of train.py."
            )
    return folder


def check_unfinished(folder: Path, output_dir: str) -> None:
    """Make sure that a run can be resumed.

    Raises:
        UserError: when it is finished, or was moved from the ``output_dir`` that its config names.
    """
    if (folder / RECORD).is_file():
        raise UserError(
            f"resume: the run in '{folder}' is finished. finetune={folder} starts a new run from "
            "its weights."
        )
    if folder.resolve() != Path(output_dir).resolve():
        raise UserError(
            f"resume: '{folder}' was moved. Its config names {output_dir}; move it back there."
        )


def check_same_data(folder: Path, digest: str) -> None:
    """Store the fingerprint of the data of a new run; compare it in a resumed one.

    Raises:
        UserError: when the data has changed since the run began.
    """
    path = folder / FINGERPRINT
    if path.is_file() and path.read_text(encoding="utf-8") != digest:
        raise UserError(
            "resume: the data has changed since the run began. Restore it, or start a new run."
        )
    write_text(path, digest)


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed run left half-written: its bundle and its mapped values."""
    for leftover in (*folder.glob(BUNDLE), *folder.glob("storage-*")):
        shutil.rmtree(leftover)


def shown(path: Path) -> Path:
    """Return a path relative to the working directory where possible, ready for ``run=``."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
