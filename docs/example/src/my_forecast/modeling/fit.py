"""Prepare data for a model, cut it into windows, and fit the model to them."""

import logging
import signal
import warnings
from dataclasses import dataclass, replace
from typing import Any

from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchTrainingDataset
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.exceptions import SIGTERMException

from ..config import DataConfig, TrainConfig
from ..data import (
    IN_MEMORY,
    Panel,
    Scalers,
    SeriesArray,
    Split,
    Storage,
    fit_scalers,
    load_data,
    split_data,
)
from ..errors import UserError
from ..loading.batch_cost import measure_batch_cost
from ..loading.epoch_order import TIMED_OUT
from ..loading.hardware import Hardware
from ..loading.plan import LoaderPlan, dataloader_kwargs, plan_loader, preload
from ..loading.windows import WindowDataset
from ..loading.workers import attend_workers
from .callbacks import FiniteLoss, refuse_training

log = logging.getLogger(__name__)

# Lightning 2.6 provokes this in torch on every start, and users cannot do anything about it
warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")


@dataclass(frozen=True)
class Prepared:
    """The data of a run: in its original unit, its division, and scaled to float32."""

    data: Panel
    split: Split
    scalers: Scalers
    scaled: Panel


def prepare_data(model: TorchForecastingModel, config: TrainConfig, storage: Storage) -> Prepared:
    """Load and divide the data of a run, and scale it with scalers fitted on its training part.

    Raises:
        UserError: when the data cannot be read or is too short for the model.
    """
    loaded = load_data(config.data, storage, steps_ahead(model, config.horizon))
    data, split = split_data(
        supported_covariates(model, loaded),
        config.data,
        config.horizon + model.output_chunk_shift,
        train_length=model.min_train_series_length,
        output_length=model.output_chunk_length,
    )
    return scale_data(data, split, config.data, storage)


def scale_data(
    data: Panel, split: Split, config: DataConfig, storage: Storage = IN_MEMORY
) -> Prepared:
    """Scale data with scalers fitted on its training part; raises as ``fit_scalers`` does."""
    scalers = fit_scalers(data, split, config.scaler, config.scaler_fit, config.static_encoding)
    return Prepared(data, split, scalers, scalers.transform(data, storage))


def supported_covariates(model: TorchForecastingModel, data: Panel) -> Panel:
    """Return the data without covariates that the model cannot use, and log what is left out."""
    usable = {
        "past_covariates": model.supports_past_covariates,
        "future_covariates": model.supports_future_covariates,
        "static_covariates": (
            model.supports_static_covariates and model.considers_static_covariates
        ),
    }
    unused: dict[str, Any] = {
        role: None for role in usable if not usable[role] and getattr(data, role) is not None
    }
    for role in unused:
        kind = role.replace("_", " ")
        log.info("%s does not use %s; they are left out.", type(model).__name__, kind)
    return replace(data, **unused)


def make_windows(
    model: TorchForecastingModel, config: TrainConfig, prepared: Prepared, hardware: Hardware
) -> tuple[TorchTrainingDataset, TorchTrainingDataset | None]:
    """Return training and validation windows, as ``WindowDataset`` where that covers them.

    The model gets a callback that stops its training if the loss is not finite.
    """
    data, scaled, split = config.data, prepared.scaled, prepared.split
    parts = [replace(scaled, targets=split.train(scaled.targets))]
    if split.validates:
        look_back = model.min_train_series_length - model.output_chunk_length
        targets = split.validation(scaled.targets, look_back)
        parts.append(replace(scaled, targets=targets, sample_weight=None))
    model.trainer_params["callbacks"].append(FiniteLoss(scaled))
    longest = [part.select([int(part.targets.length.argmax())]) for part in parts]
    shapes = darts_datasets(model, data, longest)
    if not WindowDataset.supports(shapes[0]) or model.encoders.encoding_available:
        name = type(shapes[0]).__name__
        log.info("%s: not covered by WindowDataset; Darts' dataset is used.", name)
        return darts_datasets(model, data, parts)
    device = hardware.accelerator if data.device == "accelerator" else "cpu"
    windows = [
        WindowDataset(shape, _weighted(part, shape), data.max_samples_per_ts, data.sampling, device)
        for shape, part in zip(shapes, parts, strict=False)
    ]
    return windows[0], windows[1] if split.validates else None


