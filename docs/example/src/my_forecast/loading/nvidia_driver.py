"""The NVIDIA driver of this computer, and the build of PyTorch that it can run."""

import shutil
import subprocess
import sys
from typing import NamedTuple

import torch

# oldest drivers for CUDA 13 and CUDA 12, https://docs.nvidia.com/deploy/cuda-compatibility/
CUDA_13_DRIVER = 580
CUDA_12_DRIVER = 525


class NvidiaGpu(NamedTuple):
    """The name of a GPU and the major version of its driver."""

    name: str
    driver: int


def nvidia_gpu() -> NvidiaGpu | None:
    """Return the first GPU that ``nvidia-smi`` lists; None without a GPU or a working driver."""
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
    """Return the right ``torch_index``, an answer in copier, for ``sys.platform`` and a GPU."""
    if system == "darwin":
        return "pypi"
    if gpu is None:
        return "cpu"
    if gpu.driver < CUDA_13_DRIVER:
        return "cu126"
    # the default builds of torch have CUDA 13 on Linux and no CUDA on Windows
    return "pypi" if system == "linux" else "cu130"


def cuda_advice(gpu: NvidiaGpu | None) -> str | None:
    """Return why torch cannot use the GPU and what to do; None if it can or there is no GPU."""
    if gpu is None or torch.cuda.is_available():
        return None
    index = torch_index(sys.platform, gpu)
    remedy = f"use torch_index={index}, see 'PyTorch for your GPU' in README.md"
    if gpu.driver < CUDA_12_DRIVER:
        problem = f"its driver {gpu.driver} is too old"
        remedy = f"update it to {CUDA_13_DRIVER} or newer"
    elif torch.version.cuda is None:
        problem = f"torch {torch.__version__} is a CPU build"
    else:
        problem = f"its driver {gpu.driver} does not support CUDA {torch.version.cuda} of torch"
    return f"{gpu.name} is present, but {problem}: {remedy}."
