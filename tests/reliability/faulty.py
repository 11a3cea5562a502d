"""Datasets, functions and callbacks that fail; DataLoader workers import this module."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from pytorch_lightning import Callback
from torch.utils.data import get_worker_info


class Faulty:
    """The windows of another dataset, with a fault while the file ``fault`` is there.

    The fault is one of raise, stop, timeout, slow, hang, loop, kill, kill_one (of the workers), and
    memory or tensor (of more memory than is allowed).
    """

    def __init__(self, windows: Any, fault: str) -> None:
        """Wrap ``windows``."""
        self.windows, self.fault = windows, fault

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.windows)

    def __getitem__(self, index: int) -> Any:
        """Return a window."""
        worker = get_worker_info()
        if Path("fault").exists():
            Path(f"loading_{os.getpid()}").touch()
            if self.fault == "raise":
                raise KeyError("no weather station 'Oslo'")
            if self.fault == "stop":
                raise StopIteration
            if self.fault == "timeout":
                raise RuntimeError("database timed out")
            if self.fault in ("memory", "tensor"):
                process = psutil.Process()
                allowed = process.memory_info().vms + (256 << 20)
                process.rlimit(psutil.RLIMIT_AS, (allowed, -1))
                _ = bytearray(1 << 32) if self.fault == "memory" else torch.ones(1 << 30)
            if self.fault == "slow":
                time.sleep(0.1)
                return self.windows[index]
            if self.fault == "hang":
                time.sleep(1000)
            if self.fault == "loop":
                # backtracks for hours, and lets no other thread of the process run
                re.match("(a+)+$", "a" * 64 + "b")
            if self.fault == "kill" or (worker is not None and worker.id == 0):
                os.kill(os.getpid(), signal.SIGKILL)
        return self.windows[index]


class UseFaulty(Callback):
    """Train on ``Faulty``."""

    def __init__(self, fault: str) -> None:
        """Use ``fault``."""
        self.fault = fault

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Replace the training windows."""
        trainer.datamodule.train_dataset = Faulty(trainer.datamodule.train_dataset, self.fault)


class Interrupt(Callback):
    """Press Ctrl-C after a step, and again while the training stops."""

    def __init__(self, step: int, times: int) -> None:
        """Press it ``times`` times after ``step`` steps of the optimizer."""
        self.step, self.times = step, times

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Press it, unless it was pressed before the run was resumed."""
        pressed = Path("pressed")
        if trainer.global_step == self.step and not pressed.exists():
            pressed.touch()
            signal.raise_signal(signal.SIGINT)

    def on_exception(self, *args: Any) -> None:
        """Press it again."""
        for _ in range(self.times - 1):
            signal.raise_signal(signal.SIGINT)


class StopAll(Callback):
    """Send a signal to all processes of the training, as Slurm, systemd and a terminal do."""

    def __init__(self, step: int, name: str) -> None:
        """Send the signal ``name`` after ``step`` steps of the optimizer."""
        self.step, self.name = step, name

    def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
        """Send it, unless it was sent before the run was resumed."""
        sent = Path("sent")
        if trainer.global_step == self.step and not sent.exists():
            sent.touch()
            os.killpg(0, getattr(signal, self.name))


def interrupt(*args: Any, **arguments: Any) -> None:
    """Press Ctrl-C, as a source of data or a step after the run."""
    signal.raise_signal(signal.SIGINT)


def interrupt_twice(*args: Any, **arguments: Any) -> None:
    """Press Ctrl-C, and again while the first one is handled."""
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.raise_signal(signal.SIGINT)


def terminate(*args: Any, **arguments: Any) -> None:
    """Send SIGTERM to this process."""
    signal.raise_signal(signal.SIGTERM)
