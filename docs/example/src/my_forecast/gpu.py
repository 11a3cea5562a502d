"""The NVIDIA GPU of the machine, and which build of PyTorch can use it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass

import torch

# Oldest drivers for CUDA 13 and CUDA 12, https://docs.nvidia.com/deploy/cuda-compatibility/
CUDA_13_DRIVER = 580
CUDA_12_DRIVER = 525


@dataclass(frozen=True)
class NvidiaGpu:
    """A GPU as its driver's own tool names it.

    ``driver`` is the number before the first dot of the driver's version.
    """

    name: str
    driver: int


def nvidia_gpu() -> NvidiaGpu | None:
    """Return the first NVIDIA GPU, None without one or without a working driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    command = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    name, _, version = result.stdout.partition("\n")[0].rpartition(", ")
    major = version.partition(".")[0]
    return NvidiaGpu(name, int(major)) if major.isdigit() else None


def torch_index(system: str, gpu: NvidiaGpu | None) -> str:
    """Return the answer to the template's ``torch_index`` question that suits a machine.

    Args:
        system: ``linux``, ``win32`` or ``darwin``, as in ``sys.platform``.
        gpu: what ``nvidia_gpu`` found.
    """
    if system == "darwin":
        return "pypi"
    if gpu is None:
        return "cpu"
    if gpu.driver < CUDA_13_DRIVER:
        return "cu126"
    # builds on PyPI have CUDA 13 on Linux, and no CUDA on Windows
    return "pypi" if system == "linux" else "cu130"


def cuda_advice(gpu: NvidiaGpu | None) -> str | None:
    """Say what is wrong if there is an NVIDIA GPU that torch cannot use; None if all is well."""
    if gpu is None or torch.cuda.is_available():
        return None
    found, driver = f"{gpu.name} is present, but", f"its driver {gpu.driver}"
    if gpu.driver < CUDA_12_DRIVER:
        return f"{found} {driver} is too old: update it to {CUDA_13_DRIVER} or newer."
    index = torch_index(sys.platform, gpu)
    remedy = f"torch_index={index} is right here, see 'PyTorch for your GPU' in README.md."
    if torch.version.cuda is None:
        return f"{found} torch {torch.__version__} is a CPU build: {remedy}"
    return f"{found} {driver} does not fit torch's CUDA {torch.version.cuda}: {remedy}"
