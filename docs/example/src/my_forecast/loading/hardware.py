"""The facts about this computer that decide how data is loaded."""

import multiprocessing
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch
from joblib import cpu_count

from ..errors import UserError
from .nvidia_driver import NvidiaGpu, cuda_advice, nvidia_gpu, torch_index

SHARED_MEMORY = Path("/dev/shm")
CGROUP = Path("/sys/fs/cgroup")


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
    return Hardware(
        system=platform.system(),
        start_methods=tuple(multiprocessing.get_all_start_methods()),
        usable_cpus=min(cpus, _number("SLURM_CPUS_PER_TASK") or cpus),
        local_ranks=_local_ranks(),
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


def describe(hardware: Hardware, gpu: NvidiaGpu | None) -> dict[str, str]:
    """Return what ``doctor.py`` prints, label by label."""
    cuda = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    ranks = f", shared by {hardware.local_ranks} ranks" if hardware.local_ranks > 1 else ""
    shared = hardware.shared_memory
    return {
        "system": f"{platform.platform()}{' (WSL)' if hardware.wsl else ''}",
        "Python": f"{platform.python_version()} ({sys.executable})",
        "start method": f"{hardware.start_methods[0]} (all: {', '.join(hardware.start_methods)})",
        "usable CPUs": f"{hardware.usable_cpus} of {psutil.cpu_count()}{ranks}",
        "free memory": f"{hardware.memory / 2**30:.1f} GiB",
        "free /dev/shm": "none" if shared is None else f"{shared / 2**30:.1f} GiB",
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda or 'not built in'})",
        "torch_index": torch_index(sys.platform, gpu),
        "CUDA devices": ", ".join(cuda) or "none",
        "MPS": "available" if torch.backends.mps.is_available() else "none",
        "accelerator": hardware.accelerator,
    }


def _number(variable: str) -> int | None:
    value = os.environ.get(variable, "")
    return int(value) if value.isdigit() else None


def _local_ranks() -> int:
    ranks = [_number("LOCAL_WORLD_SIZE")]
    # the tasks of Slurm share the CPUs unless each was granted its own
    if "SLURM_CPUS_PER_TASK" not in os.environ:
        ranks.append(_number("SLURM_NTASKS_PER_NODE"))
    return max(number or 1 for number in ranks)


def _available_memory() -> int:
    available = int(psutil.virtual_memory().available)
    used = int(psutil.Process().memory_info().rss)
    # the limit of a container, in cgroup versions 2 and 1
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            available = min(available, max(0, int((CGROUP / name).read_text()) - used))
        except (OSError, ValueError):  # there is no such file, or it says "max"
            continue
    return available
