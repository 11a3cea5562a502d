"""Prepare data for a model, cut it into windows, and fit the model to them."""

import logging
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchTrainingDataset
from pytorch_lightning.callbacks import ModelCheckpoint, StochasticWeightAveraging

from ..config import DataConfig, TrainConfig, build
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
from .callbacks import FiniteLoss
from .covariates import check_covariates
from .resume import load_checkpoint
from .signals import stopped_by_signals

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
    static = config.static_encoding, config.unknown_static
    scalers = fit_scalers(data, split, config.scaler, config.scaler_fit, *static)
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

    ``config.windows`` may put a dataset of the user's own in place of the training windows. The
    model gets a callback that stops its training if the loss is not finite, and its likelihood the
    data, if it has a method ``use_data``.

    Raises:
        UserError: when it does not return a dataset that Darts can train on.
    """
    data, scaled, split = config.data, prepared.scaled, prepared.split
    parts = [replace(scaled, targets=split.train(scaled.targets))]
    if split.validates:
        look_back = model.min_train_series_length - model.output_chunk_length
        targets = split.validation(scaled.targets, look_back)
        parts.append(replace(scaled, targets=targets, sample_weight=None))
    if not data.train_on_filled and prepared.data.targets.filled is not None:
        parts = [_without_filled(part, prepared.data.targets) for part in parts]
    model.trainer_params["callbacks"].append(FiniteLoss(scaled))
    if hasattr(model.likelihood, "use_data"):
        model.likelihood.use_data(prepared)
    for part in parts:
        check_covariates(model, data, prepared.data, part.targets)
    longest = [part.select([int(part.targets.length.argmax())]) for part in parts]
    shapes = darts_datasets(model, data, longest)
    if not WindowDataset.supports(shapes[0]) or model.encoders.encoding_available:
        name = type(shapes[0]).__name__
        log.info("%s: not covered by WindowDataset; Darts' dataset is used.", name)
        train, validation = darts_datasets(model, data, parts)
        return _own_windows(config, train), validation
    device = hardware.accelerator if data.device == "accelerator" else "cpu"
    windows = [
        WindowDataset(shape, _weighted(part, shape), data.max_samples_per_ts, data.sampling, device)
        for shape, part in zip(shapes, parts, strict=False)
    ]
    return _own_windows(config, windows[0]), windows[1] if split.validates else None


def _own_windows(config: TrainConfig, windows: TorchTrainingDataset) -> TorchTrainingDataset:
    if config.windows is None:
        return windows
    own = build(config.windows, "windows")(windows)
    if not isinstance(own, TorchTrainingDataset) or len(own) == 0:
        raise UserError(
            f"windows: {config.windows['_target_']} must return a TorchTrainingDataset of Darts "
            f"with at least one window, not {own!r}."
        )
    return own


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


def _without_filled(part: Panel, targets: SeriesArray) -> Panel:
    """Set the weights of filled values to 0, and the others to those of their rows, or to 1."""
    assert targets.filled is not None
    values = (~targets.filled).astype(np.float32)
    own = replace(targets, values=values, filled=None)
    if part.sample_weight is not None:
        given = part.sample_weight.between(targets.start, targets.stop)
        same_steps = own.between(given.start, given.stop)
        for numbers, weights in given.batches():
            values[same_steps.rows(numbers)] *= weights.reshape(-1, 1)
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
        Terminated: on SIGTERM.
        KeyboardInterrupt: on Ctrl-C.
        UserError: when the config does not fit the hardware, a worker hangs or was killed, or the
            loss or the weights become NaN or infinite.
    """
    in_process = validation is None or isinstance(validation, WindowDataset)
    batches = _planned_batches(config.trainer, -(-len(train) // model.batch_size))
    cost = measure_batch_cost(train, model.batch_size, batches, 1 if in_process else 2)
    plan = plan_loader(config.dataloader, hardware, cost)
    for name, choice in plan.items():
        if choice.value is not None:
            log.info("dataloader.%s = %s: %s", name, choice.value, choice.reason)
    if plan["num_workers"].value == 0:
        silence_few_workers_warning()
    preload(plan)
    with attend_workers(plan["multiprocessing_context"].value) as worker_init_fn:
        arguments = {**dataloader_kwargs(plan, config.seed), "worker_init_fn": worker_init_fn}
        try:
            with stopped_by_signals():
                model.fit_from_dataset(train, validation, dataloader_kwargs=arguments)
        except RuntimeError as error:
            message = str(error).strip(". ")
            # after a worker was killed, Lightning's teardown may fail as well
            for text in (message, str(error.__context__).strip(". ")):
                if text.startswith("DataLoader worker (pid"):
                    raise UserError(
                        f"dataloader.num_workers: {text}. If memory ran out, decrease "
                        "dataloader.num_workers or model.batch_size."
                    ) from error
            if message.startswith(TIMED_OUT):
                raise UserError(
                    f"dataloader.timeout: {message}. A worker hangs, or needs longer: set "
                    "dataloader.num_workers=0 to find out where, or increase dataloader.timeout."
                ) from error
            raise
        except ValueError as error:
            if "dimensionality of the series" in str(error):
                known = model.train_sample.component_dims().items()
                columns = ", ".join(f"{name}: {count}" for name, count in known if count)
                raise UserError(
                    "finetune: the weights do not fit the columns of the data. The run was trained "
                    f"with {columns.replace('_', ' ')}."
                ) from error
            # from the distribution of a likelihood, before there is a loss
            if "Expected parameter" not in str(error):
                raise
            for callback in model.trainer_params["callbacks"]:
                if isinstance(callback, FiniteLoss):
                    callback.refuse_output()
            raise
    _take_best_weights(model)
    return plan


def silence_few_workers_warning() -> None:
    """Turn off Lightning's advice to add workers, where none are used on purpose."""
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")


def steps_ahead(model: TorchForecastingModel, horizon: int) -> int:
    """Return how many steps after the end of a series a forecast reads future covariates."""
    return int(max(horizon, model.output_chunk_length) + model.output_chunk_shift)


def _planned_batches(trainer: dict[str, Any], of_an_epoch: int) -> int:
    """Return how many batches a training loads at most: Lightning stops after 1000 epochs."""
    batches = of_an_epoch * (trainer.get("max_epochs") or 1000)
    steps = trainer.get("max_steps", -1)
    return batches if steps < 0 else min(batches, steps * trainer.get("accumulate_grad_batches", 1))


def _take_best_weights(model: TorchForecastingModel) -> None:
    """Give a fitted model the weights of its best epoch, if a callback keeps them.

    The weights that ``StochasticWeightAveraging`` sets at the end of a training stay. ``load_best``
    of Darts would run code that the file names, and a resumed run may be anyone's.
    """
    if any(isinstance(item, StochasticWeightAveraging) for item in model.trainer.callbacks):
        log.info("Kept the weights that StochasticWeightAveraging has averaged.")
        return
    for callback in model.trainer.checkpoint_callbacks:
        if isinstance(callback, ModelCheckpoint) and callback.monitor and callback.best_model_path:
            best = load_checkpoint(callback.best_model_path, "Start a new run.")
            model.model.load_state_dict(best["state_dict"])
            message = "Kept the weights of epoch %d, whose %s of %.4g is the best."
            log.info(message, best["epoch"], callback.monitor, callback.best_model_score)
            return
