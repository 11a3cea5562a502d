"""What ``doctor.py`` prints; a module of its own, for it needs neither models nor plots."""

from omegaconf import DictConfig

from .dataloader import plan_loader
from .machine import cuda_advice, describe, detect
from .settings import train_settings
from .workload import GATHERED


def doctor(config: DictConfig) -> None:
    """Print what matters for training on this machine, and the loader plan it leads to.

    The plan is that of ``train.py`` for windows in memory, which is what all models in
    ``conf/model`` train on.
    """
    settings = train_settings(config)
    machine = detect(settings.trainer.get("accelerator", "auto"))
    for label, value in describe(machine).items():
        print(f"{label:15} {value}")
    advice = cuda_advice()
    if advice:
        print(f"\nWarning: {advice}")
    print("\nLoader plan of train.py")
    for name, choice in plan_loader(settings.dataloader, machine, GATHERED).choices().items():
        value = "-" if choice.value is None else choice.value
        print(f"  {name:24} {value!s:12} {choice.reason}")
