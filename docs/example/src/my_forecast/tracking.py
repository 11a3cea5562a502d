"""What TensorBoard and MLflow show of a run beside the losses of its epochs."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.image import imread
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger

from .record import BUNDLE, METRICS


def track_settings(loggers: Iterable[Logger], settings: Mapping[str, Any]) -> None:
    """Log the settings of a run under their dotted names, such as ``data.season_length``."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger | MLFlowLogger):
            logger.log_hyperparams(dict(_flat(settings)))


def track_results(loggers: Iterable[Logger], run_dir: Path) -> None:
    """Log the metrics of the test, as ``test/model/mae``, and the pictures.

    MLflow gets the files of the run, too: config, record, bundle and all that lies beside them.
    """
    scores = json.loads((run_dir / METRICS).read_text(encoding="utf-8"))
    numbers = {
        name.replace(".", "/"): value
        for name, value in _flat(scores)
        if isinstance(value, int | float)
    }
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger | MLFlowLogger):
            logger.log_metrics(numbers)
        if isinstance(logger, TensorBoardLogger):
            for picture in sorted(run_dir.glob("*.png")):
                logger.experiment.add_image(picture.stem, imread(picture), dataformats="HWC")
            logger.save()
        if isinstance(logger, MLFlowLogger):
            for path in sorted(run_dir.iterdir()):
                # the log is still being written
                if path.is_file() and path.suffix != ".log":
                    logger.experiment.log_artifact(logger.run_id, str(path))
            logger.experiment.log_artifacts(logger.run_id, str(run_dir / BUNDLE), BUNDLE)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
