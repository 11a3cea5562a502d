"""What TensorBoard and MLflow show of a run, besides the losses of its epochs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from matplotlib.image import imread
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import MLFlowLogger, TensorBoardLogger

from .folder import BUNDLE, CONFIG, METRICS, read_json


class TrackConfig(Callback):
    """Log the config when the training starts, under dotted names: ``data.season_length``."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the ``config.yaml`` of the run."""
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger | MLFlowLogger):
                path = Path(trainer.default_root_dir, CONFIG)
                config = yaml.safe_load(path.read_text(encoding="utf-8"))
                logger.log_hyperparams(dict(_flat(config)))


def track_results(results: Any) -> None:
    """Log test metrics, as ``test/model/mae``, and plots.

    MLflow gets all files of the run as well, the bundle included.

    Args:
        results: of ``train.py``, with ``folder`` and ``loggers``.
    """
    scores = read_json(results.folder / METRICS)
    numbers = {
        name.replace(".", "/"): value
        for name, value in _flat(scores)
        if isinstance(value, int | float)
    }
    for logger in results.loggers:
        if isinstance(logger, TensorBoardLogger | MLFlowLogger):
            logger.log_metrics(numbers)
        if isinstance(logger, TensorBoardLogger):
            for plot in sorted(results.folder.glob("*.png")):
                logger.experiment.add_image(plot.stem, imread(plot), dataformats="HWC")
            logger.save()
        if isinstance(logger, MLFlowLogger):
            for path in sorted(results.folder.iterdir()):
                # the log is still being written, and the lock is held
                if path.is_file() and path.suffix != ".log" and not path.name.startswith("."):
                    logger.experiment.log_artifact(logger.run_id, str(path))
            logger.experiment.log_artifacts(logger.run_id, str(results.folder / BUNDLE), BUNDLE)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
