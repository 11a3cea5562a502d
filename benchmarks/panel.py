"""A file shaped like M5 and a large CSV file: from the file to the batch and the metrics."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import polars as pl
from common import Row, interleaved, medians, seconds
from darts.models import NLinearModel
from large import darts, project_seconds
from my_forecast.config import QuantileConfig
from my_forecast.data import fit_scalers, load_data, split_data
from my_forecast.data.files import CsvFiles, ParquetFiles
from my_forecast.evaluation.backtest import BacktestSpec, backtest
from my_forecast.evaluation.metrics import compute_metrics
from my_forecast.evaluation.skill import compute_skill
from my_forecast.modeling.bundle import Bundle
from training import quiet

SERIES, DAYS, HORIZON = 30_490, 1_913, 28
CSV_ROWS = 5_000_000
COVARIATE = "data.past_covariates_columns=[price]"
COLUMNS = {
    **{"season_length": 7, "validation_size": HORIZON, "test_size": HORIZON},
    **{"fill": "linear", "scaler": "standard"},
    **{"time_column": "time", "target_columns": ["value"], "series_column": "series"},
}


def measure() -> Iterator[Row]:
    """Compare with polars, Darts and pandas, and take the time of an evaluation."""
    quiet()
    with TemporaryDirectory() as folder:
        whole, tenth, csv = (
            Path(folder) / name for name in ("m5.parquet", "tenth.parquet", "a.csv")
        )
        write(whole, SERIES)
        write(tenth, SERIES // 10)
        sides = {
            "polars": lambda: seconds(lambda: pl.read_parquet(whole).sort("series", "time")),
            "project": lambda: project_seconds(whole, COVARIATE, "data.scaler=standard"),
        }
        times = medians(interleaved(sides))
        detail = {f"{name}, s": round(value, 2) for name, value in times.items()}
        case = f"{SERIES:,} x {DAYS:,} to the first batch"
        ratio = times["project"] / times["polars"]
        yield Row("panel", f"{case}, against polars' read and sort", ratio, "<= 3 x", detail)
        yield Row("panel", case, times["project"], "<= 15 s", detail)

        whole_seconds = times["project"]
        slow = medians(interleaved({"darts": lambda: darts(tenth)}, warm_up=False))["darts"]
        detail = {"darts on a tenth, s": round(slow, 2), "project, s": round(whole_seconds, 2)}
        ratio = 10 * slow / whole_seconds
        yield Row("panel", f"{case}, per row against Darts", ratio, ">= 40 x", detail)

        taken = medians(interleaved({"project": evaluation(whole)}))["project"]
        work = f"evaluation of {SERIES:,} x {HORIZON} with four metrics"
        yield Row("panel", work, taken, "<= 6 s", {"s": round(taken, 2)})

        peak = int(subprocess.check_output([sys.executable, __file__, str(whole)], text=True))
        size = SERIES * DAYS * 2 * 4
        detail = {"peak, MB": peak // 10**6, "values, MB": size // 10**6}
        share = peak / (1.3 * size + 1.2e9)
        yield Row("panel", "peak memory, of 1.3 values + 1.2 GB", share, "<= 1 x", detail)

        write(csv, CSV_ROWS // DAYS)
        source = CsvFiles(**COLUMNS, path=str(csv))
        sides = {
            "pandas": lambda: seconds(lambda: pd.read_csv(csv)),
            "project": lambda: seconds(lambda: load_data(source)),
        }
        times = medians(interleaved(sides))
        detail = {f"{name}, s": round(value, 2) for name, value in times.items()}
        ratio = times["project"] / times["pandas"]
        yield Row("csv", f"{CSV_ROWS:,} rows, against pandas.read_csv", ratio, "<= 1 x", detail)


def write(path: Path, series: int) -> None:
    """Write daily counts and prices of some series, sorted, as Parquet or CSV."""
    random, first = np.random.default_rng(0), date(2011, 1, 29)
    days = pl.date_range(first, first + timedelta(days=DAYS - 1), eager=True)
    frame = pl.DataFrame(
        {
            "series": np.repeat([f"item_{number:05d}" for number in range(series)], DAYS),
            "time": pl.concat([days.cast(pl.Datetime)] * series),
            "value": random.poisson(1.5, series * DAYS).astype(np.float32),
            "price": random.integers(1, 12, series * DAYS).astype(np.float32),
        }
    )
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)


def evaluation(path: Path) -> Callable[[], float]:
    """Return a function that evaluates one forecast of every series, and returns its seconds."""
    source = ParquetFiles(**COLUMNS, path=str(path))
    panel, split = split_data(load_data(source), source, HORIZON, 100, HORIZON)
    scalers = fit_scalers(panel, split, "standard")
    model = NLinearModel(
        56,
        HORIZON,
        pl_trainer_kwargs={
            **{"accelerator": "cpu", "max_steps": 1, "logger": False},
            **{"enable_checkpointing": False, "enable_progress_bar": False},
        },
    )
    model.fit(scalers.transform(panel.select([0])).to_series())
    spec = BacktestSpec(HORIZON, 1, 7, QuantileConfig())

    def evaluate() -> float:
        start = time.perf_counter()
        tested = backtest(Bundle(model, scalers), panel, split, spec)
        compute_metrics(tested, ["mae", "mse", "mase", "rmsse"])
        compute_skill(tested)
        return time.perf_counter() - start

    return evaluate


if __name__ == "__main__":
    quiet()
    project_seconds(Path(sys.argv[1]), COVARIATE, "data.scaler=standard")
    # ru_maxrss would include the process that started this one
    status = Path("/proc/self/status").read_text(encoding="ascii")
    print(int(status.split("VmHWM:")[1].split()[0]) * 1024)
