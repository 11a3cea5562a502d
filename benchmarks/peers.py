"""The loader and the whole fit against neuralforecast, pytorch-forecasting and GluonTS.

Every side runs in a process of its own, the peers in environments of their own (``peers/*.txt``):
100 series of 2,000 steps, 96 steps in, 24 out, 256 windows a step, Adam, no validation. Steps are
timed after a warm-up, so neither imports nor start-up count. A peer's best setting is taken, its
default beside it for one model to show the difference. The modules have the same layers, except
N-HiTS: the peers' has 40,898 parameters, Darts' 31,018.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from common import Row, interleaved, medians

OWN_STEPS = 400
FOLDER = Path(__file__).parent
# peer, task, model, the settings to choose from, steps
WORK = [
    ("neuralforecast", "loader", "nlinear", ("one_series",), 200),
    ("neuralforecast", "fit", "nlinear", ("default", "one_series"), 200),
    ("neuralforecast", "fit", "dlinear", ("one_series",), 200),
    ("neuralforecast", "fit", "nhits", ("one_series",), 200),
    ("gluonts", "loader", "dlinear", ("dense",), 200),
    ("gluonts", "fit", "dlinear", ("dense",), 200),
    ("pytorch_forecasting", "loader", "nhits", ("default",), 40),
    ("pytorch_forecasting", "fit", "nhits", ("default",), 40),
]


def measure() -> Iterator[Row]:
    """Compare with every peer that has an environment: BENCH_PEERS names their folder."""
    for peer, task, model, settings, steps in WORK:
        work = ("--task", task, "--model", model, "--batches")
        script = FOLDER / "peers" / f"{peer}_bench.py"
        sides = {
            setting: partial(_speed, _python(peer), script, *work, str(steps), "--setting", setting)
            for setting in settings
        }
        own = FOLDER / "scripts" / "project_steps.py"
        sides["project"] = partial(_speed, sys.executable, own, *work, str(OWN_STEPS))
        # each script warms up by itself
        speed = medians(interleaved(sides, warm_up=False))
        best = max(settings, key=lambda setting: speed[setting])
        detail = {f"{name} windows/s": round(value) for name, value in speed.items()}
        detail["best setting"] = best
        case = f"{task}, {model}: against {peer}"
        yield Row("peers", case, speed["project"] / speed[best], ">= 1 x", detail)


def _python(peer: str) -> str:
    folder = Path(os.environ["BENCH_PEERS"]) / peer
    return str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))


def _speed(python: str, script: Path, *arguments: str) -> float:
    """Return the windows per second that a script reports in its last line."""
    result = subprocess.run([python, str(script), *arguments], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"{script.name} failed:\n{result.stderr[-4000:]}")
    values: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return float(values["windows_per_s"])
