"""Times pytorch-forecasting on the shared work: 100 series x 2000, 96 in, 24 out, 256 windows.

Prints one JSON line. N-HiTS trains on the stable `TimeSeriesDataSet` (v1), DLinear only exists on
the experimental `TslibDataModule` (v2); the loader task times the loader of the model named, v1
unless it is DLinear. Setting `shipped` keeps the five metrics that v1 logs at each step.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from pytorch_forecasting import NHiTS, TimeSeriesDataSet
from pytorch_forecasting.data import TimeSeries
from pytorch_forecasting.data.data_module import TslibDataModule
from pytorch_forecasting.metrics import MAE
from pytorch_forecasting.models.dlinear import DLinear
from torch.utils.data import DataLoader

SERIES, STEPS, CONTEXT, HORIZON, WINDOWS = 100, 2000, 96, 24, 256
WARM_UP = {"loader": 5, "fit": 10}


class Clock(pl.Callback):
    """Notes when each optimizer step ends."""

    def __init__(self) -> None:
        """Starts with no step."""
        self.stamps: list[float] = []

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Notes the time."""
        self.stamps.append(time.perf_counter())


def frame() -> pd.DataFrame:
    """Returns the shared data in the long form that pytorch-forecasting reads."""
    walk = np.random.default_rng(0).standard_normal((SERIES, STEPS)).cumsum(axis=1)
    return pd.DataFrame(
        {
            "series": np.repeat(np.arange(SERIES).astype(str), STEPS),
            "t": np.tile(np.arange(STEPS), SERIES),
            "y": walk.astype("float32").ravel(),
        }
    )


def v1() -> TimeSeriesDataSet:
    """Returns the stable dataset, whole windows only and no normaliser."""
    return TimeSeriesDataSet(
        frame(),
        time_idx="t",
        target="y",
        group_ids=["series"],
        min_encoder_length=CONTEXT,
        max_encoder_length=CONTEXT,
        min_prediction_length=HORIZON,
        max_prediction_length=HORIZON,
        time_varying_unknown_reals=["y"],
        target_normalizer=None,
    )


def v1_loader(dataset: TimeSeriesDataSet) -> DataLoader:
    """Returns the stable loader: shuffled, and the last short batch of an epoch dropped."""
    return dataset.to_dataloader(train=True, batch_size=WINDOWS, num_workers=0)


def v2() -> TslibDataModule:
    """Returns the experimental data module, all series in the training part."""
    module = TslibDataModule(
        TimeSeries(frame(), time="t", target="y", group=["series"]),
        context_length=CONTEXT,
        prediction_length=HORIZON,
        target_normalizer=None,
        batch_size=WINDOWS,
        num_workers=0,
        train_val_test_split=(1.0, 0.0, 0.0),
    )
    module.setup("fit")
    return module


def endless(loader: DataLoader) -> Iterator[torch.Tensor]:
    """Yields the targets of one batch after another, epoch after epoch."""
    while True:
        for _, target in loader:
            yield target[0] if isinstance(target, tuple) else target


def time_loader(loader: DataLoader, batches: int) -> list[float]:
    """Returns when each batch was there and consumed."""
    stamps = []
    for target in itertools.islice(endless(loader), batches + WARM_UP["loader"]):
        assert target.shape == (WINDOWS, HORIZON)
        target.sum().item()
        stamps.append(time.perf_counter())
    return stamps


def time_fit(model: pl.LightningModule, loader: DataLoader, steps: int) -> list[float]:
    """Returns when each optimizer step ended."""
    clock = Clock()
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, train_dataloaders=loader)
    return clock.stamps


def nhits(dataset: TimeSeriesDataSet, setting: str) -> NHiTS:
    """Returns three stacks of one block, two layers of 64, with the pooling of Darts."""
    return NHiTS.from_dataset(
        dataset,
        n_blocks=3 * [1],
        n_layers=2,
        hidden_size=64,
        pooling_sizes=[48, 6, 1],
        downsample_frequencies=[12, 3, 1],
        loss=MAE(),
        learning_rate=1e-3,
        weight_decay=0.0,
        **({} if setting == "shipped" else {"logging_metrics": []}),
    )


def dlinear(module: TslibDataModule) -> DLinear:
    """Returns the experimental DLinear."""
    return DLinear(
        loss=MAE(),
        moving_avg=25,
        optimizer="adam",
        optimizer_params={"lr": 1e-3},
        metadata=module.metadata,
    )


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=["loader", "fit"], required=True)
    parser.add_argument("--model", choices=["nlinear", "dlinear", "nhits"], required=True)
    parser.add_argument("--batches", type=int, default=200, help="steps, more than 10")
    parser.add_argument("--setting", choices=["default", "shipped"], default="default")
    args = parser.parse_args()
    if args.batches <= WARM_UP["fit"]:
        parser.error("--batches must be more than 10")
    # one warning per experimental class
    warnings.simplefilter("ignore")

    fit = args.task == "fit"
    result: dict[str, Any] = {
        "peer": "pytorch-forecasting",
        "version": version("pytorch-forecasting"),
        "torch": torch.__version__,
        "task": args.task,
        "model": args.model,
        "setting": args.setting,
        "windows_per_step": WINDOWS,
        "windows_per_s": None,
        "steps_per_s": None,
        "ms_per_step_median": None,
        "parameters": None,
        "note": "",
    }
    if fit and args.model == "nlinear":
        result["note"] = "pytorch-forecasting does not offer nlinear"
        print(json.dumps(result), flush=True)
        return

    torch.manual_seed(0)
    model: pl.LightningModule
    if args.model == "dlinear":
        module = v2()
        loader, model = module.train_dataloader(), dlinear(module)
        result["note"] = "experimental v2 data module"
    else:
        dataset = v1()
        loader, model = v1_loader(dataset), nhits(dataset, args.setting)
        result["note"] = "v1 TimeSeriesDataSet"
    if fit:
        stamps = time_fit(model, loader, args.batches)
        result["parameters"] = sum(p.numel() for p in model.parameters())
    else:
        stamps = time_loader(loader, args.batches)
    assert len(stamps) == args.batches + (0 if fit else WARM_UP["loader"])
    step_s = np.diff(stamps[WARM_UP[args.task] - 1 :])
    result["windows_per_s"] = round(WINDOWS / step_s.mean(), 1)
    result["steps_per_s"] = round(1 / step_s.mean(), 3)
    result["ms_per_step_median"] = round(1e3 * float(np.median(step_s)), 4)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
