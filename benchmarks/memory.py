"""Memory that DataLoader workers have for themselves, and whether the data is part of it.

Two workers of every start method fetch random batches of 400 MB of values.
"""

import multiprocessing
import statistics
from collections.abc import Iterator

from common import REPEATS, Row
from scripts.processes import run_script

MEGABYTES = 400


def measure() -> Iterator[Row]:
    """Measure data in memory and in a mapped file."""
    for method in multiprocessing.get_all_start_methods():
        for storage in ("memory", "mmap"):
            options = ("--method", method, "--storage", storage, "--megabytes", str(MEGABYTES))
            runs = [run_script("worker_memory.py", *options) for _ in range(REPEATS)]
            own = sorted(max(run["worker USS"]) for run in runs)
            detail = {
                "USS of a worker": ", ".join(f"{value:.1f}" for value in own),
                "USS of the main process": round(runs[0]["main USS"], 1),
                "all processes together (PSS)": round(runs[0]["sum of PSS"], 1),
            }
            case = f"{MEGABYTES} MB, {storage}, {method}"
            copied = max(max(run["data of a worker alone"]) for run in runs)
            yield Row("memory", f"{case}: data duplicated in a worker", copied, "<= 1 MB", detail)
            if method == "forkserver":
                unique = statistics.median(own)
                yield Row("memory", f"{case}: USS of a worker", unique, "<= 20 MB", detail)
