"""The facts about this computer that decide how data is loaded."""

import multiprocessing
import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from joblib import cpu_count

from ..errors import UserError
from .nvidia_driver import cuda_advice, nvidia_gpu

SHARED_MEMORY = Path("/dev/shm")
# the memory limit of a container, in cgroup versions 2 and 1
MEMORY_LIMITS = "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"


@dataclass(frozen=True)
class Hardware:
    """What the loader plan depends on.

    Attributes:
        system: ``Linux``, ``Darwin`` or ``Windows``.
        start_methods: available start methods of processes, the default first.
        usable_cpus: number within CPU affinity, cgroup quota and ``SLURM_CPUS_PER_TASK``.
        local_ranks: number of training processes that share these CPUs.
        accelerator: the device of the training: ``cpu``, ``cuda`` or ``mps``.
        wsl: whether this is the Windows Subsystem for Linux.
        memory: available bytes within the limit of the container.
        shared_memory: free bytes of /dev/shm, through which workers send batches; None without it.
    """

    system: str
    start_methods: tuple[str, ...]
    usable_cpus: int
    local_ranks: int
    accelerator: str
    wsl: bool
    memory: int
    shared_memory: int | None


def detect_hardware(accelerator: str = "auto") -> Hardware:
    """Return the facts about this computer; raises UserError as ``resolve_accelerator``."""
    # joblib considers affinity and cgroup quotas, os.cpu_count() does not
    cpus = int(cpu_count())
    # the tasks of Slurm share the CPUs unless each was granted its own
    granted = "SLURM_CPUS_PER_TASK" in os.environ
    tasks = 1 if granted else _from_environment("SLURM_NTASKS_PER_NODE", 1)
    return Hardware(
        system=platform.system(),
        start_methods=tuple(multiprocessing.get_all_start_methods()),
        usable_cpus=min(cpus, _from_environment("SLURM_CPUS_PER_TASK", cpus)),
        local_ranks=max(tasks, _from_environment("LOCAL_WORLD_SIZE", 1)),
        accelerator=resolve_accelerator(accelerator),
        wsl="microsoft" in platform.release().lower(),
        memory=_available_memory(),
        shared_memory=shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.is_dir() else None,
    )


def resolve_accelerator(accelerator: str) -> str:
    """Return ``cpu``, ``cuda`` or ``mps`` for auto, gpu, cpu, cuda or mps.

    Raises:
        UserError: if the accelerator is unknown or not available.
    """
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    available = [name for name, present in found.items() if present] + ["cpu"]
    if accelerator == "auto" or (accelerator == "gpu" and available[0] != "cpu"):
        return available[0]
    if accelerator not in available:
        raise UserError(
            f"accelerator: {accelerator!r} is not available; torch {torch.__version__} finds "
            f"{', '.join(available)}. {cuda_advice(nvidia_gpu()) or 'Use auto or one of these.'}"
        )
    return accelerator


def _from_environment(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return (int(value) if value.isdigit() else 0) or default


def _available_memory() -> int:
    available = int(psutil.virtual_memory().available)
    used = int(psutil.Process().memory_info().rss)
    for path in MEMORY_LIMITS:
        try:
            available = min(available, max(0, int(Path(path).read_text()) - used))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return available
