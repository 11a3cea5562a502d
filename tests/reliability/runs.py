"""Finished runs to attack, trained once."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from engine.project import FAST, fixtures
from my_forecast.commands.train import train
from my_forecast.modeling.bundle import FILES
from my_forecast.runs.folder import finish_run, write_sums

SMALL = [
    *FAST,
    "trainer.max_epochs=1",
    "+trainer.enable_progress_bar=false",
    "callbacks=[]",
    "after_run=[]",
]
# every file of a finished run that a command may read
NAMES = [
    *("config.yaml", "record.json", "metrics.json", "data_fingerprint.txt", "SHA256SUMS"),
    *(f"bundle/{name}" for name in ("config.yaml", "SHA256SUMS", *FILES)),
]


@contextmanager
def disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a new folder as a disk of its own; skip the test where this user cannot."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this user cannot mount a disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def trained(folder: Path, *overrides: str) -> Path:
    """Train a small model into a new folder."""
    folder.mkdir(parents=True)
    train(fixtures.compose_config(folder, *SMALL, *overrides))
    return folder


def unfinished(run: Path, folder: Path) -> Path:
    """Copy a finished run as one that was killed in its test, whose config names the new folder."""
    shutil.copytree(run, folder)
    for name in ("record.json", "SHA256SUMS"):
        (folder / name).unlink()
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace(run.as_posix(), folder.as_posix()))
    return folder


def plant(run: Path, folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy a run, and change its config as someone who knows the checksums would."""
    shutil.copytree(run, folder)
    for place in (folder, folder / "bundle"):
        values = yaml.safe_load((place / "config.yaml").read_text())
        change(values)
        text = yaml.safe_dump(values, sort_keys=False, explicit_end=True)
        (place / "config.yaml").write_text(text)
    signed(folder)
    return folder


def signed(folder: Path) -> None:
    """Renew all checksums of a run."""
    write_sums(folder / "bundle", (*FILES, "reference.json", "config.yaml"))
    finish_run(folder)


def damages(content: bytes, other: bytes) -> Iterator[tuple[str, bytes | None]]:
    """Yield what may become of a file; ``other`` is that of another run, None no file at all."""
    for part in range(1, 6):
        yield f"cut at {part}/6", content[: len(content) * part // 6]
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    yield from (("emptied", b""), ("flipped", bytes(flipped)), ("removed", None))
    if other != content:
        yield "of another run", other
