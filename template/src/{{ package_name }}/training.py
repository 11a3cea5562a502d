"""Build a Darts model from settings and fit it through the fast data path."""

import inspect
import logging
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchTrainingDataset
from hydra.utils import get_class, instantiate
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from .data import SeriesSet, Split
from .dataloader import LoaderPlan, plan_loader, preload
from .errors import UserError
from .machine import Machine
from .sampling import EpochShuffle, ShuffledBatches
from .settings import DataSettings, TrainSettings
from .windows import WindowDataset
from .worker_logs import collect_logs
from .workload import measure

# epochs that Darts trains without trainer.max_epochs
DARTS_EPOCHS = 100

log = logging.getLogger(__name__)


class ShuffleByEpoch(Callback):
    """Give Lightning a training DataLoader whose order depends on the seed and the epoch only.

    Darts passes the same arguments to the training and the validation DataLoader, so a sampler
    for the training alone cannot be among them.
    """

    def __init__(self, seed: int) -> None:
        """Remember the seed of the run."""
        self.seed = seed

    def setup(self, trainer: Any, pl_module: LightningModule, stage: str) -> None:
        """Replace the training DataLoader, unless the same batches are wanted every epoch."""
        if stage != "fit" or trainer.overfit_batches:
            return
        data = trainer.datamodule
        order = EpochShuffle(len(data.train_dataset), self.seed)
        batches = ShuffledBatches(order, data.batch_size, drop_last=False)
        arguments = {**data.dataloader_kwargs, "batch_sampler": batches}
        del arguments["drop_last"]  # the sampler decides
        data.train_dataloader = lambda: DataLoader(data.train_dataset, **arguments)


def build_model(settings: TrainSettings, run_dir: Path) -> TorchForecastingModel:
    """Build the untrained model.

    Args:
        settings: ``model`` holds the class as ``_target_`` and its arguments, ``trainer``,
            ``callbacks`` and ``logger`` make up Lightning's Trainer.
        run_dir: Lightning's folder for whatever has no path of its own.

    Raises:
        UserError: when the class does not exist or is no torch model of Darts.
    """
    arguments = dict(settings.model)
    name = arguments.pop("_target_", None)
    try:
        model_class = get_class(str(name))
    except Exception as error:
        raise UserError(f"model._target_: there is no class {name!r} ({error}).") from error
    if not issubclass(model_class, TorchForecastingModel):
        raise UserError(f"model._target_: {name} is no torch forecasting model of Darts.")
    _check_types(model_class, arguments)
    callbacks = list(_build(settings.callbacks).values())
    _check_monitors(callbacks, settings)
    try:
        return model_class(
            **_build(arguments),
            random_state=settings.seed,
            show_warnings=True,  # the loader plan decides which one is silenced
            pl_trainer_kwargs={
                **_build(settings.trainer),
                "callbacks": [*callbacks, ShuffleByEpoch(settings.seed)],
                "logger": list(_build(settings.logger).values()),
                "enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks),
                "default_root_dir": str(run_dir),
            },
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"model: {name} does not accept these settings: {error}") from error


def supported_covariates(model: TorchForecastingModel, data: SeriesSet) -> SeriesSet:
    """Leave out the covariates that the model cannot use, and say so."""
    name = type(model).__name__
    if data.past_covariates is not None and not model.supports_past_covariates:
        log.info("%s does not use past covariates; they are left out.", name)
        data = replace(data, past_covariates=None)
    if data.future_covariates is not None and not model.supports_future_covariates:
        log.info("%s does not use future covariates; they are left out.", name)
        data = replace(data, future_covariates=None)
    return data


