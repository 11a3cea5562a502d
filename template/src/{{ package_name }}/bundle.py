"""What a finished run leaves behind to forecast with: the model and its fitted scalers."""

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.serialization.base import restricted_pickle_load
from hydra.utils import get_class

from .data import Scalers
from .errors import UserError
from .training import silence_few_workers_warning

MODEL = "model.pt"
SCALERS = "scalers.pkl"
ROLES = ("targets", "past_covariates", "future_covariates")


@dataclass(frozen=True)
class Bundle:
    """A trained model that predicts on any machine, and the scalers of its data.

    ``names`` are those of the series that the scalers were fitted on, in their order.
    """

    model: TorchForecastingModel
    scalers: Scalers
    names: list[str]

    def check_series(self, names: list[str]) -> None:
        """Refuse data whose series are not those of the training: each has its own scaler.

        A single series may have another name, for it may come from another file.
        """
        if names != self.names and not len(names) == len(self.names) == 1:
            new, missing = set(names) - set(self.names), set(self.names) - set(names)
            raise UserError(
                f"The run was trained on other series: {len(missing)} of them are missing "
                f"{sorted(missing)[:3]}, {len(new)} are new {sorted(new)[:3]}. Give it the same "
                "series, or train again."
            )


def save_bundle(
    folder: Path, model: TorchForecastingModel, scalers: Scalers, names: list[str]
) -> None:
    """Write the bundle into a new folder.

    The model is saved without its trainer, so neither loggers nor callbacks of the training can
    keep it from being loaded.
    """
    folder.mkdir()
    model.save(str(folder / MODEL), clean=True)
    fitted = {role: getattr(scalers, role) for role in ROLES}
    (folder / SCALERS).write_bytes(pickle.dumps({"names": names, **fitted}))


def load_bundle(folder: Path, model_class: str, accelerator: str) -> Bundle:
    """Load a bundle onto ``cpu``, ``cuda`` or ``mps``, whatever it was trained on.

    Darts' safe loading is used for model and scalers: no code of the files is run.

    Raises:
        UserError: when the folder holds no bundle.
    """
    for name in (MODEL, f"{MODEL}.ckpt", SCALERS):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: no {name}. The run did not finish; train it again.")
    trainer: dict[str, Any] = {
        "accelerator": accelerator,
        "devices": 1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    # prediction reads its windows without workers
    silence_few_workers_warning()
    get_class(model_class)  # Darts' load() expects the class of the saved model to be imported
    model = TorchForecastingModel.load(
        str(folder / MODEL), pl_trainer_kwargs=trainer, map_location="cpu"
    )
    with (folder / SCALERS).open("rb") as file:
        fitted = restricted_pickle_load(file)
    names = fitted.pop("names")
    return Bundle(model=model, scalers=Scalers(**fitted), names=names)


def inference_kwargs() -> dict[str, Any]:
    """Return DataLoader settings for prediction: Darts' default would warn on the CPU."""
    return {"pin_memory": False}
