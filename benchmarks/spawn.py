"""The usual script with eight spawned workers against ``train.py``, both training the same model.

The epochs are few and short, so what is measured is the start of the workers: on every platform
that spawns, a script that is right in every line spends its first minutes there.
"""

import json
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from common import BATCH, INPUT, OUTPUT, Row, interleaved, medians, random_series, seconds
from scripts.processes import project, run, run_script

EPOCHS, TRAIN_BATCHES, VALIDATION_BATCHES = 2, 50, 10
WORKERS = [
    "dataloader.num_workers=8",
    "dataloader.multiprocessing_context=spawn",
    "dataloader.persistent_workers=true",
]


def measure() -> Iterator[Row]:
    """Compare the time of the fits; the detail also has that of the whole processes."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "walks.parquet"
        _write(data)
        fits: dict[str, Callable[[], float]] = {
            "usual script": lambda: _usual_script(data),
            "train.py, 8 workers": lambda: _train(data, folder, WORKERS),
            "train.py, auto": lambda: _train(data, folder, ["dataloader=auto"]),
        }
        whole: dict[str, list[float]] = {side: [] for side in fits}

        def timed(side: str) -> float:
            """Return the time of the fit and note that of its process."""
            fit = 0.0

            def process() -> None:
                nonlocal fit
                fit = fits[side]()

            whole[side].append(seconds(process))
            return fit

        sides = {side: lambda side=side: timed(side) for side in fits}
        fit = medians(interleaved(sides, warm_up=False))
        process = {side: statistics.median(times) for side, times in whole.items()}
    for side, target in {"train.py, 8 workers": 5, "train.py, auto": 15}.items():
        detail = {
            **{f"fit of {name}, s": round(fit[name], 2) for name in ("usual script", side)},
            **{f"process of {name}, s": round(process[name], 2) for name in ("usual script", side)},
            "ratio of processes": round(process["usual script"] / process[side], 2),
            "note": f"{EPOCHS} epochs of {TRAIN_BATCHES} batches, so that the start of the workers "
            "counts; the process of train.py also tests the model, the script's does not",
        }
        ratio = fit["usual script"] / fit[side]
        case = f"usual script, 8 workers, against {side}"
        yield Row("spawn", case, ratio, f">= {target} x", detail)


def _write(path: Path) -> None:
    """Write 100 random walks of 2,000 hours."""
    walks = random_series([2000] * 100)
    tables = [
        pd.DataFrame(
            {
                "series": f"walk_{number:03d}",
                "time": walk.time_index,
                "value": walk.values(copy=False)[:, 0],
            }
        )
        for number, walk in enumerate(walks)
    ]
    pd.concat(tables, ignore_index=True).to_parquet(path, index=False)


def _usual_script(data: Path) -> float:
    steps = map(str, (EPOCHS, TRAIN_BATCHES, VALIDATION_BATCHES))
    return float(run_script("usual_script.py", data, *steps)["fit"])


def _train(data: Path, folder: Path, loader: list[str]) -> float:
    """Run ``train.py`` and return the time of the fit that it records."""
    with TemporaryDirectory(dir=folder) as run_dir:
        run(
            [
                "train.py",
                *("data=parquet", f"data.path={data}", "data.series_column=series"),
                *("data.time_column=time", "data.target_columns=[value]"),
                *("data.season_length=24", "data.scaler=none"),
                *("model=nlinear", f"model.input_chunk_length={INPUT}", f"horizon={OUTPUT}"),
                *(f"model.batch_size={BATCH}", f"stride={OUTPUT}"),
                *("trainer=cpu", f"trainer.max_epochs={EPOCHS}"),
                f"+trainer.limit_train_batches={TRAIN_BATCHES}",
                f"+trainer.limit_val_batches={VALIDATION_BATCHES}",
                f"hydra.run.dir={run_dir}",
                *loader,
            ],
            cwd=project(),
        )
        record = json.loads((Path(run_dir) / "record.json").read_text(encoding="utf-8"))
    return float(record["seconds"]["fit"])
