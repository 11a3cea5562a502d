"""Build a Darts model from settings and fit it through the fast data path."""

import copyreg
import inspect
import logging
import signal
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from darts.models.forecasting.foundation_model import FoundationModel
from darts.models.forecasting.global_baseline_models import (
    GlobalNaiveAggregate,
    GlobalNaiveDrift,
    GlobalNaiveSeasonal,
)
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.data import TorchTrainingDataset
from darts.utils.likelihood_models.base import LikelihoodType
from hydra.utils import get_class, instantiate
from pytorch_lightning import Callback, LightningModule
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.utilities.exceptions import SIGTERMException

from .data import (
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
from .dataloader import LoaderPlan, plan_loader, preload
from .errors import UserError
from .machine import Machine
from .resuming import RESUME_POINT, ResumePoint, continue_csv, with_run_ids
from .sampling import EpochShuffle, GatheredBatches, ResumableLoader, ShuffledBatches
from .settings import DataSettings, TrainSettings
from .windows import WindowDataset
from .worker_logs import collect_logs
from .workload import measure

# epochs that Darts trains without trainer.max_epochs
DARTS_EPOCHS = 100
# models that Darts does not train
NAIVE = (GlobalNaiveAggregate, GlobalNaiveDrift, GlobalNaiveSeasonal)
# the loss that Darts would take, too
MSE = "torch.nn.MSELoss"

log = logging.getLogger(__name__)


def _by_value(member: LikelihoodType) -> tuple[type[LikelihoodType], tuple[str]]:
    return LikelihoodType, (member.value,)


# Python before 3.11.4 pickles it by ``getattr``, which Darts' safe loading refuses
copyreg.pickle(LikelihoodType, _by_value)


class OwnLoaders(Callback):
    """Give Lightning loaders that differ between training and validation.

    Darts passes the same arguments to both. Here the order of the training windows depends on the
    seed and the epoch only; validation windows, and training windows where the plan has no workers,
    are gathered in this process.
    """

    def __init__(self, seed: int) -> None:
        """Remember the seed of the run."""
        self.seed = seed

    def setup(self, trainer: Any, pl_module: LightningModule, stage: str) -> None:
        """Replace the DataLoaders, unless the same batches are wanted every epoch."""
        if stage != "fit" or trainer.overfit_batches:
            return
        data = trainer.datamodule
        train, validation, size = data.train_dataset, data.val_dataset, data.batch_size
        order = EpochShuffle(len(train), self.seed)
        arguments = data.dataloader_kwargs
        in_process = arguments.get("num_workers", 0) == 0 and not arguments["pin_memory"]
        if isinstance(train, WindowDataset) and in_process:
            data.train_dataloader = lambda: GatheredBatches(train, size, order)
        else:
            batches = ShuffledBatches(order, size, drop_last=False)
            others = {key: arguments[key] for key in arguments if key != "drop_last"}
            data.train_dataloader = lambda: ResumableLoader(train, batch_sampler=batches, **others)
        if isinstance(validation, WindowDataset):
            data.val_dataloader = lambda: GatheredBatches(validation, size)


def build_model(
    settings: TrainSettings, run_dir: Path, point: dict[str, Any] | None = None
) -> TorchForecastingModel:
    """Build the untrained model.

    Args:
        settings: ``model`` holds the class as ``_target_`` and its arguments, ``trainer``,
            ``callbacks`` and ``logger`` make up Lightning's Trainer.
        run_dir: folder of the run; Lightning's for whatever has no path of its own.
        point: what a killed run goes on from, of ``load_point``.

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
    _check_likelihood(arguments)
    if issubclass(model_class, FoundationModel):
        _check_files(arguments.get("local_dir"))
    callbacks = list(_build(settings.callbacks).values())
    _check_monitors(callbacks, settings)
    callbacks += [OwnLoaders(settings.seed), LogWhenWritten()]
    if settings.save_every_n_epochs > 0:
        callbacks.append(ResumePoint(run_dir / RESUME_POINT, settings.save_every_n_epochs))
    nodes = settings.logger if point is None else with_run_ids(settings.logger, point)
    loggers = list(_build(nodes).values())
    try:
        model: TorchForecastingModel = model_class(
            **_build_classes(_build(arguments)),
            random_state=settings.seed,
            show_warnings=True,  # the loader plan decides which one is silenced
            pl_trainer_kwargs={
                "profiler": NoProfiler(),
                **_build(settings.trainer),
                "callbacks": callbacks,
                "logger": loggers,
                "enable_checkpointing": any(isinstance(c, ModelCheckpoint) for c in callbacks),
                "default_root_dir": str(run_dir),
            },
        )
    except (TypeError, ValueError) as error:
        raise UserError(f"model: {name} does not accept these settings: {error}") from error
    if isinstance(model, NAIVE) and model.likelihood is not None:
        raise UserError(
            f"model.likelihood: {type(model).__name__} learns none. Set likelihood=none; "
            "conformal=true of evaluate.py and predict.py gives it intervals."
        )
    if point is not None:
        for logger in loggers:
            if isinstance(logger, CSVLogger):
                continue_csv(logger, point)
        model.load_ckpt_path = str(run_dir / RESUME_POINT)
    return model


def supported_covariates(model: TorchForecastingModel, data: SeriesSet) -> SeriesSet:
    """Leave out the covariates that the model cannot use, and say so."""
    name = type(model).__name__
    if data.past_covariates is not None and not model.supports_past_covariates:
        log.info("%s does not use past covariates; they are left out.", name)
        data = replace(data, past_covariates=None)
    if data.future_covariates is not None and not model.supports_future_covariates:
        log.info("%s does not use future covariates; they are left out.", name)
        data = replace(data, future_covariates=None)
    static = data.targets[0].has_static_covariates
    if static and not (model.supports_static_covariates and model.considers_static_covariates):
        log.info("%s does not use static covariates; they are left out.", name)
        data = replace(data, targets=with_static(data.targets, [None] * len(data.targets)))
    return data


class LogWhenWritten(Callback):
    """Skip the logging of the training loss at steps whose value is never written.

    Darts logs it at every step, which for a small model takes as long as the step itself. Loggers
    get it every ``trainer.log_every_n_steps``, and callbacks after an epoch, as they always do.
    """

    def setup(self, trainer: Any, pl_module: LightningModule, stage: str) -> None:
        """Wrap the module's ``log``."""
        if stage != "fit":
            return
        log_always = pl_module.log

        def log_when_written(name: str, *args: Any, **kwargs: Any) -> None:
            every = trainer.log_every_n_steps
            written = every and (trainer.global_step + 1) % every == 0
            if name != "train_loss" or written or trainer.is_last_batch:
                log_always(name, *args, **kwargs)

        pl_module.__dict__["log"] = log_when_written

    def teardown(self, trainer: Any, pl_module: LightningModule, stage: str) -> None:
        """Give the module its own ``log`` back."""
        pl_module.__dict__.pop("log", None)


class NoProfiler(PassThroughProfiler):
    """Lightning's default without the context manager that it makes around every hook."""

    def profile(  # type: ignore[override]
        self, action_name: str
    ) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()


@dataclass(frozen=True)
class Prepared:
    """Data that is ready for a model: as it was, how it is divided, and scaled to float32."""

    data: SeriesSet
    split: Split
    scalers: Scalers
    scaled: SeriesSet


def prepare_data(
    model: TorchForecastingModel, settings: TrainSettings, storage: Storage
) -> Prepared:
    """Load the data of a run, divide it, and scale it by what the training part shows.

    Raises:
        UserError: when the data cannot be read or is too short for the model.
    """
    ahead = steps_ahead(model, settings.horizon)
    data = supported_covariates(model, load_data(settings.data, storage, ahead))
    data, split = split_data(
        data,
        settings.data,
        settings.horizon + model.output_chunk_shift,
        train_length=model.min_train_series_length,
        output_length=model.output_chunk_length,
    )
    return scale_data(data, split, settings.data, storage)


def scale_data(
    data: SeriesSet, split: Split, settings: DataSettings, storage: Storage = IN_MEMORY
) -> Prepared:
    """Scale data by what the training part shows; raises UserError as ``fit_scalers`` does."""
    scalers = fit_scalers(
        data, split, settings.scaler, settings.scaler_fit, settings.static_encoding
    )
    return Prepared(data, split, scalers, scalers.transform(data, storage))


def make_windows(
    model: TorchForecastingModel, settings: TrainSettings, prepared: Prepared, machine: Machine
) -> tuple[TorchTrainingDataset, TorchTrainingDataset | None]:
    """Return the training and the validation windows, gathered ones wherever that is possible."""
    train, validation = _datasets(model, settings.data, prepared.scaled, prepared.split)
    if not WindowDataset.supports(train):
        log.info("%s: not covered by WindowDataset; Darts' dataset is used.", type(train).__name__)
        return train, validation
    device = machine.accelerator if settings.data.device == "accelerator" else "cpu"
    sampling = settings.data.sampling
    return (
        WindowDataset(train, sampling, device),
        validation and WindowDataset(validation, sampling, device),
    )


def fit_model(
    model: TorchForecastingModel,
    settings: TrainSettings,
    train: TorchTrainingDataset,
    validation: TorchTrainingDataset | None,
    machine: Machine,
) -> LoaderPlan:
    """Fit ``model`` and leave the weights of the best epoch in it.

    Args:
        model: from ``build_model``.
        settings: of the run.
        train: windows, from ``make_windows``.
        validation: windows, None for none.
        machine: what the loader plan is made for.

    Returns:
        The loader plan that was used.
    """
    workload = measure(
        train,
        model.batch_size,
        epochs=settings.trainer.get("max_epochs", DARTS_EPOCHS),
        loaders=1 if validation is None or isinstance(validation, WindowDataset) else 2,
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
        try:
            model.fit_from_dataset(
                train,
                validation,
                dataloader_kwargs={**arguments, "worker_init_fn": worker_init_fn},
                load_best=_keeps_best(model, settings),
            )
        except SIGTERMException as stop:
            # the exit code of a process that a signal ended, for Lightning's is that of success
            raise SystemExit(128 + signal.SIGTERM) from stop
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
        sample_weight=data.sample_weight or settings.sample_weight,
        val_sample_weight=settings.sample_weight,
        stride=settings.window_stride,
        max_samples_per_ts=settings.max_samples_per_ts,
    )
    return arguments["train_dataset"], arguments["val_dataset"]


def steps_ahead(model: TorchForecastingModel, horizon: int) -> int:
    """Return how many steps after a series a forecast reads future covariates."""
    return int(max(horizon, model.output_chunk_length) + model.output_chunk_shift)


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


def _check_files(folder: str | None) -> None:
    """Refuse a pretrained model without its files, which Darts would download."""
    for name in ("config.json", "model.safetensors"):
        if folder is None or not Path(folder, name).is_file():
            raise UserError(
                f"model.local_dir: {folder!r} holds no {name}. Download config.json and "
                "model.safetensors of the model, from the Hugging Face Hub say, into a folder."
            )


def _check_likelihood(arguments: dict[str, Any]) -> None:
    """Refuse what a likelihood would leave without effect, or would be spoilt by."""
    likelihood = arguments.get("likelihood")
    if likelihood is None:
        return
    if not isinstance(likelihood, dict):
        raise UserError(f"model.likelihood: {likelihood!r} is none. Set likelihood=quantile.")
    name = str(likelihood.get("_target_")).rsplit(".")[-1]
    loss = (arguments.get("loss_fn") or {}).get("_target_", MSE)
    if loss != MSE:
        raise UserError(
            f"model.loss_fn: a {name} is learned by its own loss, so {loss} has no effect. Leave "
            "the loss out, or set likelihood=none."
        )
    if name != "QuantileRegression" and arguments.get("use_reversible_instance_norm"):
        raise UserError(
            f"model.use_reversible_instance_norm: it treats the parameters of a {name} as if they "
            "were values. Set it to false, or set likelihood=quantile."
        )


def _build_classes(arguments: dict[str, Any]) -> dict[str, Any]:
    """Replace dotted paths by the classes, where Darts expects a class.

    Raises:
        UserError: when a class does not exist.
    """
    classes = {}
    for key in ("optimizer_cls", "lr_scheduler_cls"):
        path = arguments.get(key)
        if isinstance(path, str):
            try:
                classes[key] = get_class(path)
            except Exception as error:
                raise UserError(f"model.{key}: there is no class {path!r}.") from error
    return {**arguments, **classes}


def _build(node: dict[str, Any]) -> dict[str, Any]:
    """Build every object that ``node`` describes with ``_target_``; plain values stay."""
    built = instantiate(node, _convert_="all")
    return dict(built)