def darts_datasets(
    model: TorchForecastingModel, config: DataConfig, parts: list[Panel]
) -> tuple[TorchTrainingDataset, TorchTrainingDataset | None]:
    """Let the model build Darts' own datasets, with all the checks and encoders of its ``fit``.

    ``parts`` are the scaled training part, and the validation part if there is one. The only use of
    a private name of Darts: it knows the windows of each model. ``tests/test_windows.py`` fails if
    it changes.
    """
    arguments: dict[str, Any] = {}
    for prefix, part in zip(("", "val_"), parts, strict=False):
        for role in part.roles:
            key = "series" if role == "targets" else role
            arguments[prefix + key] = part.to_series(role)
        arguments.setdefault(f"{prefix}sample_weight", config.sample_weight)
    _, found = model._setup_for_fit_from_dataset(
        **arguments, stride=config.window_stride, max_samples_per_ts=config.max_samples_per_ts
    )
    return found["train_dataset"], found["val_dataset"]


def _weighted(part: Panel, shape: TorchTrainingDataset) -> Panel:
    """Add Darts' weights for the longest series; shorter series use the end of them."""
    if part.sample_weight is not None or shape.sample_weight is None:
        return part
    weights, targets = shape.sample_weight[0].values(copy=False), part.targets
    first = len(weights) - targets.length
    own = SeriesArray(weights, first, targets.length, targets.start, ["weight"])
    return replace(part, sample_weight=own)


def fit_model(
    model: TorchForecastingModel,
    config: TrainConfig,
    train: TorchTrainingDataset,
    validation: TorchTrainingDataset | None,
    hardware: Hardware,
) -> LoaderPlan:
    """Fit a model to windows, keep the weights of its best epoch, and return the loader plan.

    Raises:
        SystemExit: on SIGTERM, with the exit code of a process that this signal ended.
        KeyboardInterrupt: on Ctrl-C.
        UserError: when the config does not fit the hardware, a worker hangs or was killed, or the
            loss or the weights become NaN or infinite.
    """
    in_process = validation is None or isinstance(validation, WindowDataset)
    cost = measure_batch_cost(train, model.batch_size, model.n_epochs, 1 if in_process else 2)
    plan = plan_loader(config.dataloader, hardware, cost)
    for name, choice in plan.items():
        if choice.value is not None:
            log.info("dataloader.%s = %s: %s", name, choice.value, choice.reason)
    if plan["num_workers"].value == 0:
        silence_few_workers_warning()
    preload(plan)
    with attend_workers(plan["multiprocessing_context"].value) as worker_init_fn:
        arguments = {**dataloader_kwargs(plan, config.seed), "worker_init_fn": worker_init_fn}
        best = _keeps_best(model, config)
        try:
            model.fit_from_dataset(train, validation, dataloader_kwargs=arguments, load_best=best)
        except SIGTERMException as stop:
            # Lightning would exit with 0, as if the training had finished
            raise SystemExit(128 + signal.SIGTERM) from stop
        except SystemExit as stop:
            # Lightning exits on Ctrl-C, with the code of an error
            if isinstance(stop.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from stop
            raise
        except RuntimeError as error:
            message = str(error).strip(". ")
            if message.startswith("DataLoader worker (pid"):
                raise UserError(
                    f"dataloader.num_workers: {message}. If memory ran out, decrease "
                    "dataloader.num_workers or model.batch_size."
                ) from error
            if message.startswith(TIMED_OUT):
                raise UserError(
                    f"dataloader.timeout: {message}. A worker hangs, or needs longer: set "
                    "dataloader.num_workers=0 to find out where, or increase dataloader.timeout."
                ) from error
            raise
        except ValueError as error:
            # from the distribution of a likelihood, before there is a loss
            if "Expected parameter" not in str(error):
                raise
            refuse_training(model.trainer, "the model's output is NaN")
    # save() of Darts stores the weights that the trainer holds: without this, the last epoch's
    model.trainer.strategy.connect(model.model)
    return plan


def silence_few_workers_warning() -> None:
    """Turn off Lightning's advice to add workers, where none are used on purpose."""
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


def steps_ahead(model: TorchForecastingModel, horizon: int) -> int:
    """Return how many steps after the end of a series a forecast reads future covariates."""
    return int(max(horizon, model.output_chunk_length) + model.output_chunk_shift)


def _keeps_best(model: TorchForecastingModel, config: TrainConfig) -> bool:
    callbacks = model.trainer_params["callbacks"]
    keeps = any(isinstance(c, ModelCheckpoint) and c.monitor is not None for c in callbacks)
    return keeps and not config.trainer.get("fast_dev_run")
