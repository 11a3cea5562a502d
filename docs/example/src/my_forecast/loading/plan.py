"""The loader plan: DataLoader arguments for this hardware and dataset, each with its reason.

``plan_loader`` is a pure function, so the plan for any hardware can be tested on any other.
"""

import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch

from ..config import AUTO, LoaderConfig
from ..errors import UserError
from .batch_cost import BatchCost
from .hardware import Hardware
from .windows import collate_windows

MAX_WORKERS = 16
# fewer workers are preferred if they cost at most this factor more
TOLERANCE = 1.03
# longest wait for a batch: in seconds, or in batches if that is longer
WAIT_SECONDS, WAIT_BATCHES = 300, 100
# a training step of a small model; the real time is unknown before training
STEP_SECONDS = 0.002
# time to send a batch to another process, measured with torch 2.13
SEND_SECONDS = 0.001
SEND_BYTES_PER_SECOND = 1e9
# time to import torch, pandas and Darts' datasets: for every spawned worker, once for a fork server
IMPORT_SECONDS = 2.0
FORK_SECONDS = 0.03
# memory of a worker by start method
WORKER_BYTES = {"spawn": 300 << 20, "forkserver": 60 << 20, "fork": 60 << 20}


@dataclass(frozen=True)
class Choice:
    """A value of the plan and its reason; None leaves the argument out."""

    value: Any
    reason: str


# the arguments of the training and the validation DataLoader, under torch's names
LoaderPlan = dict[str, Choice]
# whether the rule applies, the value that it gives, and the reason
Rule = tuple[bool, Any, str]


