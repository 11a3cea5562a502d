"""Forecasts of 100,000 series to a Parquet file, against ``predict`` of Darts on a fiftieth."""

import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from common import Row, interleaved, medians, seconds
from darts import TimeSeries
from hydra import compose, initialize_config_dir
from my_forecast import load_run
from my_forecast.commands.predict import predict
from scripts.processes import project
from store import watched, write
from training import quiet

SERIES, STEPS, HORIZON = 100_000, 200, 28
# Darts forecasts one of so many series
PART = 50


def measure() -> Iterator[Row]:
    """Compare seconds per series, and take the memory of the whole command."""
    quiet()
    with TemporaryDirectory() as name:
        folder = Path(name)
        whole, part, run = folder / "all.parquet", folder / "part.parquet", folder / "run"
        write(whole, SERIES, STEPS)
        write(part, SERIES // PART, STEPS)
        train(part, run)
        model: Any = load_run(run, "cpu").model
        series = read(part)
        outputs = (folder / f"{number}.parquet" for number in count())
        sides = {
            "predict of Darts": lambda: seconds(lambda: model.predict(HORIZON, series)),
            "Darts from file to file": lambda: seconds(
                lambda: to_file(model.predict(HORIZON, read(part)), next(outputs))
            ),
            "project from file to file": lambda: seconds(
                lambda: project_predicts(run, whole, next(outputs))
            ),
        }
        times = medians(interleaved(sides))
        options = (f"run={run}", f"data_path={whole}", "accelerator=cpu", "writer=parts")
        _, peak = watched(("predict.py", *options, f"output={next(outputs)}"))
    detail = {f"{side}, s": round(value, 2) for side, value in times.items()}
    detail |= {"series of Darts": SERIES // PART}
    case = f"{SERIES:,} x {HORIZON} to Parquet, per series against"
    for other in ("predict of Darts", "Darts from file to file"):
        ratio = PART * times[other] / times["project from file to file"]
        yield Row("predict", f"{case} {other}", ratio, ">= 20 x", detail)
    detail = {"peak, MB": round(peak)}
    case = f"{SERIES:,} x {HORIZON} to Parquet: peak memory"
    yield Row("predict", case, peak / 1000, "<= 2 GB", detail)


def read(path: Path) -> list[TimeSeries]:
    """Return the series of a file as Darts reads them."""
    series = TimeSeries.from_group_dataframe(
        pd.read_parquet(path), "series", "time", "value", drop_group_cols="series"
    )
    return [one.astype(np.float32) for one in series]


def to_file(forecasts: list[TimeSeries], path: Path) -> None:
    """Write forecasts of Darts to one file."""
    tables = [one.to_dataframe(time_as_index=False) for one in forecasts]
    pd.concat(tables, keys=range(len(tables)), names=["series"]).to_parquet(path)


def project_predicts(run: Path, data: Path, output: Path) -> None:
    """Run the command in this process, where everything is imported."""
    with initialize_config_dir(version_base="1.3", config_dir=str(project() / "conf")):
        options = [f"run={run}", f"data_path={data}", "accelerator=cpu", "writer=parts"]
        predict(compose("predict", [*options, f"output={output}", "paths.output_dir=."]))


def train(path: Path, run: Path) -> None:
    """Train NLinear for an epoch, with a scaler that takes any series."""
    command = [
        *(sys.executable, "train.py", "data=parquet", f"data.path={path}", "model=nlinear"),
        *("data.series_column=series", "data.time_column=time", "data.target_columns=[value]"),
        *("data.scaler_fit=global", "model.input_chunk_length=56", f"horizon={HORIZON}"),
        *(f"data.validation_size={HORIZON}", f"data.test_size={HORIZON}", "trainer=cpu"),
        *("trainer.max_epochs=1", "after_run=[]", f"hydra.run.dir={run}"),
    ]
    subprocess.run(command, cwd=project(), check=True, stdout=subprocess.DEVNULL)
