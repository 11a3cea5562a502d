"""Save and load what a run forecasts with: the model and its fitted scalers."""

import copyreg
import logging
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.likelihood_models.base import LikelihoodType
from darts.utils.serialization import safe_globals
from darts.utils.serialization.base import UnpicklingError, restricted_pickle_load

from ..data import Panel, Scalers
from ..data.checks import shown
from ..data.scaling import Scaler
from ..errors import UserError
from ..functions import SAVED_FUNCTIONS
from ..run_config import check_code
from ..runs.folder import CONFIG, checked, read_json, write_config, write_json, write_sums
from .build import import_model
from .callbacks import all_finite
from .fit import silence_few_workers_warning

MODEL = "model.pt"
SCALERS = "scalers.pkl"
REFERENCE = "reference.json"
FILES = MODEL, f"{MODEL}.ckpt", SCALERS

log = logging.getLogger(__name__)

# Python before 3.11.4 pickles a member with ``getattr``, which safe loading refuses
copyreg.pickle(LikelihoodType, lambda member: (LikelihoodType, (member.value,)))


@dataclass(frozen=True)
class Bundle:
    """A trained model that forecasts on any machine, and the scalers of its data.

    ``reference`` is what later tests are compared with, as ``evaluation.backtest`` returns it.
    """

    model: TorchForecastingModel
    scalers: Scalers
    reference: dict[str, Any] = field(default_factory=dict)

    def match(self, data: Panel, drop: bool) -> Panel:
        """Return the series of the run that the data has, in the order of the run.

        Scalers that all series share take any series. A single series may have another name.
        ``drop`` leaves out series that are new to the run.

        Raises:
            UserError: when series are new and not dropped, or none is left.
        """
        known, names = self.scalers.names, data.names
        if names == known or len(names) == len(known) == 1 or self.scalers.take_any_series:
            return data
        new, missing = sorted(set(names) - set(known)), sorted(set(known) - set(names))
        if len(new) == len(names) or (new and not drop):
            raise UserError(
                f"The run has no scaler for {len(new)} series of the data: {shown(new, len(new))}. "
                "Leave them out, or train with data.scaler_fit=global: one scaler for all series "
                "takes new ones, but does not even out different levels."
            )
        if missing:
            lacking = shown(missing, len(missing))
            log.warning("The data lacks %d of %d series: %s.", len(missing), len(known), lacking)
        position = {name: number for number, name in enumerate(names)}
        return data.select([position[name] for name in known if name in position])


def save_bundle(folder: Path, bundle: Bundle, config: dict[str, Any]) -> None:
    """Write a bundle, and the config of its run, into a new folder.

    The model is saved without its trainer, whose loggers and callbacks might not load elsewhere.
    """
    folder.mkdir()
    bundle.model.save(str(folder / MODEL), clean=True)
    # as dicts, because the classes of the project may move to another module
    (folder / SCALERS).write_bytes(pickle.dumps(asdict(bundle.scalers)))
    write_json(folder / REFERENCE, bundle.reference)
    write_config(folder, config)
    write_sums(folder, (*FILES, REFERENCE, CONFIG))


def load_bundle(folder: Path, model_target: str, accelerator: str) -> Bundle:
    """Load a bundle onto ``cpu``, ``cuda`` or ``mps``, whatever it was trained on.

    Darts' safe loading runs no code of the files. It needs the class of the model to be imported,
    so ``model_target`` is the ``_target_`` of the run's model config.

    Raises:
        UserError: when a file of the bundle is missing, damaged or not safe to load, or its weights
            are not finite.
    """
    for name in FILES:
        checked(folder, name)
    off = "logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"
    trainer = {"accelerator": accelerator, "devices": 1, **dict.fromkeys(off, False)}
    silence_few_workers_warning()
    # from naive models
    warnings.filterwarnings("ignore", message=".*contains no parameters.*")
    import_model(model_target)
    with _safe_loading(folder), safe_globals(SAVED_FUNCTIONS):
        model = TorchForecastingModel.load(
            str(folder / MODEL), pl_trainer_kwargs=trainer, map_location="cpu"
        )
        if not all_finite(model.model):
            raise UserError(f"{folder}: the weights are NaN or infinite. Train again.")
        with (folder / SCALERS).open("rb") as file:
            saved: dict[str, Any] = restricted_pickle_load(file)
    scalers = {key: Scaler(**one) for key, one in saved.items() if isinstance(one, dict)}
    for scaler in scalers.values():
        check_code({"data": {"scaler": scaler.kind}})
    reference = read_json(checked(folder, REFERENCE))
    return Bundle(model, Scalers(**{**saved, **scalers}), reference)


def load_weights(
    folder: Path, model: TorchForecastingModel, trained: dict[str, Any], wanted: dict[str, Any]
) -> None:
    """Load the weights of a bundle into an untrained model, to train them further.

    ``trained`` is the model config of the bundle's run, ``wanted`` that of ``model``. The dropout
    may differ, as may what Darts does not compare, such as the optimizer.

    Raises:
        UserError: when a file of the bundle is missing, damaged or not safe to load; when the
            weights do not fit, with the arguments that differ.
    """
    for name in FILES:
        checked(folder, name)
    parameters, own = model.model_params, dict(model.model_params)
    if "dropout" in trained:
        parameters["dropout"] = trained["dropout"]
    try:
        with _safe_loading(folder):
            model.load_weights(str(folder / MODEL), map_location="cpu")
    except (ValueError, RuntimeError) as error:
        other = [key for key in trained if wanted.get(key) != trained[key] and key != "dropout"]
        # another model has other arguments
        other = ["_target_"] if "_target_" in other else other
        arguments = " ".join(f"model.{key}={trained[key]}" for key in other)
        raise UserError(
            f"finetune: the weights do not fit this model. The run was trained with {arguments}."
        ) from error
    parameters.update(own)


@contextmanager
def _safe_loading(folder: Path) -> Iterator[None]:
    """Refuse pickles that would run code, without Darts' advice to load them anyway."""
    try:
        for name in FILES:
            # torch.load also reads bare pickles, and knows them by their first bytes
            with (folder / name).open("rb") as file:
                if name != SCALERS and file.read(4) != b"PK\x03\x04":
                    raise UnpicklingError(f"{name} is a pickle")
        yield
    except (UnpicklingError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0].partition(". ")[0].rstrip(".")
        raise UserError(
            f"{folder}: its files are not safe to load ({reason}). Use a run of train.py."
        ) from error
