"""The loader plan: DataLoader settings for this machine and data set, each with its reason.

``plan_loader`` is a pure function of facts, so every machine can be tested on any other.
"""

import multiprocessing
from dataclasses import dataclass, fields
from typing import Any

import torch

from .errors import UserError
from .machine import Machine
from .settings import AUTO, LoaderSettings
from .windows import collate_windows

# Per-sample Python work is worth a few processes beside a GPU; more than this rarely pays.
MOST_WORKERS = 4


@dataclass(frozen=True)
class Choice:
    """One value of the plan and why it was chosen; None where there is nothing to choose."""

    value: Any
    reason: str


@dataclass(frozen=True)
class LoaderPlan:
    """Settings of the training and the validation DataLoader, named as torch names them."""

    num_workers: Choice
    multiprocessing_context: Choice
    persistent_workers: Choice
    prefetch_factor: Choice
    pin_memory: Choice

    def choices(self) -> dict[str, Choice]:
        """Return the choices by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def dataloader_kwargs(self, seed: int) -> dict[str, Any]:
        """Return a new dict for ``fit_from_dataset``; Darts removes keys from the one it gets.

        Only keys that torch accepts together are in it. The generator of its own keeps torch's
        global random state, and so dropout, independent of how batches are loaded.
        """
        chosen = {name: choice.value for name, choice in self.choices().items()}
        values = {name: value for name, value in chosen.items() if value is not None}
        generator = torch.Generator().manual_seed(seed)
        return {**values, "collate_fn": collate_windows, "generator": generator}


def plan_loader(settings: LoaderSettings, machine: Machine, gathered: bool) -> LoaderPlan:
    """Choose DataLoader settings; a value that is set wins over ``auto``.

    Args:
        settings: the ``dataloader`` group of the config.
        machine: the facts to decide from.
        gathered: whether windows are gathered a batch at a time from memory
            (``WindowDataset``) rather than built one by one in Python.

    Raises:
        UserError: when values that are set do not go together.
    """
    workers = _num_workers(settings, machine, gathered)
    if workers.value == 0:
        _refuse_worker_settings(settings)
        context = persistent = prefetch = Choice(None, "there are no workers")
    else:
        context = _context(settings, machine)
        persistent = _set(settings, "persistent_workers", bool) or Choice(
            True, "starting workers again every epoch costs seconds"
        )
        prefetch = _set(settings, "prefetch_factor", int) or Choice(2, "torch's default")
        if prefetch.value < 1:
            raise UserError(f"dataloader.prefetch_factor: {prefetch.value} must be at least 1.")
    return LoaderPlan(
        num_workers=workers,
        multiprocessing_context=context,
        persistent_workers=persistent,
        prefetch_factor=prefetch,
        pin_memory=_pin_memory(settings, machine, workers.value),
    )


def preload(plan: LoaderPlan) -> None:
    """Let a fork server import the data path once, so that each worker starts with it."""
    if plan.multiprocessing_context.value == "forkserver":
        multiprocessing.get_context("forkserver").set_forkserver_preload(
            [collate_windows.__module__]
        )


def _num_workers(settings: LoaderSettings, machine: Machine, gathered: bool) -> Choice:
    chosen = _set(settings, "num_workers", int)
    if chosen is not None:
        if chosen.value < 0:
            raise UserError(
                f"dataloader.num_workers: {chosen.value} is negative. Use 0 for none, or auto."
            )
        return chosen
    if gathered:
        return Choice(0, "windows are gathered from memory faster than a worker could send them")
    if machine.accelerator == "cpu":
        return Choice(0, "training runs on the CPU; workers would compete with it")
    # training and validation each have their own set of workers
    spare = max(0, (machine.usable_cpus - 1) // 2)
    workers = min(MOST_WORKERS, spare)
    return Choice(workers, f"windows are built one by one; {machine.usable_cpus} usable CPUs")


def _context(settings: LoaderSettings, machine: Machine) -> Choice:
    chosen = _set(settings, "multiprocessing_context", str)
    if chosen is not None:
        if chosen.value not in machine.start_methods:
            raise UserError(
                f"dataloader.multiprocessing_context: {chosen.value!r} does not exist on "
                f"{machine.system}; there are {', '.join(machine.start_methods)}."
            )
        return chosen
    if "forkserver" in machine.start_methods and machine.system == "Linux":
        return Choice("forkserver", "light workers, and no copy of a process that runs threads")
    return Choice("spawn", f"the start method that is safe on {machine.system}")


def _pin_memory(settings: LoaderSettings, machine: Machine, workers: int) -> Choice:
    chosen = _set(settings, "pin_memory", bool)
    if chosen is not None:
        if chosen.value and machine.accelerator != "cuda":
            raise UserError(
                "dataloader.pin_memory: true needs CUDA, but training runs on "
                f"{machine.accelerator}. Set it to false or auto."
            )
        return chosen
    if machine.accelerator != "cuda":
        return Choice(False, f"nothing to pin for on {machine.accelerator}")
    if machine.wsl:
        return Choice(False, "page-locked memory is scarce under WSL")
    if workers == 0:
        return Choice(
            False, "without workers the main process would pin, which costs more than it saves"
        )
    return Choice(True, "batches are copied to the GPU while it computes")


def _refuse_worker_settings(settings: LoaderSettings) -> None:
    for name in ("prefetch_factor", "persistent_workers", "multiprocessing_context"):
        value = getattr(settings, name)
        if value not in (AUTO, False):
            raise UserError(
                f"dataloader.{name}: {value} needs workers, but num_workers is 0. "
                f"Set dataloader.num_workers=2 or leave {name} at auto."
            )


def _set(settings: LoaderSettings, name: str, kind: type) -> Choice | None:
    """Return the value that the user set, None for ``auto``."""
    value = getattr(settings, name)
    if value == AUTO:
        return None
    if type(value) is not kind:
        expected = {bool: "true or false", int: "a whole number", str: "a name"}[kind]
        raise UserError(f"dataloader.{name}: {value!r} must be {expected}, or auto.")
    return Choice(value, "set in the config")
