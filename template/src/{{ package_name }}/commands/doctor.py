"""Print what matters for training on this machine, and the loader plan that it leads to."""

from omegaconf import DictConfig

from ..config import build, doctor_config
from ..loading.batch_cost import GATHERED
from ..loading.hardware import describe, detect_hardware
from ..loading.nvidia_driver import cuda_advice, nvidia_gpu
from ..loading.plan import plan_loader


def doctor(composed: DictConfig) -> None:
    """Run the command.

    The plan is that of ``train.py`` for windows in memory, which is what all models in
    ``conf/model`` train on.

    Args:
        composed: the config as Hydra composed it.

    Raises:
        UserError: when the config is not usable on this machine.
    """
    config = doctor_config(composed)
    hardware = detect_hardware(config.trainer.get("accelerator", "auto"))
    gpu = nvidia_gpu()
    for label, value in describe(hardware, gpu).items():
        print(f"{label:15} {value}")
    advice = cuda_advice(gpu)
    if advice:
        print(f"\nWarning: {advice}")
    print("\nLoader plan of train.py")
    for name, choice in plan_loader(config.dataloader, hardware, GATHERED).choices().items():
        value = "-" if choice.value is None else choice.value
        print(f"  {name:24} {value!s:12} {choice.reason}")
    if config.measure is not None:
        build(config.measure)(config, hardware)
