"""Go on with a training that was killed, as if it had not been."""

import csv
import logging
import os
import random
import signal
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from darts.utils.serialization.torch import load_ckpt_safely
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger
from pytorch_lightning.utilities.exceptions import SIGTERMException

RESUME_POINT = Path("checkpoints", "last.ckpt")

log = logging.getLogger(__name__)


class ResumePoint(Callback):
    """Save all that a training depends on, before an epoch and when the process has to stop.

    That is what Lightning saves (weights, optimiser, schedulers, callbacks, the place in the
    training windows), and the states of the random generators.
    """

    def __init__(self, path: Path, every_n_epochs: int) -> None:
        """Save to ``path`` every so many epochs."""
        self.path = path
        self.every_n_epochs = every_n_epochs
        self._random: dict[str, Any] | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save before the epoch, when all that belongs to the one before is done and logged."""
        if trainer.current_epoch % self.every_n_epochs == 0:
            # Lightning skips an epoch that was saved as begun, but had no batch yet
            progress = trainer.fit_loop.epoch_progress
            for counts in (progress.current, progress.total):
                counts.ready -= 1
            self._save(trainer)
            for counts in (progress.current, progress.total):
                counts.ready += 1

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the end, from which a run that was killed in its test goes on."""
        self._save(trainer)

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Save after the batch in which SIGTERM came, and say how to go on."""
        # gradients that were accumulated so far are no part of a checkpoint
        if isinstance(exception, SIGTERMException) and trainer.accumulate_grad_batches == 1:
            self._save(trainer)
        if isinstance(exception, SIGTERMException | KeyboardInterrupt) and self.path.exists():
            log.info("Stopped. Go on with: python train.py resume=%s", self.path.parents[1])

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add what Lightning leaves out."""
        loggers = [logger for logger in trainer.loggers if isinstance(logger, MLFlowLogger)]
        checkpoint["mlflow_run_ids"] = [logger.run_id for logger in loggers]
        checkpoint["should_stop"] = trainer.should_stop
        numpy_state = np.random.get_state(legacy=False)
        # a list, for arrays are not allowed in checkpoints that load safely
        numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
        checkpoint["random"] = {
            "python": random.getstate(),
            "numpy": numpy_state,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        }

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take it back; the random states have to wait until all is set up."""
        trainer.should_stop = checkpoint["should_stop"]
        self._random = checkpoint["random"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the random generators as they were."""
        if self._random is not None:
            random.setstate(self._random["python"])
            np.random.set_state(self._random["numpy"])
            torch.set_rng_state(self._random["torch"])
            torch.cuda.set_rng_state_all(self._random["cuda"])

    def _save(self, trainer: Trainer) -> None:
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return
        for logger in trainer.loggers:
            logger.save()
        # a kill while this is written must not take the last point with it
        unfinished = self.path.with_suffix(".unfinished")
        trainer.save_checkpoint(unfinished)
        unfinished.replace(self.path)


def load_point(run_dir: Path) -> dict[str, Any] | None:
    """Return the checkpoint that a run goes on from, None if it was killed before the first."""
    path = run_dir / RESUME_POINT
    if not path.is_file():
        log.info("The run was killed before its first epoch; it starts over.")
        return None
    point: dict[str, Any] = load_ckpt_safely(torch.load, path, map_location="cpu")
    log.info("Resuming in epoch %d, after step %d.", point["epoch"], point["global_step"])
    return point


def with_run_ids(loggers: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of loggers so that MLflow goes on in the same run.

    Args:
        loggers: settings by name, as in the ``logger`` group.
        point: from ``load_point``.
    """
    run_ids = iter(point["mlflow_run_ids"])
    mlflow = {name for name, node in loggers.items() if node["_target_"].endswith("MLFlowLogger")}
    return {
        name: {**node, "run_id": next(run_ids)} if name in mlflow else node
        for name, node in loggers.items()
    }


def continue_csv(logger: CSVLogger, point: dict[str, Any]) -> None:
    """Have a new logger append to the file of the run, which it would begin anew.

    Rows after the point are left out, for they are logged again.
    """
    path = Path(logger.log_dir) / "metrics.csv"
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = [row for row in reader if int(row["step"]) < point["global_step"]]
        columns = list(reader.fieldnames or [])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Experiment logs directory")
        logger.experiment.metrics_keys = columns  # deletes the file
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def requeue_on_signal() -> None:
    """Have Slurm run the job again when it announces the end of its time with SIGUSR1.

    The training then saves and stops as it does on SIGTERM.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None or not hasattr(signal, "SIGUSR1"):
        return

    def requeue(signum: int, frame: object) -> None:
        subprocess.run(["scontrol", "requeue", job], check=False)
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGUSR1, requeue)
