"""Resume a training that was killed, at the end of an epoch, with the same result bit for bit."""

import logging
import random
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd
import torch
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.serialization.torch import load_ckpt_safely
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger

from ..errors import UserError
from ..runs.folder import RESUME_POINT, written_aside

log = logging.getLogger(__name__)


class ResumePoint(Callback):
    """Save everything that the rest of a training depends on.

    Lightning saves weights, optimizers, schedulers, callbacks and the position in the training
    windows. This callback adds the states of the random generators, and whether to stop.
    """

    def __init__(self, path: Path, every_n_epochs: int) -> None:
        """Save to ``path`` before every n-th epoch and at the end."""
        self.path = path
        self.every_n_epochs = every_n_epochs
        self._random: dict[str, Any] | None = None

    def save(self, trainer: Any) -> None:
        """Replace the saved point by the current state."""
        if trainer.fast_dev_run:
            return
        for logger in trainer.loggers:
            logger.save()
        with written_aside(self.path) as unfinished:
            trainer.save_checkpoint(unfinished)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Save before the epoch, when everything of the previous one is finished and logged."""
        if trainer.current_epoch % self.every_n_epochs == 0:
            # Lightning would skip an epoch that is saved as started but has had no batch
            progress = trainer.fit_loop.epoch_progress
            started = progress.current, progress.total
            for counts in started:
                counts.ready -= 1
            self.save(trainer)
            for counts in started:
                counts.ready += 1

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Save the end, from which a run that is killed in its test continues."""
        self.save(trainer)

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning leaves out."""
        numpy_state = np.random.get_state(legacy=False)
        # safe loading refuses arrays
        numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
        mlflow = [logger.run_id for logger in trainer.loggers if isinstance(logger, MLFlowLogger)]
        checkpoint["mlflow_run_ids"] = mlflow
        checkpoint["should_stop"] = trainer.should_stop
        checkpoint["random"] = {
            "python": random.getstate(),
            "numpy": numpy_state,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all(),
        }

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Keep the random states until the training starts: setting it up draws numbers too."""
        trainer.should_stop = checkpoint["should_stop"]
        self._random = checkpoint["random"]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Restore the random states."""
        if self._random is not None:
            random.setstate(self._random["python"])
            np.random.set_state(self._random["numpy"])
            torch.set_rng_state(self._random["torch"])
            torch.cuda.set_rng_state_all(self._random["cuda"])


def load_point(run_dir: Path) -> dict[str, Any] | None:
    """Return the checkpoint that a run continues from, None if it was killed before the first.

    Raises:
        UserError: when the checkpoint is damaged.
    """
    path = run_dir / RESUME_POINT
    if not path.is_file():
        log.info("The run was killed before its first epoch. It starts over.")
        return None
    point = load_checkpoint(path, "Restore it from a copy, or delete it: the run then starts over.")
    log.info("Resuming in epoch %d, after step %d.", point["epoch"], point["global_step"])
    return point


def load_checkpoint(path: Path | str, remedy: str) -> dict[str, Any]:
    """Return a checkpoint of Lightning's without running code that it names.

    Raises:
        UserError: with the remedy, when the checkpoint is damaged.
    """
    try:
        # torch does not compare the checksums in its files
        with ZipFile(path) as archive:
            if name := archive.testzip():
                raise BadZipFile(f"wrong checksum of {name}")
        point: dict[str, Any] = load_ckpt_safely(torch.load, path, map_location="cpu")
    # anything may be wrong with a damaged file
    except Exception as error:
        reason = str(error).partition(". ")[0]
        raise UserError(f"'{path}' is damaged ({reason}). {remedy}") from error
    return point


def continue_from(model: TorchForecastingModel, point: dict[str, Any], run_dir: Path) -> None:
    """Let the next fit of a new model continue from ``point``, and append to the CSV logs."""
    for logger in model.trainer_params["logger"]:
        if isinstance(logger, CSVLogger):
            _continue_csv(logger, point)
    model.load_ckpt_path = str(run_dir / RESUME_POINT)


def with_run_ids(loggers: dict[str, Any], point: dict[str, Any] | None) -> dict[str, Any]:
    """Return the config of the loggers, with the MLflow runs that ``point`` was saved in."""
    run_ids = iter(point["mlflow_run_ids"] if point else [])
    continued = {}
    for name, node in loggers.items():
        is_mlflow = node["_target_"].endswith("MLFlowLogger")
        continued[name] = {**node, "run_id": next(run_ids, None)} if is_mlflow else node
    return continued


def _continue_csv(logger: CSVLogger, point: dict[str, Any]) -> None:
    """Append to the file of the run without the rows after the point, which are logged again."""
    path = Path(logger.log_dir) / "metrics.csv"
    if not path.is_file():
        return
    content = path.read_bytes()
    # a power cut may leave a part of the last row
    complete = content[: content.rfind(b"\n") + 1]
    if b"step" not in complete:
        return
    # as text, so that what stays is written as it was
    rows = pd.read_csv(BytesIO(complete), dtype=str, keep_default_na=False, on_bad_lines="skip")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Experiment logs directory")
        logger.experiment.metrics_keys = list(rows)  # creating the experiment deletes the file
    rows = rows[pd.to_numeric(rows["step"], errors="coerce") < point["global_step"]]
    rows.to_csv(path, index=False, lineterminator="\r\n")
