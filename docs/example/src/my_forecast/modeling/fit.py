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
    Scalers,
    SeriesSet,
    Split,
    Storage,
    fit_scalers,
    load_data,
    split_data,
    with_static,
)
from ..loading.batch_cost import measure_batch_cost
from ..loading.hardware import Hardware
from ..loading.plan import LoaderPlan, plan_loader, preload
from ..loading.windows import WindowDataset
from ..loading.worker_logging import collect_logs

# epochs that Darts trains without trainer.max_epochs
DARTS_EPOCHS = 100

log = logging.getLogger(__name__)

# Lightning 2.6 provokes this in torch on every start, and users cannot do anything about it
warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated.*")


@dataclass(frozen=True)
class Prepared:
    """The data of a run: in its original unit, its division, and scaled to float32."""

    data: SeriesSet
    split: Split
    scalers: Scalers
    scaled: SeriesSet


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
    data: SeriesSet, split: Split, config: DataConfig, storage: Storage = IN_MEMORY
) -> Prepared:
    """Scale data with scalers fitted on its training part; raises as ``fit_scalers`` does."""
    scalers = fit_scalers(data, split, config.scaler, config.scaler_fit, config.static_encoding)
    return Prepared(data, split, scalers, scalers.transform(data, storage))


def supported_covariates(model: TorchForecastingModel, data: SeriesSet) -> SeriesSet:
    """Return the data without covariates that the model cannot use, and log what is left out."""
    unused = "%s does not use %s covariates; they are left out."
    name = type(model).__name__
    changes: dict[str, Any] = {}
    for kind in ("past", "future"):
        role = f"{kind}_covariates"
        if getattr(data, role) is not None and not getattr(model, f"supports_{role}"):
            log.info(unused, name, kind)
            changes[role] = None
    static = model.supports_static_covariates and model.considers_static_covariates
    if data.targets[0].has_static_covariates and not static:
        log.info(unused, name, "static")
        changes["targets"] = with_static(data.targets, [None] * len(data.targets))
    return replace(data, **changes)


def make_windows(
    model: TorchForecastingModel, config: TrainConfig, prepared: Prepared, hardware: Hardware
) -> tuple[TorchTrainingDataset, TorchTrainingDataset | None]:
    """Return training and validation windows, as ``WindowDataset`` where that covers them."""
    train, validation = darts_datasets(model, config.data, prepared.scaled, prepared.split)
    if not WindowDataset.supports(train):
        log.info("%s: not covered by WindowDataset; Darts' dataset is used.", type(train).__name__)
        return train, validation
    device = hardware.accelerator if config.data.device == "accelerator" else "cpu"
    how = config.data.sampling, device
    return WindowDataset(train, *how), validation and WindowDataset(validation, *how)


def darts_datasets(
    model: TorchForecastingModel, config: DataConfig, scaled: SeriesSet, split: Split
) -> tuple[TorchTrainingDataset, TorchTrainingDataset | None]:
    """Let the model build Darts' own datasets, with all the checks and encoders of its ``fit``.

    The only use of a private name of Darts. ``tests/test_windows.py`` fails if it changes.
    """
    look_back = model.min_train_series_length - model.output_chunk_length
    _, arguments = model._setup_for_fit_from_dataset(
        series=split.train(scaled.targets),
        past_covariates=scaled.past_covariates,
        future_covariates=scaled.future_covariates,
        val_series=split.validation(scaled.targets, look_back),
        val_past_covariates=scaled.past_covariates,
        val_future_covariates=scaled.future_covariates,
        sample_weight=scaled.sample_weight or config.sample_weight,
        val_sample_weight=config.sample_weight,
        stride=config.window_stride,
        max_samples_per_ts=config.max_samples_per_ts,
    )
    return arguments["train_dataset"], arguments["val_dataset"]


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
    """
    cost = measure_batch_cost(
        train,
        model.batch_size,
        epochs=config.trainer.get("max_epochs", DARTS_EPOCHS),
        loaders=1 if validation is None or isinstance(validation, WindowDataset) else 2,
    )
    plan = plan_loader(config.dataloader, hardware, cost)
    for name, choice in plan.choices().items():
        if choice.value is not None:
            log.info("dataloader.%s = %s: %s", name, choice.value, choice.reason)
    if plan.num_workers.value == 0:
        silence_few_workers_warning()
    preload(plan)
    arguments = plan.dataloader_kwargs(config.seed)
    with collect_logs(plan.multiprocessing_context.value) as worker_init_fn:
        try:
            model.fit_from_dataset(
                train,
                validation,
                dataloader_kwargs={**arguments, "worker_init_fn": worker_init_fn},
                load_best=_keeps_best(model, config),
            )
        except SIGTERMException as stop:
            # Lightning would exit with 0, as if the training had finished
            raise SystemExit(128 + signal.SIGTERM) from stop
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
