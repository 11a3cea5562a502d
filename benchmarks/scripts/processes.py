"""Runs programs in fresh interpreters, under the conditions that users have."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).parent


def project() -> Path:
    """Return the folder of the rendered project, whose package this environment has."""
    return Path(os.environ["BENCH_PROJECT"]).resolve()


def run(arguments: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Run this interpreter with ``arguments`` and return what it prints.

    Raises:
        RuntimeError: with the end of its messages, when it fails.
    """
    # Where bytecode is not kept, every process compiles all that it imports: no user sees that.
    # The warm-up round of a benchmark writes it.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, *map(str, arguments)]
    result = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{command} failed:\n{(result.stdout + result.stderr)[-4000:]}")
    return result.stdout


def run_script(name: str, *arguments: str | Path) -> dict[str, Any]:
    """Run a program of this folder and return the JSON object that its last line holds."""
    values: dict[str, Any] = json.loads(run([SCRIPTS / name, *arguments]).splitlines()[-1])
    return values
