"""Build the Darts model that a config describes, and check the config first."""

from collections.abc import Callable
from contextlib import suppress
from inspect import isclass
from pathlib import Path
from typing import Any, get_type_hints

from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.serialization import add_safe_globals
from hydra.utils import get_object
from pytorch_lightning.callbacks import ModelCheckpoint, ProgressBar

from ..config import AUTO, TrainConfig, build
from ..errors import UserError
from ..run_config import named_code
from ..runs.folder import RESUME_POINT
from .callbacks import FastAveragePools, FitLoaders, NoProfiler, SparseLossLog
from .checks import config_problems
from .resume import ResumePoint, continue_from, with_run_ids


def build_model(
    config: TrainConfig, run_dir: Path, point: dict[str, Any] | None = None
) -> TorchForecastingModel:
    """Build the untrained model and the arguments of its trainer.

    Lightning writes what has no path of its own into ``run_dir``. A resumed run continues from
    ``point``, which ``load_point`` returned.

    Raises:
        UserError: with one line for each problem of the config.
    """
    path = str(config.model.get("_target_"))
    target, model_class = import_model(path)
    arguments = {key: value for key, value in config.model.items() if key != "_target_"}
    for key in ("optimizer_cls", "lr_scheduler_cls"):
        if isinstance(name := arguments.get(key), str):
            arguments[key] = _import(f"model.{key}", name)
    if problems := list(config_problems(config, arguments, target, model_class)):
        raise UserError("\n".join(problems))
    own = FitLoaders(config.seed), SparseLossLog(), FastAveragePools()
    callbacks = [*build(config.callbacks, "callbacks").values(), *own]
    if not config.trainer.get("enable_progress_bar", True):
        # Lightning refuses one all the same
        callbacks = [item for item in callbacks if not isinstance(item, ProgressBar)]
    if config.save_every_n_epochs > 0:
        callbacks.append(ResumePoint(run_dir / RESUME_POINT, config.save_every_n_epochs))
    devices = config.trainer.get("devices", AUTO)
    trainer = {
        "profiler": NoProfiler(),
        **build(config.trainer, "trainer"),
        # auto of Lightning would be all of them
        "devices": 1 if devices == AUTO else devices,
        "callbacks": callbacks,
        "logger": list(build(with_run_ids(config.logger, point), "logger").values()),
        "enable_checkpointing": any(isinstance(item, ModelCheckpoint) for item in callbacks),
        "default_root_dir": str(run_dir),
    }
    try:
        model = target(
            **build(arguments, "model"),
            random_state=config.seed,
            show_warnings=True,  # the loader plan decides which one is silenced
            pl_trainer_kwargs=trainer,
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"model: {path} does not accept these arguments: {error}") from error
    if not isinstance(model, TorchForecastingModel):
        raise UserError(f"model._target_: {path} returned {type(model).__name__}, not a model.")
    if point is not None:
        continue_from(model, point, run_dir)
    return model


def import_model(path: str) -> tuple[Callable[..., Any], type[TorchForecastingModel]]:
    """Import the ``_target_`` of a model config, and return it with the class of the model.

    Raises:
        UserError: when it is neither a torch model of Darts nor a function annotated to return one.
    """
    target = _import("model._target_", path)
    model_class = target if isclass(target) else get_type_hints(target).get("return")
    if not (isclass(model_class) and issubclass(model_class, TorchForecastingModel)):
        raise UserError(
            f"model._target_: {path} is not a torch model of Darts. Use one of darts.models that "
            "is based on torch, or a function with the class of its model as return annotation."
        )
    return target, model_class


def trust_classes(model: dict[str, Any]) -> None:
    """Let safe loading build objects of the classes that a checked model config names.

    Without it, the checkpoints of a loss or likelihood of the user's own would not load. A class
    that cannot be imported is reported where it is built.
    """
    for _, name in named_code({"model": model}):
        with suppress(Exception):
            if isclass(found := get_object(name)):
                add_safe_globals([found])


def _import(key: str, path: str) -> Any:
    try:
        return get_object(path)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{key}: cannot import {path!r}. {reason}") from error
