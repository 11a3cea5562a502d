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
from .workload import Workload

# more workers than this need many batches in flight before they pay
MOST_WORKERS = 16
# what a step takes at least; how long it really takes is not known before training
STEP_SECONDS = 0.002
# what it takes to send a batch to another process, beside its bytes; measured with torch 2.13
SEND_SECONDS = 0.001
SEND_BYTES_PER_SECOND = 1e9
# to start a worker: importing torch, pandas and Darts' dataset classes; a fork server does it once
IMPORT_SECONDS = 2.0
FORK_SECONDS = 0.03
# what a worker takes of the memory, by the way it starts
WORKER_BYTES = {"spawn": 300 << 20, "forkserver": 60 << 20, "fork": 60 << 20}
# fewer workers are chosen if they cost no more than this
TOLERANCE = 1.03


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


def plan_loader(settings: LoaderSettings, machine: Machine, workload: Workload) -> LoaderPlan:
    """Choose DataLoader settings; a value that is set wins over ``auto``.

    Args:
        settings: the ``dataloader`` group of the config.
        machine: the facts to decide from.
        workload: what the DataLoader has to do.

    Raises:
        UserError: when values that are set do not go together.
    """
    context = _context(settings, machine)
    workers = _num_workers(settings, machine, workload, context.value)
    if workers.value == 0:
        _refuse_worker_settings(settings)
        context = persistent = prefetch = Choice(None, "there are no workers")
    else:
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
        pin_memory=_pin_memory(settings, machine, workload, workers.value),
    )


def preload(plan: LoaderPlan) -> None:
    """Let a fork server import once what each worker needs: the data path and the entry point's."""
    if plan.multiprocessing_context.value == "forkserver":
        package = __name__.rpartition(".")[0]
        multiprocessing.get_context("forkserver").set_forkserver_preload(
            [f"{package}.windows", f"{package}.cli"]
        )


def training_seconds(workload: Workload, method: str, cpus: int, workers: int) -> float:
    """Estimate how long all batches take to load, start of the workers included.

    Without workers, a step waits for its batch. With workers, batches are made while the step
    runs, by as many processors as there are, but each takes its time to be sent.

    Args:
        workload: what there is to do.
        method: how workers start.
        cpus: that this process may use.
        workers: of the training DataLoader.
    """
    if workers == 0:
        return workload.batches * (workload.batch_seconds + STEP_SECONDS)
    processes = workers * workload.loaders
    if method == "spawn":
        start = IMPORT_SECONDS * max(1.0, processes / cpus)
    else:
        start = (IMPORT_SECONDS if method == "forkserver" else 0) + FORK_SECONDS * processes
    send = SEND_SECONDS + workload.batch_bytes / SEND_BYTES_PER_SECOND
    batch = max(
        STEP_SECONDS + send,
        workload.batch_seconds / workers,
        (STEP_SECONDS + send + workload.batch_cpu_seconds) / cpus,
    )
    return start + workload.batches * batch


def _num_workers(
    settings: LoaderSettings, machine: Machine, workload: Workload, method: str
) -> Choice:
    cpus = max(1, machine.usable_cpus // machine.local_ranks)
    chosen = _set(settings, "num_workers", int)
    if chosen is not None:
        if chosen.value < 0:
            raise UserError(
                f"dataloader.num_workers: {chosen.value} is negative. Use 0 for none, or auto."
            )
        if chosen.value > 0 and workload.on_accelerator:
            raise UserError(
                f"dataloader.num_workers: {chosen.value} workers cannot gather windows on the "
                "accelerator. Set dataloader.num_workers=0 or data.device=host."
            )
        room = machine.shared_memory
        if chosen.value > 0 and method != "fork" and room and workload.dataset_bytes > room:
            raise UserError(
                f"dataloader.num_workers: workers share the data, "
                f"{workload.dataset_bytes / 2**20:.0f} MiB, through /dev/shm, which has "
                f"{room / 2**20:.0f} MiB free. Use dataloader.num_workers=0, data.storage=mmap, or "
                "give the container more (docker run --shm-size)."
            )
        if chosen.value > cpus:
            return Choice(chosen.value, f"set in the config, though there are {cpus} usable CPUs")
        return chosen
    if workload.on_accelerator:
        return Choice(0, "windows are gathered on the accelerator")
    most, limit = _most_workers(machine, workload, method)
    estimates = [training_seconds(workload, method, cpus, n) for n in range(most + 1)]
    workers = next(n for n, time in enumerate(estimates) if time <= min(estimates) * TOLERANCE)
    batch = f"a batch takes {workload.batch_seconds * 1e3:.3g} ms"
    if workers == 0 and most == 0:
        return Choice(0, f"{batch}, but {limit}")
    if workers == 0:
        return Choice(0, f"{batch}, workers would cost more than they save")
    share = workload.batch_cpu_seconds / max(workload.batch_seconds, 1e-9)
    kind = "computing" if share > 0.5 else "waiting"
    bound = f"; {limit}" if workers == most else ""
    return Choice(workers, f"{batch}, mostly {kind}; {cpus} usable CPUs{bound}")


def _most_workers(machine: Machine, workload: Workload, method: str) -> tuple[int, str]:
    """Return the most workers that fit, and what the limit is."""
    limits = {"more rarely pay": MOST_WORKERS}
    each = WORKER_BYTES[method] * workload.loaders
    limits[f"{machine.memory / 2**30:.1f} GiB of memory are free"] = machine.memory // 2 // each
    if machine.shared_memory is not None:
        # at most half of it, for batches that are on their way, and for the data itself
        room = machine.shared_memory // 2 - (0 if method == "fork" else workload.dataset_bytes)
        on_their_way = 3 * workload.batch_bytes * workload.loaders
        free = f"/dev/shm has {machine.shared_memory / 2**20:.0f} MiB free"
        limits[free] = max(0, room) // on_their_way
    reason = min(limits, key=lambda name: limits[name])
    return limits[reason], reason


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


def _pin_memory(
    settings: LoaderSettings, machine: Machine, workload: Workload, workers: int
) -> Choice:
    chosen = _set(settings, "pin_memory", bool)
    if chosen is not None:
        if chosen.value and machine.accelerator != "cuda":
            raise UserError(
                "dataloader.pin_memory: true needs CUDA, but training runs on "
                f"{machine.accelerator}. Set it to false or auto."
            )
        if chosen.value and workload.on_accelerator:
            raise UserError(
                "dataloader.pin_memory: true is for batches on the host, but windows are gathered "
                "on the accelerator. Set it to false or auto, or set data.device=host."
            )
        return chosen
    if workload.on_accelerator:
        return Choice(False, "batches are on the accelerator already")
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
