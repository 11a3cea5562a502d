"""Prints what one training step costs: of NLinear by part, and of every model by operation.

Each part adds something to the step before it, from a bare loop to the whole training. Run it with
``BENCH_PROJECT`` set to a rendered project with all features.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, str(Path(__file__).parents[1]))

import training
from common import BATCH, darts_dataset, interleaved, medians, random_series, window_dataset
from my_forecast.loading.epoch_order import EpochOrder, GatheredBatches
from my_forecast.loading.windows import WindowDataset
from pytorch_lightning import LightningModule, Trainer

STEPS = 1000
# RNN and TCN have targets of another length
MODELS = (
    *("nlinear", "dlinear", "tide", "nhits", "nbeats", "tsmixer"),
    *("transformer", "block_rnn", "tft"),
)
# operations of a model that are listed
MOST = 4


def main() -> None:
    """Print both tables."""
    training.quiet()
    windows = window_dataset(darts_dataset(random_series([2000] * 100)))
    training.STEPS["nlinear"] = STEPS
    print("NLinear, microseconds a step")
    before = 0.0
    for name, value in medians(interleaved(parts(windows))).items():
        print(f"  {name:50} {value:8.1f} {value - before:+8.1f}")
        before = value
    print("\nShare of the CPU time of a step, by operation")
    for name in MODELS:
        shares = [f"{key} {share:.0%}" for key, share in operations(name, windows)]
        print(f"  {name:12} {', '.join(shares)}", flush=True)


def parts(windows: WindowDataset) -> dict[str, Callable[[], float]]:
    """Return what measures the microseconds of a step with more and more of its parts."""
    module = training.made_module("nlinear", windows)

    def bare(**adam: Any) -> float:
        return 1e6 / training.bare_steps("nlinear", windows, **adam)

    return {
        "bare loop": bare,
        "bare loop, Adam with foreach=True": lambda: bare(foreach=True),
        "bare loop, Adam with fused=True": lambda: bare(fused=True),
        "Lightning's Trainer with nothing but the step": lambda: lightning(module, windows),
        "the project": lambda: 1e6 / training.project_steps("nlinear", windows, []),
        "Darts' fit": lambda: 1e6 / training.darts_steps("nlinear", random_series([2000] * 100)),
    }


def batches(windows: WindowDataset) -> Iterator[Any]:
    """Yield batches of epoch after epoch."""
    order = EpochOrder(len(windows), BATCH, seed=0)
    loader = GatheredBatches(windows, order)
    while True:
        order.set_epoch(order.epoch + 1)
        yield from loader


def loss_of(module: Any, batch: Any) -> torch.Tensor:
    """Return the loss of a batch, as Darts computes it."""
    found = module(batch.to_module_input()).prediction.squeeze(-1)
    loss: torch.Tensor = module.train_criterion(found, batch.future_target)
    return loss


class Step(LightningModule):
    """Only the step of another module."""

    def __init__(self, module: Any) -> None:
        """Train ``module``."""
        super().__init__()
        self.module = module

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        """Return the loss."""
        return loss_of(self.module, batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=1e-3)


def lightning(module: Any, windows: WindowDataset) -> float:
    """Return the microseconds of a step of Lightning's loop."""
    clock = training.Clock(STEPS)
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    trainer = Trainer(
        accelerator="cpu", callbacks=[clock], max_epochs=10**6, **dict.fromkeys(off, False)
    )
    order = EpochOrder(len(windows), BATCH, seed=0)
    trainer.fit(Step(module), GatheredBatches(windows, order))
    return (clock.end - clock.start) / STEPS * 1e6


def operations(name: str, windows: WindowDataset) -> list[tuple[str, float]]:
    """Return the operations that take most of a training step, and their shares of its CPU time."""
    module = training.made_module(name, windows)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    found = batches(windows)

    def steps(count: int) -> None:
        for _ in range(count):
            optimizer.zero_grad()
            loss_of(module, next(found)).backward()
            optimizer.step()

    # the first profile of a process is charged to its first operation
    with profile(activities=[ProfilerActivity.CPU]):
        steps(3)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        steps(10)
    averages = profiler.key_averages()
    total = sum(event.self_cpu_time_total for event in averages)
    most = sorted(averages, key=lambda event: -event.self_cpu_time_total)[:MOST]
    return [(event.key, event.self_cpu_time_total / total) for event in most]


if __name__ == "__main__":
    main()
