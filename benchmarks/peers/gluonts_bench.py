"""Times GluonTS on the shared work: 100 series x 2000 steps, 96 in, 24 out, 256 windows.

Prints one JSON line. Setting `default` is the shared work: a DLinear of the usual size (one hidden
value per step, which adds 2 weights), absolute error, no scaling, no clipping, whole windows only.
`dense` is the same but draws eight windows on each pass over a series, and mixes them in a buffer.
`shipped` is the estimator's own: 20 hidden values, Student's t, mean scaling, clipping, and windows
that may begin before their series. All draw windows with replacement, series after series.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from importlib.metadata import version
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from gluonts.dataset.common import ListDataset
from gluonts.itertools import Cached
from gluonts.torch import DLinearEstimator
from gluonts.torch.distributions import QuantileOutput
from gluonts.transform import ExpectedNumInstanceSampler
from gluonts.transform.sampler import InstanceSampler

SERIES, STEPS, CONTEXT, HORIZON, WINDOWS = 100, 2000, 96, 24, 256
WARM_UP = {"loader": 5, "fit": 10}
SETTINGS = ["default", "dense", "shipped"]
# windows held back for mixing, in `dense`
BUFFER = 4 * WINDOWS


class Clock(pl.Callback):
    """Notes when each optimizer step ends."""

    def __init__(self) -> None:
        """Starts with no step."""
        self.stamps: list[float] = []

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Notes the time."""
        self.stamps.append(time.perf_counter())


def data() -> ListDataset:
    """Returns the shared data as GluonTS reads it."""
    walk = np.random.default_rng(0).standard_normal((SERIES, STEPS)).cumsum(axis=1)
    rows = [{"start": "2000-01-01", "target": row} for row in walk.astype("float32")]
    return ListDataset(rows, freq="h")


def sampler(windows_per_pass: float) -> InstanceSampler:
    """Returns its own sampler, kept to windows with no padding."""
    return ExpectedNumInstanceSampler(
        num_instances=windows_per_pass, min_past=CONTEXT, min_future=HORIZON
    )


def build(setting: str, steps: int, folder: str, clock: Clock) -> DLinearEstimator:
    """Returns the estimator for one epoch of `steps` steps."""
    shared: dict[str, Any] = {
        "hidden_dimension": 1,
        # twice the pinball loss of the median is the absolute error
        "distr_output": QuantileOutput([0.5]),
        "scaling": None,
        "weight_decay": 0.0,
        "train_sampler": sampler(8.0 if setting == "dense" else 1.0),
    }
    trainer: dict[str, Any] = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "callbacks": [clock],
        "logger": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        # its checkpoint callback cannot be turned off: it writes once, after the last step
        "default_root_dir": folder,
    }
    if setting != "shipped":
        trainer["gradient_clip_val"] = None
    return DLinearEstimator(
        prediction_length=HORIZON,
        context_length=CONTEXT,
        lr=1e-3,
        batch_size=WINDOWS,
        num_batches_per_epoch=steps,
        trainer_kwargs=trainer,
        **({} if setting == "shipped" else shared),
    )


def time_loader(estimator: DLinearEstimator, buffer: int | None) -> list[float]:
    """Returns when each batch was there and consumed, from the iterator `train` would use."""
    cached = Cached(estimator.create_transformation().apply(data(), is_train=True))
    loader = estimator.create_training_data_loader(
        cached, estimator.create_lightning_module(), shuffle_buffer_length=buffer
    )
    stamps = []
    for batch in itertools.islice(loader, estimator.num_batches_per_epoch):
        assert batch["future_target"].shape == (WINDOWS, HORIZON)
        batch["future_target"].sum().item()
        stamps.append(time.perf_counter())
    return stamps


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=["loader", "fit"], required=True)
    parser.add_argument("--model", choices=["nlinear", "dlinear", "nhits"], required=True)
    parser.add_argument("--batches", type=int, default=200, help="steps, more than 10")
    parser.add_argument("--setting", choices=SETTINGS, default="default")
    args = parser.parse_args()
    if args.batches <= WARM_UP["fit"]:
        parser.error("--batches must be more than 10")

    fit = args.task == "fit"
    result: dict[str, Any] = {
        "peer": "gluonts",
        "version": version("gluonts"),
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
    if fit and args.model != "dlinear":
        result["note"] = f"GluonTS does not offer {args.model} for torch"
        print(json.dumps(result), flush=True)
        return

    np.random.seed(0)  # its samplers draw from numpy's global generator
    clock = Clock()
    buffer = BUFFER if args.setting == "dense" else None
    with tempfile.TemporaryDirectory() as folder:
        if fit:
            estimator = build(args.setting, args.batches, folder, clock)
            trained = estimator.train_model(data(), cache_data=True, shuffle_buffer_length=buffer)
            stamps = clock.stamps
            result["parameters"] = sum(p.numel() for p in trained.trained_net.parameters())
        else:
            estimator = build(args.setting, args.batches + WARM_UP["loader"], folder, clock)
            stamps = time_loader(estimator, buffer)
    # an error while training is only logged once a checkpoint is there
    assert len(stamps) == estimator.num_batches_per_epoch
    step_s = np.diff(stamps[WARM_UP[args.task] - 1 :])
    result["windows_per_s"] = round(WINDOWS / step_s.mean(), 1)
    result["steps_per_s"] = round(1 / step_s.mean(), 3)
    result["ms_per_step_median"] = round(1e3 * float(np.median(step_s)), 4)
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