def fit_model(
    model: TorchForecastingModel,
    settings: TrainSettings,
    data: SeriesSet,
    split: Split,
    machine: Machine,
) -> LoaderPlan:
    """Fit ``model`` and leave the weights of the best epoch in it.

    Args:
        model: from ``build_model``.
        settings: of the run.
        data: scaled float32 series.
        split: the division into training and validation parts.
        machine: what the loader plan is made for.

    Returns:
        The loader plan that was used.
    """
    train, validation = _datasets(model, settings.data, data, split)
    gathered = WindowDataset.supports(train)
    if gathered:
        device = machine.accelerator if settings.data.device == "accelerator" else "cpu"
        train = WindowDataset(train, settings.data.sampling, device)
        validation = validation and WindowDataset(validation, settings.data.sampling, device)
    else:
        log.info("%s: not covered by WindowDataset; Darts' dataset is used.", type(train).__name__)
    workload = measure(
        train,
        model.batch_size,
        epochs=settings.trainer.get("max_epochs", DARTS_EPOCHS),
        validated=validation is not None,
    )
    plan = plan_loader(settings.dataloader, machine, workload)
    for name, choice in plan.choices().items():
        if choice.value is not None:
            log.info("dataloader.%s = %s: %s", name, choice.value, choice.reason)
    if plan.num_workers.value == 0:
        silence_few_workers_warning()
    preload(plan)
    arguments = plan.dataloader_kwargs(settings.seed)
    with collect_logs(plan.multiprocessing_context.value) as worker_init_fn:
        model.fit_from_dataset(
            train,
            validation,
            dataloader_kwargs={**arguments, "worker_init_fn": worker_init_fn},
            load_best=_keeps_best(model, settings),
        )
    # Darts' save() stores what the trainer holds, the last epoch, unless it is told of the best.
    model.trainer.strategy.connect(model.model)
    return plan


def silence_few_workers_warning() -> None:
    """Turn off Lightning's advice to add workers, where the plan decided for none."""
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


def _datasets(
    model: TorchForecastingModel, settings: DataSettings, data: SeriesSet, split: Split
) -> tuple[TorchTrainingDataset, TorchTrainingDataset | None]:
    """Let the model build Darts' datasets, with all the checks and encoders of its ``fit``.

    This is the only use of a private name of Darts; ``tests/test_windows.py`` fails if it changes.
    """
    _, arguments = model._setup_for_fit_from_dataset(
        series=split.train(data.targets),
        past_covariates=data.past_covariates,
        future_covariates=data.future_covariates,
        val_series=split.validation(data.targets, look_back(model)),
        val_past_covariates=data.past_covariates,
        val_future_covariates=data.future_covariates,
        sample_weight=settings.sample_weight,
        val_sample_weight=settings.sample_weight,
        stride=settings.window_stride,
        max_samples_per_ts=settings.max_samples_per_ts,
    )
    return arguments["train_dataset"], arguments["val_dataset"]


def look_back(model: TorchForecastingModel) -> int:
    """Return how many steps a training window needs before the first step it predicts."""
    return int(model.min_train_series_length - model.output_chunk_length)


def _keeps_best(model: TorchForecastingModel, settings: TrainSettings) -> bool:
    callbacks = model.trainer_params["callbacks"]
    keeps = any(isinstance(c, ModelCheckpoint) and c.monitor is not None for c in callbacks)
    return keeps and not settings.trainer.get("fast_dev_run")


def _check_types(model_class: Any, arguments: dict[str, Any]) -> None:
    """Name the argument that is no number, which torch would complain of without its name."""
    parameters = inspect.signature(model_class.__init__).parameters
    for name, value in arguments.items():
        annotation = parameters[name].annotation if name in parameters else None
        if annotation is int and not isinstance(value, int):
            raise UserError(f"model.{name}: {value!r} must be a whole number.")
        if annotation is float and not isinstance(value, int | float):
            raise UserError(f"model.{name}: {value!r} must be a number.")


def _check_monitors(callbacks: list[Any], settings: TrainSettings) -> None:
    if settings.data.validation_size > 0:
        return
    for callback in callbacks:
        if str(getattr(callback, "monitor", "")).startswith("val_"):
            raise UserError(
                f"callbacks: {type(callback).__name__} watches {callback.monitor}, but "
                "data.validation_size is 0. Set data.validation_size=0.1 or callbacks=none."
            )


def _build(node: dict[str, Any]) -> dict[str, Any]:
    """Build every object that ``node`` describes with ``_target_``; plain values stay."""
    built = instantiate(node, _convert_="all")
    return dict(built)
