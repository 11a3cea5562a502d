"""From one Parquet file with 10,000 series of 1,000 steps to the first training batch."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from common import BATCH, INPUT, OUTPUT, Row, interleaved, medians
from darts import TimeSeries
from darts.models import NLinearModel
from hydra import compose, initialize_config_dir
from my_forecast.config import TrainConfig, check_config
from my_forecast.data import IN_MEMORY
from my_forecast.loading.hardware import detect_hardware
from my_forecast.modeling.build import build_model
from my_forecast.modeling.fit import fit_model, make_windows, prepare_data
from pytorch_lightning import Callback
from scripts.processes import project
from training import quiet

SERIES, STEPS = 10_000, 1_000


class FirstBatch(Callback):
    """Notes when the first batch is there, and ends the training."""

    arrived = 0.0

    def on_train_batch_start(self, trainer: Any, *_: Any) -> None:
        """Look at the clock."""
        self.arrived = self.arrived or time.perf_counter()
        trainer.should_stop = True


def measure() -> Iterator[Row]:
    """Compare with ``from_group_dataframe`` and ``fit``; neither scales the series."""
    quiet()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "panel.parquet"
        _write(path)
        sides = {"darts": lambda: darts(path), "project": lambda: project_seconds(path)}
        times = medians(interleaved(sides))
    detail = {f"{name}, s": round(value, 2) for name, value in times.items()}
    ratio = times["darts"] / times["project"]
    yield Row("large", f"{SERIES:,} x {STEPS:,} to the first batch", ratio, ">= 10 x", detail)


def _write(path: Path) -> None:
    times = pd.date_range("2020-01-01", periods=STEPS, freq="h")
    values = np.random.default_rng(0).standard_normal(SERIES * STEPS)
    names = np.repeat([f"series_{number:05d}" for number in range(SERIES)], STEPS)
    frame = pd.DataFrame({"series": names, "time": np.tile(times, SERIES), "value": values})
    frame.to_parquet(path, index=False)


def darts(path: Path) -> float:
    """Return the seconds that Darts needs for the first batch of a file like that of ``_write``."""
    start = time.perf_counter()
    series = TimeSeries.from_group_dataframe(
        pd.read_parquet(path), "series", "time", "value", drop_group_cols="series"
    )
    series = [one.astype(np.float32) for one in series]
    first = FirstBatch()
    model = NLinearModel(
        INPUT,
        OUTPUT,
        batch_size=BATCH,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            "callbacks": [first],
            "max_steps": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
    )
    model.fit(
        [one[:800] for one in series],
        val_series=[one[800 - INPUT : 900] for one in series],
        dataloader_kwargs={"pin_memory": False},
    )
    return first.arrived - start


def project_seconds(path: Path, *changes: str) -> float:
    """Return the seconds that the project needs, with ``changes`` of its config."""
    with TemporaryDirectory() as folder:
        settings = _settings(path, folder, *changes)
        start = time.perf_counter()
        model = build_model(settings, Path(folder))
        machine = detect_hardware("cpu")
        prepared = prepare_data(model, settings, IN_MEMORY)
        fit_model(model, settings, *make_windows(model, settings, prepared, machine), machine)
    callbacks = model.trainer_params["callbacks"]
    first = next(callback for callback in callbacks if isinstance(callback, FirstBatch))
    return first.arrived - start


def _settings(path: Path, folder: str, *changes: str) -> TrainConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(project() / "conf")):
        config = compose(
            "train",
            [
                *("data=parquet", f"data.path={path}", "data.series_column=series"),
                *("data.time_column=time", "data.target_columns=[value]"),
                *("data.scaler=none", "model=nlinear", f"model.input_chunk_length={INPUT}"),
                *(f"horizon={OUTPUT}", f"model.batch_size={BATCH}", "trainer=cpu"),
                *("callbacks=[]", "logger=[]", "+trainer.max_steps=1"),
                "save_every_n_epochs=0",
                "+trainer.enable_progress_bar=false",
                f"+callbacks.first._target_={FirstBatch.__module__}.FirstBatch",
                f"paths.output_dir={folder}",
                *changes,
            ],
        )
    return check_config(config, TrainConfig)
