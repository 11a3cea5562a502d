"""The time to the first batch of spawned workers, against an interpreter that imports torch.

A spawned worker is a fresh interpreter that needs torch, so it cannot start in less time; what
comes on top is what the project makes workers import and send.
"""

from collections.abc import Iterator

from common import Row, interleaved, medians, seconds
from scripts.processes import run, run_script

WORKERS = 2


def measure() -> Iterator[Row]:
    """Compare two workers, which start at the same time, with one process that imports torch."""
    sides = {
        "first batch": lambda: float(run_script("light_main.py", str(WORKERS))["seconds"]),
        "import torch": lambda: seconds(lambda: run(["-c", "import torch"])),
    }
    times = medians(interleaved(sides))
    detail = {f"{name}, s": round(value, 3) for name, value in times.items()}
    ratio = times["first batch"] / times["import torch"]
    yield Row("first batch", f"{WORKERS} spawned workers", ratio, "<= 1.3 x", detail)
