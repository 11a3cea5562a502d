"""Print what matters for training on this machine, and the loader plan that it leads to."""

import platform
import sys

import psutil
import torch
from omegaconf import DictConfig

from ..config import DoctorConfig, build, check_config
from ..loading.batch_cost import GATHERED
from ..loading.hardware import detect_hardware
from ..loading.nvidia_driver import cuda_advice, nvidia_gpu, torch_index
from ..loading.plan import plan_loader


def doctor(composed: DictConfig) -> None:
    """Run the command on the config that Hydra composed.

    The plan is that of ``train.py`` for windows in memory, on which all models in ``conf/model``
    train.

    Raises:
        UserError: when the config is not usable on this machine.
    """
    config = check_config(composed, DoctorConfig)
    hardware = detect_hardware(config.trainer.get("accelerator", "auto"))
    gpu, methods, shared = nvidia_gpu(), hardware.start_methods, hardware.shared_memory
    cuda = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    ranks = f", shared by {hardware.local_ranks} ranks" if hardware.local_ranks > 1 else ""
    facts = {
        "system": f"{platform.platform()}{' (WSL)' if hardware.wsl else ''}",
        "Python": f"{platform.python_version()} ({sys.executable})",
        "start method": f"{methods[0]} (all: {', '.join(methods)})",
        "usable CPUs": f"{hardware.usable_cpus} of {psutil.cpu_count()}{ranks}",
        "free memory": f"{hardware.memory / 2**30:.1f} GiB",
        "free /dev/shm": "none" if shared is None else f"{shared / 2**30:.1f} GiB",
        "torch": f"{torch.__version__} (CUDA {torch.version.cuda or 'not built in'})",
        "torch_index": torch_index(sys.platform, gpu),
        "CUDA devices": ", ".join(cuda) or "none",
        "MPS": "available" if torch.backends.mps.is_available() else "none",
        "accelerator": hardware.accelerator,
    }
    for label, value in facts.items():
        print(f"{label:15} {value}")
    if advice := cuda_advice(gpu):
        print(f"\nWarning: {advice}")
    print("\nLoader plan of train.py")
    for name, choice in plan_loader(config.dataloader, hardware, GATHERED).items():
        value = "-" if choice.value is None else choice.value
        print(f"  {name:24} {value!s:12} {choice.reason}")
    if config.measure is not None:
        build(config.measure)(config, hardware)
