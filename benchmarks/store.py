"""A store of up to 10^8 rows: prepare it and train from it, and the memory that both need."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from common import Row, interleaved, medians
from scripts.processes import project

STEPS, BATCH = 1_000, 1_024
# numbers of series; the last one is measured once, because it takes minutes
SERIES = (1_000, 10_000, 100_000)
# series that are written at once
PART = 10_000
MEGABYTE = 10**6


def measure() -> Iterator[Row]:
    """Prepare and train with stores of three sizes: seconds per row, and peak memory."""
    taken: dict[int, dict[str, float]] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        for series in SERIES:
            write(folder / f"{series}.parquet", series)
        small = {
            str(series): (lambda series=series: total(taken, folder, series))
            for series in SERIES[:-1]
        }
        times = {int(key): value for key, value in medians(interleaved(small)).items()}
        times[SERIES[-1]] = total(taken, folder, SERIES[-1])
    rows = {series: series * STEPS for series in SERIES}
    detail = {
        f"{key} of {rows[series]:.0e} rows": round(value, 2)
        for series, found in taken.items()
        for key, value in found.items()
    }
    peak = max(value for key, value in detail.items() if "MB" in key)
    case = f"{rows[SERIES[-1]]:.0e} rows into the store and one epoch of NLinear"
    yield Row("store", f"{case}: peak memory", peak / 1000, "<= 2 GB", detail)
    # the start of the processes is the same for all, so it is left out
    between = [
        (times[more] - times[less]) / (rows[more] - rows[less]) for less, more in pairwise(SERIES)
    ]
    detail = {f"{series:,} series, s": round(value, 1) for series, value in times.items()}
    detail |= {"µs per row": [round(value * 1e6, 2) for value in between]}
    growth = between[-1] / between[0]
    yield Row(
        "store", "time per row, 10^7 to 10^8 against 10^6 to 10^7", growth, "<= 1.2 x", detail
    )


def write(path: Path, series: int, steps: int = STEPS) -> None:
    """Write daily counts of some series as Parquet, a part at a time."""
    random, first = np.random.default_rng(0), date(2020, 1, 1)
    days = pl.date_range(first, first + timedelta(days=steps - 1), eager=True).cast(pl.Datetime)
    schema = pa.schema(
        [("series", pa.string()), ("time", pa.timestamp("us")), ("value", pa.float32())]
    )
    with pq.ParquetWriter(path, schema) as file:
        for begin in range(0, series, PART):
            names = [f"item_{number:06d}" for number in range(begin, min(begin + PART, series))]
            frame = pl.DataFrame(
                {
                    "series": np.repeat(names, steps),
                    "time": pl.concat([days] * len(names)),
                    "value": random.poisson(20, len(names) * steps).astype(np.float32),
                }
            )
            file.write_table(frame.to_arrow().cast(schema))


def total(taken: dict[int, dict[str, float]], folder: Path, series: int) -> float:
    """Return the seconds of ``prepare.py`` and ``train.py``, and note them with their memory."""
    with TemporaryDirectory(dir=folder) as name:
        store, run = Path(name, "store"), Path(name, "run")
        columns = ("data.series_column=series", "data.time_column=time")
        source = (f"data.path={folder / f'{series}.parquet'}", "data.target_columns=[value]")
        prepare = ("prepare.py", *source, *columns, f"store={store}", f"hydra.run.dir={name}/log")
        train = (
            *("train.py", "data=store", f"data.path={store}", "storage=mmap", "model=nlinear"),
            *(f"model.batch_size={BATCH}", "model.input_chunk_length=56", "horizon=28"),
            *("data.validation_size=28", "data.test_size=28", "trainer=cpu"),
            *("trainer.max_epochs=1", "after_run=[]", f"hydra.run.dir={run}"),
        )
        found = {}
        for name, command in (("prepare", prepare), ("train", train)):
            found[f"{name}, s"], found[f"{name}, MB"] = watched(command)
        stages = json.loads((run / "record.json").read_text(encoding="utf-8"))["seconds"]
    taken[series] = found | {f"{stage}, s": value for stage, value in stages.items()}
    return found["prepare, s"] + found["train, s"]


def watched(command: Sequence[str]) -> tuple[float, float]:
    """Return the seconds of a command of the project, and its largest memory in MB.

    The system can drop pages of mapped files at any time, so they do not count.
    """
    start, peak = time.perf_counter(), 0
    process = psutil.Popen([sys.executable, *command], cwd=project(), stdout=subprocess.DEVNULL)
    while process.poll() is None:
        memory = process.memory_info()
        peak = max(peak, memory.rss - memory.shared)
        time.sleep(0.05)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - start, peak / MEGABYTE
