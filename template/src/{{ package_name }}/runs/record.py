"""The record of a run: what it ran on and with, and how long each stage took."""

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = (
    "darts",
    "torch",
    "pytorch-lightning",
    "hydra-core",
    "numpy",
    "pandas",
    "polars",
    "scikit-learn",
)


class StageTimer:
    """Wall time of consecutive stages, in seconds."""

    def __init__(self) -> None:
        """Start the first stage."""
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def end(self, stage: str) -> None:
        """End the current stage, and start the next one."""
        now = time.perf_counter()
        self.seconds[stage] = round(now - self._last, 3)
        self._last = now


def run_record(
    seed: int, data_fingerprint: str, seconds: dict[str, float], dataloader: dict[str, Any]
) -> dict[str, Any]:
    """Return what is needed to understand and repeat a run, ready for JSON.

    ``seconds`` is the wall time of each stage, ``dataloader`` the loader plan with its reasons.
    """
    packages = {package: version(package) for package in PACKAGES}
    return {
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "seed": seed,
        "data_fingerprint": data_fingerprint,
        "seconds": seconds,
        "dataloader": dataloader,
        "git": git_state(Path(__file__).parent),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version(), **packages},
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the revision and whether there are uncommitted changes.

    Without git, as in a container, the environment variable GIT_REVISION names the revision, with
    ``-dirty`` behind it if there were changes. None if there is neither.
    """

    def git(*arguments: str) -> bytes:
        # names of files may be in any encoding
        return subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, check=True
        ).stdout

    try:
        revision = git("rev-parse", "HEAD").decode("ascii").strip()
        return {"revision": revision, "dirty": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        named = os.environ.get("GIT_REVISION")
        if not named:
            return None
        return {"revision": named.removesuffix("-dirty"), "dirty": named.endswith("-dirty")}
