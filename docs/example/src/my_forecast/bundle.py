"""What a finished run leaves behind to forecast with: the model and its fitted scalers."""

import pickle
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.serialization import safe_globals
from darts.utils.serialization.base import restricted_pickle_load
from hydra.utils import get_class
from numpy.typing import NDArray

from .data import IN_MEMORY, Scalers, SeriesSet, Storage
from .errors import UserError
from .flat import Steps
from .functions import expm1, log1p, mean
from .inference import Forecasts, forecast_from, forecast_quantiles
from .settings import QuantileSettings
from .training import silence_few_workers_warning

MODEL = "model.pt"
SCALERS = "scalers.pkl"
# those of the scaler ``log`` and of the moving average
FUNCTIONS = [log1p, expm1, mean]


@dataclass(frozen=True)
class Bundle:
    """A trained model that predicts on any machine, and the scalers of its data."""

    model: TorchForecastingModel
    scalers: Scalers

    def forecast(
        self,
        data: SeriesSet,
        starts: Sequence[Steps],
        n: int,
        quantiles: QuantileSettings,
        storage: Storage = IN_MEMORY,
    ) -> Forecasts:
        """Forecast ``n`` steps from every start, in the original unit.

        Args:
            data: series in their original unit.
            starts: for each series the positions after the last input steps, as in
                ``inference.forecast_from``.
            n: steps of a forecast.
            quantiles: those of a model with a likelihood.
            storage: where the scaled series are kept.

        Raises:
            UserError: as ``inference.forecast_from`` and ``inference.forecast_quantiles`` do.
        """

        def unscaled(values: list[NDArray[np.floating]]) -> list[NDArray[np.float64]]:
            pairs = zip(values, data.names, strict=True)
            return [self.scalers.inverse(own, name) for own, name in pairs]

        scaled = self.scalers.transform(data, storage)
        if self.model.likelihood is None:
            return Forecasts(unscaled(forecast_from(self.model, scaled, starts, n)))
        found = forecast_quantiles(self.model, scaled, starts, n, quantiles)
        levels = {level: unscaled(values) for level, values in found.items()}
        return Forecasts(levels[0.5], levels)

    def match(self, data: SeriesSet, drop: bool) -> SeriesSet:
        """Return the series that the run was trained on, where each has its own scaler.

        A single series may have another name, for it may come from another file.

        Args:
            data: the series at hand.
            drop: whether series that the run does not know are left out.

        Raises:
            UserError: when series are missing, or new and not to be left out.
        """
        known, names = self.scalers.names, data.names
        if names == known or len(names) == len(known) == 1 or self.scalers.take_any_series:
            return data
        new, missing = sorted(set(names) - set(known)), sorted(set(known) - set(names))
        if missing or (new and not drop):
            raise UserError(
                f"The run was trained on other series: {len(missing)} of them are missing "
                f"{missing[:3]}, {len(new)} are new {new[:3]}. Give it the same series, or train "
                "again."
            )
        place = {name: number for number, name in enumerate(names)}
        return data.select([place[name] for name in known])


def save_bundle(folder: Path, model: TorchForecastingModel, scalers: Scalers) -> None:
    """Write the bundle into a new folder.

    The model is saved without its trainer, so neither loggers nor callbacks of the training can
    keep it from being loaded.
    """
    folder.mkdir()
    model.save(str(folder / MODEL), clean=True)
    fitted = {item.name: getattr(scalers, item.name) for item in fields(scalers)}
    (folder / SCALERS).write_bytes(pickle.dumps(fitted))


def load_bundle(folder: Path, model_class: str, accelerator: str) -> Bundle:
    """Load a bundle onto ``cpu``, ``cuda`` or ``mps``, whatever it was trained on.

    Darts' safe loading is used for model and scalers: no code of the files is run but
    ``FUNCTIONS``.

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
    # those of naive models
    warnings.filterwarnings("ignore", message=".*contains no parameters.*")
    get_class(model_class)  # Darts' load() expects the class of the saved model to be imported
    with safe_globals(FUNCTIONS):
        model = TorchForecastingModel.load(
            str(folder / MODEL), pl_trainer_kwargs=trainer, map_location="cpu"
        )
        with (folder / SCALERS).open("rb") as file:
            fitted = restricted_pickle_load(file)
    return Bundle(model=model, scalers=Scalers(**fitted))


def start_from(
    folder: Path, model: TorchForecastingModel, trained: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """Give an untrained model the weights of a bundle, to train on from there.

    Args:
        folder: of the bundle.
        model: untrained.
        trained: model settings of the run that the bundle is from.
        wanted: those that ``model`` was made of.

    Raises:
        UserError: when the weights are those of another model, naming the settings that differ.
    """
    try:
        model.load_weights(str(folder / MODEL), map_location="cpu")
    except (ValueError, RuntimeError) as error:
        other = {key: value for key, value in trained.items() if wanted.get(key) != value}
        settings = " ".join(f"model.{key}={value}" for key, value in other.items())
        raise UserError(
            f"finetune: the weights fit another model. The run was trained with {settings}."
        ) from error
