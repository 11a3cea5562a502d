"""The loader plan on other computers, and workers that do not change the result."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig

from my_forecast.commands.train import (
    train,
)
from my_forecast.config import (
    LoaderConfig,
)
from my_forecast.errors import (
    UserError,
)
from my_forecast.loading.batch_cost import (
    BatchCost,
)
from my_forecast.loading.hardware import (
    Hardware,
)
from my_forecast.loading.plan import (
    plan_loader,
)

from conftest import STATEFUL, same_weights

LINUX = Hardware(
    system="Linux",
    start_methods=("fork", "spawn", "forkserver"),
    usable_cpus=8,
    local_ranks=1,
    accelerator="cpu",
    wsl=False,
    memory=16 << 30,
    shared_memory=8 << 30,
)
CUDA = replace(LINUX, accelerator="cuda")
WINDOWS = replace(LINUX, system="Windows", start_methods=("spawn",), shared_memory=None)
# windows gathered from memory take microseconds; those of slow Python code take milliseconds
GATHERED = BatchCost(0.00006, 0.00006, batches=20_000, batch_bytes=1 << 17)
SLOW = replace(GATHERED, batch_seconds=0.064, batch_cpu_seconds=0.064)


@pytest.mark.parametrize(
    ("hardware", "cost", "expected"),
    [
        (LINUX, GATHERED, (0, None, None, None, False, None)),
        (CUDA, GATHERED, (0, None, None, None, False, None)),
        (WINDOWS, GATHERED, (0, None, None, None, False, None)),
        (LINUX, SLOW, (8, "forkserver", True, 2, False, 300)),
        (CUDA, SLOW, (8, "forkserver", True, 2, True, 300)),
        (WINDOWS, SLOW, (8, "spawn", True, 2, False, 300)),
        (replace(LINUX, usable_cpus=1), SLOW, (0, None, None, None, False, None)),
    ],
)
def test_auto(hardware: Hardware, cost: BatchCost, expected: tuple[Any, ...]) -> None:
    choices = plan_loader(LoaderConfig(), hardware, cost).values()
    assert tuple(choice.value for choice in choices) == expected
    assert all(choice.reason for choice in choices)


def test_a_value_that_is_set_wins() -> None:
    config = LoaderConfig(
        num_workers=3,
        multiprocessing_context="fork",
        persistent_workers=False,
        prefetch_factor=5,
        pin_memory=False,
        timeout=60,
    )
    choices = plan_loader(config, CUDA, GATHERED)
    assert {name: choice.value for name, choice in choices.items()} == dict(config)


@pytest.mark.parametrize(
    ("values", "hardware", "message"),
    [
        ({"num_workers": 0, "prefetch_factor": 2}, LINUX, r"prefetch_factor: .*num_workers=2"),
        ({"num_workers": 0, "persistent_workers": True}, LINUX, r"persistent_workers: .*=auto"),
        ({"multiprocessing_context": "fork"}, WINDOWS, r"multiprocessing_context: 'fork' .*spawn"),
        ({"pin_memory": True}, LINUX, r"pin_memory: .* CUDA"),
    ],
)
def test_values_that_do_not_fit_are_refused_with_a_remedy(
    values: dict[str, Any], hardware: Hardware, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        plan_loader(LoaderConfig(**values), hardware, GATHERED)


@pytest.mark.usefixtures("no_plots")
def test_spawned_workers_do_not_change_the_result(
    config: Callable[..., DictConfig], stateful: Path, workdir: Path
) -> None:
    (workdir / "run").mkdir()
    workers = ["dataloader.num_workers=1", "dataloader.multiprocessing_context=spawn"]
    train(config(*STATEFUL, *workers))
    assert same_weights(stateful, workdir / "run")
