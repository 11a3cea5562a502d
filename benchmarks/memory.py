"""Memory that DataLoader workers have for themselves, and whether the data is part of it.

Two workers of every start method fetch random batches of 400 MB of values and, in another run, of
4 MB: what a worker needs more for the larger set is data that it has a copy of.
"""

import multiprocessing
from collections.abc import Iterator
from typing import Any

from common import Row
from scripts.processes import run_script

SMALL, LARGE = 4, 400
RUNS = 3


def measure() -> Iterator[Row]:
    """Compare a small and a large data set, in memory and in a mapped file."""
    for method in multiprocessing.get_all_start_methods():
        for storage in ("memory", "mmap"):
            runs = {
                size: [_run(method, storage, size) for _ in range(RUNS)] for size in (SMALL, LARGE)
            }
            own = {size: sorted(max(run["worker USS"]) for run in runs[size]) for size in runs}
            large = runs[LARGE][0]
            detail: dict[str, Any] = {
                f"USS of a worker, {size} MB": [round(value, 1) for value in values]
                for size, values in own.items()
            }
            detail |= {
                f"USS of the main process, {LARGE} MB": round(large["main USS"], 1),
                f"all processes together (PSS), {LARGE} MB": round(large["sum of PSS"], 1),
            }
            case = f"{LARGE} MB, {storage}, {method}"
            # the allocator of some runs keeps 15 MB more, whatever the data: the least are compared
            grown = own[LARGE][0] - own[SMALL][0]
            # nothing but data would make 5 MB of the 396 MB that the sets differ by
            yield Row("memory", f"{case}: data duplicated in a worker", grown, "<= 5 MB", detail)
            if method == "forkserver":
                unique = own[LARGE][RUNS // 2]
                yield Row("memory", f"{case}: USS of a worker", unique, "<= 20 MB", detail)


def _run(method: str, storage: str, megabytes: int) -> dict[str, Any]:
    options = {"--method": method, "--storage": storage, "--megabytes": str(megabytes)}
    return run_script("worker_memory.py", *(part for pair in options.items() for part in pair))