def plan_loader(config: LoaderConfig, hardware: Hardware, cost: BatchCost) -> LoaderPlan:
    """Choose DataLoader arguments where the config says ``auto``.

    Raises:
        UserError: with a line for each configured value that does not fit the others or the
            hardware.
    """
    cpus = max(1, hardware.usable_cpus // hardware.local_ranks)
    system, device = hardware.system, hardware.accelerator
    fork_server = system == "Linux" and "forkserver" in hardware.start_methods
    method = _choose(
        config.multiprocessing_context,
        (fork_server, "forkserver", "workers start small, and no running threads are forked"),
        (True, "spawn", f"the safe start method on {system}"),
    )
    prefetch = _choose(config.prefetch_factor, (True, 2, "the default of torch"))
    rules = _worker_rules(hardware, cost, method.value, cpus, prefetch.value)
    workers = _choose(config.num_workers, *rules)
    if config.num_workers != AUTO and workers.value > cpus:
        workers = Choice(workers.value, f"{workers.reason}, above the {cpus} usable CPUs")
    pin = _choose(
        config.pin_memory,
        (cost.on_accelerator, False, "batches are already on the accelerator"),
        (device != "cuda", False, f"training runs on {device}, not on CUDA"),
        (hardware.wsl, False, "page-locked memory is scarce under WSL"),
        (workers.value == 0, False, "without workers, pinning costs more time than it saves"),
        (True, True, "batches are copied to the GPU while it computes"),
    )
    problems = list(_problems(config, hardware, cost, method.value, workers.value, prefetch.value))
    if problems:
        raise UserError("\n".join(f"dataloader.{problem}" for problem in problems))
    kept = "starting workers again every epoch takes seconds"
    persistent = _choose(config.persistent_workers, (True, True, kept))
    wait = max(WAIT_SECONDS, ceil(WAIT_BATCHES * cost.batch_seconds))
    hangs = f"a batch takes {cost.batch_seconds * 1e3:.3g} ms; a worker that takes this long hangs"
    timeout = _choose(config.timeout, (True, wait, hangs))
    if workers.value == 0:
        method = persistent = prefetch = timeout = Choice(None, "there are no workers")
    return {
        "num_workers": workers,
        "multiprocessing_context": method,
        "persistent_workers": persistent,
        "prefetch_factor": prefetch,
        "pin_memory": pin,
        "timeout": timeout,
    }


def dataloader_kwargs(plan: LoaderPlan, seed: int) -> dict[str, Any]:
    """Return a new dict for ``fit_from_dataset``, because Darts removes keys from it.

    The separate generator keeps torch's global random state, and with it dropout, independent of
    how batches are loaded.
    """
    values = {name: choice.value for name, choice in plan.items() if choice.value is not None}
    generator = torch.Generator().manual_seed(seed)
    return {**values, "collate_fn": collate_windows, "generator": generator}


def preload(plan: LoaderPlan) -> None:
    """Let a fork server import once what every worker needs."""
    if plan["multiprocessing_context"].value == "forkserver":
        package = __name__.partition(".")[0]
        multiprocessing.get_context("forkserver").set_forkserver_preload(
            [f"{package}.loading.windows", f"{package}.cli"]
        )


def estimate_seconds(cost: BatchCost, method: str, cpus: int, workers: int) -> float:
    """Estimate the time to load all batches with ``workers``, including their start.

    Without workers, a step waits for its batch. With workers, batches are loaded during the steps,
    in parallel on all CPUs, but each must be sent to this process.
    """
    if workers == 0:
        return cost.batches * (cost.batch_seconds + STEP_SECONDS)
    processes = workers * cost.loaders
    if method == "spawn":
        start = IMPORT_SECONDS * max(1.0, processes / cpus)
    else:
        start = (IMPORT_SECONDS if method == "forkserver" else 0) + FORK_SECONDS * processes
    send = SEND_SECONDS + cost.batch_bytes / SEND_BYTES_PER_SECOND
    batch = max(
        STEP_SECONDS + send,
        cost.batch_seconds / workers,
        (STEP_SECONDS + send + cost.batch_cpu_seconds) / cpus,
    )
    return start + cost.batches * batch


def _choose(configured: Any, *rules: Rule) -> Choice:
    """Return the configured value, or that of the first rule that applies."""
    if configured != AUTO:
        return Choice(configured, "set in the config")
    return next(Choice(value, reason) for applies, value, reason in rules if applies)


def _worker_rules(
    hardware: Hardware, cost: BatchCost, method: str, cpus: int, ahead: int
) -> list[Rule]:
    memory = hardware.memory // 2 // (WORKER_BYTES[method] * cost.loaders)
    limits = [
        (MAX_WORKERS, f"more than {MAX_WORKERS} rarely help"),
        (memory, f"only {hardware.memory / 2**30:.1f} GiB of memory is free"),
    ]
    if hardware.shared_memory is not None:
        # half of it, for the data and what workers load ahead, and one batch more of each
        room = hardware.shared_memory // 2 - (0 if method == "fork" else cost.dataset_bytes)
        fitting = max(0, room) // ((ahead + 1) * cost.batch_bytes * cost.loaders)
        limits.append((fitting, f"/dev/shm has only {hardware.shared_memory / 2**20:.0f} MiB free"))
    limit, reason = min(limits)
    estimates = [estimate_seconds(cost, method, cpus, number) for number in range(limit + 1)]
    best = next(n for n, time in enumerate(estimates) if time <= min(estimates) * TOLERANCE)
    batch = f"a batch takes {cost.batch_seconds * 1e3:.3g} ms"
    work = "computing" if cost.batch_cpu_seconds > 0.5 * cost.batch_seconds else "waiting"
    spent = f"{batch}, mostly {work}; {cpus} usable CPUs"
    return [
        (cost.on_accelerator, 0, "windows are gathered on the accelerator"),
        (limit == 0, 0, f"{batch}, but {reason}"),
        (best == 0, 0, f"{batch}; workers would cost more time than they save"),
        (best == limit, best, f"{spent}; {reason}"),
        (True, best, spent),
    ]


def _problems(
    config: LoaderConfig,
    hardware: Hardware,
    cost: BatchCost,
    method: str,
    workers: int,
    ahead: int,
) -> Iterator[str]:
    """Find configured values that do not fit together or do not fit the hardware."""
    free = hardware.shared_memory
    if method not in hardware.start_methods:
        yield (
            f"multiprocessing_context: {method!r} is not available on {hardware.system}. "
            f"Use auto or {' or '.join(hardware.start_methods)}."
        )
    if workers == 0:
        names = "prefetch_factor", "persistent_workers", "multiprocessing_context", "timeout"
        for name in names:
            value = getattr(config, name)
            if value not in (AUTO, False):
                yield (
                    f"{name}: {str(value).lower()} requires workers, but num_workers is 0. "
                    f"Set dataloader.num_workers=2 or dataloader.{name}=auto."
                )
    elif cost.on_accelerator:
        yield (
            f"num_workers: {workers} workers cannot gather windows on the accelerator. "
            "Set dataloader.num_workers=0 or data.device=host."
        )
    elif method != "fork" and free is not None and cost.dataset_bytes > free:
        yield (
            f"num_workers: the data ({cost.dataset_bytes / 2**20:.0f} MiB) does not fit in "
            f"/dev/shm ({free / 2**20:.0f} MiB free), through which workers share it. Set "
            "dataloader.num_workers=0, keep the data in a memory-mapped file, or enlarge /dev/shm "
            "(docker run --shm-size)."
        )
    elif free is not None:
        shared = 0 if method == "fork" else cost.dataset_bytes
        batches = workers * cost.loaders * ahead
        if shared + batches * cost.batch_bytes > free:
            yield (
                f"num_workers: {workers} workers load up to {batches} batches ahead "
                f"({cost.batch_bytes / 2**20:.3g} MiB each) into /dev/shm, which has "
                f"{(free - shared) / 2**20:.3g} MiB left. Decrease "
                "dataloader.num_workers, dataloader.prefetch_factor or model.batch_size, or "
                "enlarge /dev/shm (docker run --shm-size)."
            )
    if config.pin_memory is True and hardware.accelerator != "cuda":
        yield (
            f"pin_memory: true requires CUDA, but training runs on {hardware.accelerator}. "
            "Set dataloader.pin_memory=auto."
        )
    if config.pin_memory is True and cost.on_accelerator:
        yield (
            "pin_memory: true requires batches on the host, but windows are gathered on the "
            "accelerator. Set dataloader.pin_memory=auto or data.device=host."
        )
