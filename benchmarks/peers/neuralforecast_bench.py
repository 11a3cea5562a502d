"""Times neuralforecast on the shared work: 100 series x 2000 steps, 96 in, 24 out, 256 windows.

Prints one JSON line. Settings are the number of whole series its loader hands to one step, out of
which the 256 windows are drawn: `default` is what it ships, the others what a user may tune. The
fewer series, the faster and the less shuffled: `one_series` trains each step on a single one.
About one window in a hundred runs past its series' end, padded and masked: it has no switch for it.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
import pytorch_lightning as pl
import torch
from neuralforecast import NeuralForecast
from neuralforecast.losses.pytorch import MAE
from neuralforecast.models import NHITS, DLinear, NLinear
from neuralforecast.tsdataset import TimeSeriesDataModule, TimeSeriesDataset

SERIES, STEPS, CONTEXT, HORIZON, WINDOWS = 100, 2000, 96, 24, 256
WARM_UP = {"loader": 5, "fit": 10}
SERIES_PER_STEP = {"default": 32, "one_series": 1, "four_series": 4, "all_series": SERIES}
MODELS: dict[str, tuple[type, dict[str, Any]]] = {
    "nlinear": (NLinear, {}),
    "dlinear": (DLinear, {"moving_avg_window": 25}),
    # two hidden layers of 64: it puts one more layer before those in mlp_units. The pooling is
    # what Darts derives from 96 and 24
    "nhits": (
        NHITS,
        {
            "stack_types": 3 * ["identity"],
            "n_blocks": 3 * [1],
            "mlp_units": [[64, 64]],
            "n_pool_kernel_size": [48, 6, 1],
            "n_freq_downsample": [12, 3, 1],
            # a constant learning rate, as the other two have
            "num_lr_decays": -1,
        },
    ),
}


class Clock(pl.Callback):
    """Notes when each optimizer step ends."""

    def __init__(self) -> None:
        """Starts with no step."""
        self.stamps: list[float] = []

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        """Notes the time."""
        self.stamps.append(time.perf_counter())


def frame() -> pd.DataFrame:
    """Returns the shared data in the long form that neuralforecast reads."""
    walk = np.random.default_rng(0).standard_normal((SERIES, STEPS)).cumsum(axis=1)
    return pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(SERIES), STEPS),
            "ds": np.tile(np.arange(STEPS), SERIES),
            "y": walk.astype("float32").ravel(),
        }
    )


def build(name: str, setting: str, steps: int) -> Any:
    """Returns the model with everything off that the shared work leaves out."""
    model_class, sizes = MODELS[name]
    return model_class(
        h=HORIZON,
        input_size=CONTEXT,
        loss=MAE(),
        learning_rate=1e-3,
        max_steps=steps,
        batch_size=SERIES_PER_STEP[setting],
        windows_batch_size=WINDOWS,
        scaler_type="identity",
        accelerator="cpu",
        callbacks=[Clock()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # without these its validation loop reads every series and drops them
        limit_val_batches=0,
        num_sanity_val_steps=0,
        **sizes,
    )


def targets(model: Any) -> Iterator[torch.Tensor]:
    """Yields the targets of one batch after another, made as `training_step` makes them."""
    dataset, *_ = TimeSeriesDataset.from_df(frame())
    loader = TimeSeriesDataModule(dataset, batch_size=model.batch_size).train_dataloader()
    while True:
        for batch in loader:
            windows, static, static_cols, usable, weight, columns = model._create_windows(
                batch, step="train"
            )
            windows = model._sample_windows(
                windows_temporal=windows,
                static=static,
                static_cols=static_cols,
                temporal_cols=columns,
                w_idxs=torch.randperm(len(usable))[:WINDOWS],
                final_condition=usable,
                sample_weight=weight,
            )
            yield windows["temporal"][:, CONTEXT:, batch["y_idx"]]


def time_loader(model: Any, batches: int) -> list[float]:
    """Returns when each batch was there and consumed."""
    stamps = []
    for target, _ in zip(targets(model), range(batches + WARM_UP["loader"]), strict=False):
        assert target.shape[:2] == (WINDOWS, HORIZON)
        target.sum().item()
        stamps.append(time.perf_counter())
    return stamps


def time_fit(model: Any) -> list[float]:
    """Returns when each optimizer step ended."""
    forecast = NeuralForecast(models=[model], freq=1)
    forecast.fit(frame(), val_size=0)
    # it trains a copy of the model, and so of the callback
    return forecast.models[0].trainer_kwargs["callbacks"][0].stamps


def main() -> None:
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", choices=["loader", "fit"], required=True)
    parser.add_argument("--model", choices=sorted(MODELS), required=True)
    parser.add_argument("--batches", type=int, default=200, help="steps, more than 10")
    parser.add_argument("--setting", choices=list(SERIES_PER_STEP), default="default")
    args = parser.parse_args()
    if args.batches <= WARM_UP["fit"]:
        parser.error("--batches must be more than 10")

    model = build(args.model, args.setting, args.batches)
    fit = args.task == "fit"
    stamps = time_fit(model) if fit else time_loader(model, args.batches)
    assert len(stamps) == args.batches + (0 if fit else WARM_UP["loader"])
    step_s = np.diff(stamps[WARM_UP[args.task] - 1 :])
    print(
        json.dumps(
            {
                "peer": "neuralforecast",
                "version": version("neuralforecast"),
                "torch": torch.__version__,
                "task": args.task,
                "model": args.model,
                "setting": args.setting,
                "windows_per_step": WINDOWS,
                "windows_per_s": round(WINDOWS / step_s.mean(), 1),
                "steps_per_s": round(1 / step_s.mean(), 3),
                "ms_per_step_median": round(1e3 * float(np.median(step_s)), 4),
                "parameters": sum(p.numel() for p in model.parameters()) if fit else None,
                "note": f"the windows of a step come from {SERIES_PER_STEP[args.setting]} series",
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
