"""Facts about this machine that decide how data is loaded."""

import multiprocessing
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from joblib import cpu_count

from .errors import UserError
from .gpu import NvidiaGpu, cuda_advice, nvidia_gpu, torch_index

SHARED_MEMORY = Path("/dev/shm")
# the memory limit of a container, cgroup versions 2 and 1
CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True)
class Machine:
    """What the loader plan and ``doctor.py`` know of a machine.

    Attributes:
        system: ``Linux``, ``Darwin`` or ``Windows``.
        start_method: the interpreter's default way to start a process.
        start_methods: all ways that this system offers.
        usable_cpus: after CPU affinity, cgroup quota and ``SLURM_CPUS_PER_TASK``.
        local_ranks: training processes that share these CPUs, as launchers tell.
        accelerator: what training runs on: ``cpu``, ``cuda`` or ``mps``.
        wsl: Windows Subsystem for Linux, where page-locked memory is scarce.
        memory: available bytes, within the limit of a container.
        shared_memory: free bytes of /dev/shm, through which workers send batches; None if the
            system has none.
    """

    system: str
    start_method: str
    start_methods: tuple[str, ...]
    usable_cpus: int
    local_ranks: int
    accelerator: str
    wsl: bool
    memory: int
    shared_memory: int | None


def detect(accelerator: str = "auto") -> Machine:
    """Look at this machine.

    Args:
        accelerator: the ``trainer.accelerator`` of Lightning: auto, cpu, gpu, cuda or mps.

    Raises:
        UserError: when the accelerator that is asked for is not there.
    """
    shared = shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None
    return Machine(
        system=platform.system(),
        start_method=multiprocessing.get_context().get_start_method(),
        start_methods=tuple(multiprocessing.get_all_start_methods()),
        usable_cpus=_usable_cpus(os.environ),
        local_ranks=_local_ranks(os.environ),
        accelerator=resolve_accelerator(accelerator),
        wsl="microsoft" in platform.release().lower(),
        memory=_free_memory(),
        shared_memory=shared,
    )


def _usable_cpus(environment: Mapping[str, str]) -> int:
    # joblib knows affinity and cgroup quotas, os.cpu_count() does not
    usable = int(cpu_count())
    granted = environment.get("SLURM_CPUS_PER_TASK", "")
    return min(usable, int(granted)) if granted.isdigit() else usable


def _local_ranks(environment: Mapping[str, str]) -> int:
    """Return how many training processes share this machine's CPUs.

    torchrun sets LOCAL_WORLD_SIZE. Slurm gives each task CPUs of its own where it grants any, and
    otherwise tells the number of tasks.
    """
    names = ["LOCAL_WORLD_SIZE"]
    if "SLURM_CPUS_PER_TASK" not in environment:
        names.append("SLURM_NTASKS_PER_NODE")
    found = [int(environment[name]) for name in names if environment.get(name, "").isdigit()]
    return max([1, *found])


def _free_memory() -> int:
    """Return the available bytes, within the limit of the container if there is one."""
    free = int(psutil.virtual_memory().available)
    used = int(psutil.Process().memory_info().rss)
    for path in CGROUP_LIMITS:
        try:
            free = min(free, max(0, int(path.read_text()) - used))
        except (OSError, ValueError):  # no such file, or the word "max"
            continue
    return free


def resolve_accelerator(accelerator: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps`` for Lightning's name, as Lightning would choose.

    Raises:
        UserError: when the accelerator that is asked for is not there, or is not known.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if accelerator in ("auto", "gpu"):
        found = "cuda" if cuda else "mps" if mps else "cpu"
    else:
        found = accelerator
    if found not in ("cpu", "cuda", "mps"):
        raise UserError(f"accelerator: {accelerator!r} is none of auto, cpu, cuda, mps.")
    missing = {"cuda": not cuda, "mps": not mps, "cpu": accelerator == "gpu"}[found]
    if missing:
        raise UserError(
            f"accelerator: {accelerator!r} asked for, but torch {torch.__version__} finds "
            f"none. {cuda_advice(nvidia_gpu()) or 'Use cpu or auto.'}"
        )
    return found


def describe(machine: Machine, gpu: NvidiaGpu | None) -> dict[str, str]:
    """Return what ``doctor.py`` prints of the machine, label by label."""
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    shared = "none" if machine.shared_memory is None else _gigabytes(machine.shared_memory)
    ranks = f", shared by {machine.local_ranks} ranks" if machine.local_ranks > 1 else ""
    return {
        "system": f"{platform.platform()}{' (WSL)' if machine.wsl else ''}",
        "Python": f"{platform.python_version()} ({sys.executable})",
        "start method": f"{machine.start_method} (available: {', '.join(machine.start_methods)})",
        "usable CPUs": f"{machine.usable_cpus} of {psutil.cpu_count()}{ranks}",
        "free memory": _gigabytes(machine.memory),
        "free /dev/shm": shared,
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda or 'not built in'})",
        "torch_index": torch_index(sys.platform, gpu),
        "CUDA devices": ", ".join(cuda) or "none",
        "MPS": "available" if torch.backends.mps.is_available() else "none",
        "accelerator": machine.accelerator,
    }


def _gigabytes(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"
