"""The folder of a run: the names of its files, how they are written, and how it is found again.

Nothing heavy is imported, so that runs can be compared at once.
"""

import hashlib
import json
import logging
import os
import platform
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from pydantic_core import to_json

from ..errors import UserError

log = logging.getLogger(__name__)

CONFIG, RECORD, METRICS, BUNDLE = "config.yaml", "record.json", "metrics.json", "bundle"
METRICS_BY_STEP, METRICS_BY_SERIES = "metrics_by_step.csv", "metrics_by_series.csv"
FORECASTS = "forecasts.parquet"
FINGERPRINT = "data_fingerprint.txt"
# of complete files, as `sha256sum --check` reads it; a run that has none is not finished
SUMS = "SHA256SUMS"
# the lock of a run that trains, and who holds it
LOCK, HOLDER = ".lock", ".lock_holder"
RESUME_POINT = Path("checkpoints", "last.ckpt")
REMEDY = "Restore the run from a copy, or train again."
# how conf/hydra names the folders of runs
DATED = re.compile(r"\d{4}-\d\d-\d\d/\d\d-\d\d-\d\d-\d{6}")
PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]+@")


@contextmanager
def written_aside(path: Path) -> Iterator[Path]:
    """Yield a path to write to, and put the file in place, so that nobody ever reads half of it."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    yield unfinished
    # on the disk first, or a power cut may leave the name with nothing in it
    with unfinished.open("r+b") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a text aside, and put it in place."""
    with written_aside(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write indented JSON, with null for a number that is not finite."""
    write_text(path, to_json(content, indent=2, inf_nan_mode="null").decode() + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a file that ``write_json`` wrote."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write the resolved config.

    Raises:
        UserError: when the folder already holds a run, or a URL in the config has a password.
    """
    if (folder / CONFIG).exists():
        raise UserError(
            f"hydra.run.dir: '{folder}' already holds a run, which is not overwritten. Choose "
            "another folder, or leave hydra.run.dir out."
        )
    text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False, explicit_end=True)
    if PASSWORD_IN_URL.search(text):
        raise UserError(
            "A URL in the config has a password, which the run folder would keep. Take it out; "
            "MLflow reads MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead."
        )
    write_text(folder / CONFIG, text)


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """List complete files with their SHA-256, once they are on the disk."""
    lines = []
    for name in names:
        with (folder / name).open("r+b") as file:
            os.fsync(file.fileno())
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
    write_text(folder / SUMS, "".join(lines))


def finish_run(folder: Path) -> None:
    """Mark a run as finished: from now on, its files are checked before they are used."""
    write_sums(folder, (CONFIG, FINGERPRINT, METRICS, RECORD, f"{BUNDLE}/{SUMS}"))


def checked(folder: Path, name: str) -> Path:
    """Return the path of a file of a finished run, if it is what the run wrote.

    Raises:
        UserError: when it is missing, damaged, or from another run.
    """
    try:
        with (folder / name).open("rb") as file:
            line = f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}"
        lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"'{error.filename}': {error.strerror}. {REMEDY}") from error
    if line not in lines:
        raise UserError(
            f"'{folder / name}' is damaged or was changed: its checksum is not the one in {SUMS}. "
            f"{REMEDY}"
        )
    return folder / name


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let no other process train in a folder; the lock of a killed process does not count.

    Raises:
        UserError: naming the process that trains there.
    """
    lock, holder = FileLock(folder / LOCK), folder / HOLDER
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = holder.read_text(encoding="utf-8") if holder.is_file() else "another process"
        raise UserError(
            f"hydra.run.dir: {who} trains in '{folder}'. Wait until it ends, or stop it first."
        ) from error
    except (OSError, NotImplementedError) as error:
        log.warning("'%s' is not locked, which its file system refuses (%s).", folder, error)
    try:
        write_text(holder, f"process {os.getpid()} on {platform.node()}")
        yield
    finally:
        lock.release()


def is_bundle(folder: Path) -> bool:
    """Return whether a folder is the bundle of a run, without the rest of the run."""
    of_run = (folder / name for name in (RECORD, BUNDLE))
    return (folder / SUMS).is_file() and not any(path.exists() for path in of_run)


def bundle_of(folder: Path) -> Path:
    """Return the bundle of a folder that ``find_run`` returned."""
    return folder if is_bundle(folder) else folder / BUNDLE


def find_run(run: str, key: str = "run") -> Path:
    """Return the folder of a finished run, or a bundle that was copied from one.

    Args:
        run: the folder, or ``latest`` for the one under ``outputs`` that began last.
        key: the setting that holds it, for messages.

    Raises:
        UserError: when it is not the folder of a finished run of ``train.py``.
    """
    if run == "latest":
        sums = [path for path in Path("outputs").rglob(SUMS) if not is_bundle(path.parent)]
        if not sums:
            raise UserError(f"{key}=latest: 'outputs' holds no finished run. Train one first.")
        run = str(max(sums, key=_begun).parent)
    folder = Path(run)
    if not folder.is_dir():
        raise UserError(
            f"{key}: there is no folder '{folder}'. Give the folder of a run, or latest."
        )
    if is_bundle(folder):
        return folder
    for name in (RECORD, SUMS):
        if not (folder / name).is_file():
            raise UserError(
                f"{key}: '{folder}' has no {name}, so it is not a finished run of train.py. "
                f"Finish it with train.py resume={folder}, or choose another one."
            )
    # which lists the other files of the bundle
    checked(folder, f"{BUNDLE}/{SUMS}")
    return folder


def _begun(path: Path) -> tuple[str, float]:
    """Return when a run began, by its name; copying changes only the times of files.

    The jobs of a multirun share a name, and are told apart by when they ended.
    """
    ended = path.stat().st_mtime
    if named := DATED.search(path.as_posix()):
        return named[0], ended
    return f"{datetime.fromtimestamp(ended):%Y-%m-%d/%H-%M-%S-%f}", ended


def check_unfinished(folder: Path, output_dir: str) -> None:
    """Make sure that a run can be resumed.

    Raises:
        UserError: when it is finished, or was moved from the ``output_dir`` that its config names.
    """
    if (folder / RECORD).is_file() and (folder / SUMS).is_file():
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
    if path.is_file() and path.read_bytes() not in (b"", digest.encode()):
        raise UserError(
            "resume: the data has changed since the run began. Restore it, or start a new run. "
            f"If the data has not changed, '{path}' is damaged: delete that file."
        )
    write_text(path, digest)


def remove_leftovers(folder: Path) -> None:
    """Delete what a killed run left half-written: its bundle, checksums and mapped values."""
    (folder / SUMS).unlink(missing_ok=True)
    for leftover in (*folder.glob(BUNDLE), *folder.glob("storage-*")):
        shutil.rmtree(leftover)


def shown(path: Path) -> Path:
    """Return a path relative to the working directory where possible, ready for ``run=``."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
