"""Typed settings: the composed Hydra config becomes plain Python here, once, and is checked.

No OmegaConf object leaves this module: they are slow to read, drag their whole tree along when
pickled, and make a saved Darts model unloadable.
"""

from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from itertools import pairwise
from math import isclose
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from .errors import UserError

AUTO = "auto"
ENCODINGS = ("onehot", "ordinal")
DUPLICATES = ("refuse", "first", "last", "mean")
FILLS = ("forbid", "linear", "seasonal", "zero")
DEVICES = ("host", "accelerator")
SAMPLINGS = ("darts", "uniform")
SHORT_SERIES = ("refuse", "drop")
STORAGES = ("memory", "mmap")
WEIGHTS = (None, "linear", "exponential")
SCALERS = ("standard", "minmax", "robust", "log", "box_cox", "yeo_johnson", "none")
SCALER_FITS = ("series", "global")
# those of darts.metrics that measure point forecasts, whatever the number of steps
METRICS = (
    "mae",
    "mse",
    "rmse",
    "mase",
    "msse",
    "rmsse",
    "merr",
    "rmsle",
    "mape",
    "wmape",
    "smape",
    "ope",
    "marre",
    "r2_score",
    "coefficient_of_variation",
)
ENSEMBLES = ("mean", "median")
# data is float32 everywhere, and Darts cannot load weights of 16 bits
PRECISIONS = (None, "32-true", "bf16-mixed", "16-mixed")


@dataclass(kw_only=True)
class DataSettings:
    """What every data source has in common."""

    source: str
    # steps in one season; the baseline repeats the last season
    season_length: int
    # parts of every series, from its end: a fraction (0.1) or a number of steps (52)
    validation_size: float
    test_size: float
    fill: str
    scaler: str
    # the last time that is read; None: all
    end: str | None = None
    # a series for each target column, so that one model learns from all of them
    component_series: bool = False
    # times at which these parts begin, in place of their sizes
    validation_start: str | None = None
    test_start: str | None = None
    # one scaler for each series, or one for all: series or global
    scaler_fit: str = "series"
    # attributes of the date that become future covariates, such as hour
    calendar: list[str] = field(default_factory=list)
    # country whose holidays become a future covariate, such as DE
    holidays: str | None = None
    # too short for one window and one test forecast: refuse or drop
    short_series: str = "refuse"
    # how often windows of short series are drawn: darts or uniform
    sampling: str = "darts"
    # steps between two training windows of a series
    window_stride: int = 1
    # at most so many windows of each series, the newest
    max_samples_per_ts: int | None = None
    # static covariates that are text: onehot or ordinal
    static_encoding: str = "onehot"
    # decay of the loss into the past: None, linear or exponential
    sample_weight: str | None = None
    # where scaled values are kept: memory or mmap
    storage: str = "memory"
    # where windows are gathered: host or accelerator
    device: str = "host"


@dataclass(kw_only=True)
class Co2Settings(DataSettings):
    """Weekly CO2 at Mauna Loa, 1958-2001, embedded in statsmodels."""


@dataclass(kw_only=True)
class FileSettings(DataSettings):
    """Files: wide (a column a component) or long (``series_column`` names the series)."""

    # a file, a folder, a pattern with *, or a list of these
    path: Any
    time_column: str
    target_columns: list[str]
    past_covariates_columns: list[str]
    future_covariates_columns: list[str]
    # a column, or a list of columns; auto: unique_id, if there is such a column; None: none
    series_column: Any
    frequency: str | None
    # one value for each series, a number or a text
    static_covariates_columns: list[str] = field(default_factory=list)
    # weight of each time step in the loss of the training
    sample_weight_column: str | None = None
    # rows of one series and time: refuse, or keep the first, the last or their mean
    duplicates: str = "refuse"


@dataclass(kw_only=True)
class CsvSettings(FileSettings):
    """A CSV file."""

    time_format: str | None
    separator: str
    # sign in front of the decimals of a number
    decimal: str = "."


@dataclass(kw_only=True)
class ParquetSettings(FileSettings):
    """A Parquet file, sorted by series and time."""


@dataclass(kw_only=True)
class SyntheticSettings(DataSettings):
    """Many daily series made of trend, weekly season, a known future covariate, and noise."""

    n_series: int
    length: int
    noise: float
    seed: int


@dataclass(kw_only=True)
class DartsDatasetSettings(DataSettings):
    """A data set of ``darts.datasets``, downloaded where it is not in the cache of Darts."""

    name: str


@dataclass(kw_only=True)
class StatsmodelsSettings(DataSettings):
    """A data set that is embedded in statsmodels."""

    name: str


@dataclass(kw_only=True)
class FunctionSettings(DataSettings):
    """A function that returns a ``SeriesSet``, a ``TimeSeries`` or a list of those."""

    function: str


SOURCES: dict[str, type[DataSettings]] = {
    "co2": Co2Settings,
    "csv": CsvSettings,
    "darts_dataset": DartsDatasetSettings,
    "function": FunctionSettings,
    "parquet": ParquetSettings,
    "statsmodels": StatsmodelsSettings,
    "synthetic": SyntheticSettings,
}


@dataclass
class LoaderSettings:
    """DataLoader settings; ``auto`` leaves the choice to the plan in ``dataloader.py``."""

    num_workers: int | str = AUTO
    multiprocessing_context: str = AUTO
    persistent_workers: bool | str = AUTO
    prefetch_factor: int | str = AUTO
    pin_memory: bool | str = AUTO


@dataclass
class QuantileSettings:
    """How forecasts of a model with a likelihood are described: by quantiles."""

    # increasing, in pairs around 0.5, which is the point forecast
    levels: list[float] = field(default_factory=lambda: [0.1, 0.5, 0.9])
    # forecasts that are drawn where quantiles are estimated from samples
    num_samples: int = 200
    # of the samples
    seed: int = 0


@dataclass
class TrainSettings:
    """Everything ``train.py`` needs. The dict fields go to Darts and Lightning as they are."""

    data: DataSettings
    dataloader: LoaderSettings
    model: dict[str, Any]
    trainer: dict[str, Any]
    # forecast steps of the test, the plot and the default prediction
    horizon: int
    # steps between two forecasts of the test
    stride: int
    seed: int
    callbacks: dict[str, Any]
    logger: dict[str, Any]
    quantiles: QuantileSettings
    # of the test, by their names in darts.metrics
    metrics: list[str] = field(default_factory=lambda: ["mae", "mse"])
    # epochs between two points to resume from; 0: none
    save_every_n_epochs: int = 1
    # a finished run whose weights are the first ones
    finetune: str | None = None


@dataclass
class EvaluateSettings:
    """A rolling-origin backtest of a finished run; ``None`` keeps the value of that run."""

    run: str
    accelerator: str
    horizon: int | None
    stride: int | None
    retrain: int | bool
    metrics: list[str] | None
    data_path: str | None
    quantiles: list[float] | None
    num_samples: int | None
    conformal: bool


@dataclass
class PredictSettings:
    """A forecast beyond the data of finished runs; ``None`` keeps the value of the first one."""

    run: list[str]
    accelerator: str
    horizon: int | None
    output: str
    data_path: str | None
    future_path: str | None
    quantiles: list[float] | None
    num_samples: int | None
    conformal: bool
    ensemble: str


@dataclass
class DoctorSettings:
    """What ``doctor.py`` does beside printing."""

    measure: bool
    write: bool
    batches: int


Settings = TypeVar("Settings")


def train_settings(config: DictConfig) -> TrainSettings:
    """Check a training config and return it as dataclasses.

    Args:
        config: the composed config, or the loaded ``config.yaml`` of a run.

    Raises:
        UserError: naming the key, its value, and what is allowed.
    """
    values = plain(config)
    settings = TrainSettings(
        data=_data_settings(values["data"]),
        dataloader=_typed(LoaderSettings, values["dataloader"], "dataloader."),
        model=values["model"],
        trainer=values["trainer"],
        horizon=values["horizon"],
        stride=values["stride"],
        seed=values["seed"],
        callbacks=values["callbacks"] or {},
        logger=values["logger"] or {},
        quantiles=_quantiles(values),
        # runs of version 0.1 do not have these
        metrics=values.get("metrics", ["mae", "mse"]),
        save_every_n_epochs=values.get("save_every_n_epochs", 1),
        finetune=values.get("finetune"),
    )
    _check_metrics(settings.metrics)
    _check_integer("horizon", settings.horizon, minimum=1)
    _check_integer("stride", settings.stride, minimum=1)
    _check_integer("seed", settings.seed, minimum=0)
    _check_integer("save_every_n_epochs", settings.save_every_n_epochs, minimum=0)
    _check_choice("trainer.precision", settings.trainer.get("precision"), PRECISIONS)
    _check_integer("trainer.max_epochs", settings.trainer.get("max_epochs", 1), minimum=1)
    for key in ("input_chunk_length", "output_chunk_length", "training_length", "batch_size"):
        if key in settings.model:
            _check_integer(f"model.{key}", settings.model[key], minimum=1)
    return settings


def evaluate_settings(config: DictConfig) -> EvaluateSettings:
    """Check the config of ``evaluate.py``; raises UserError as ``train_settings`` does."""
    settings = _typed(EvaluateSettings, _fields(EvaluateSettings, plain(config)), "")
    if settings.metrics is not None:
        _check_metrics(settings.metrics)
    _check_integer("horizon", settings.horizon, minimum=1)
    _check_integer("stride", settings.stride, minimum=1)
    if settings.retrain is not False:
        _check_integer("retrain", settings.retrain, minimum=1)
        if settings.conformal:
            raise UserError("conformal: it calibrates the model of the run, so set retrain=false.")
    _check_quantiles(settings.quantiles, settings.num_samples)
    return settings


def predict_settings(config: DictConfig) -> PredictSettings:
    """Check the config of ``predict.py``; raises UserError as ``train_settings`` does."""
    values = _fields(PredictSettings, plain(config))
    if isinstance(values["run"], str):
        values["run"] = [values["run"]]
    settings = _typed(PredictSettings, values, "")
    _check_integer("horizon", settings.horizon, minimum=1)
    _check_quantiles(settings.quantiles, settings.num_samples)
    _check_choice("ensemble", settings.ensemble, ENSEMBLES)
    if not settings.run:
        raise UserError("run: name at least one.")
    return settings


def doctor_settings(config: DictConfig) -> DoctorSettings:
    """Check what ``doctor.py`` adds to the training config; raises UserError alike."""
    settings = _typed(DoctorSettings, _fields(DoctorSettings, plain(config)), "")
    _check_integer("batches", settings.batches, minimum=2)
    if settings.write and not settings.measure:
        raise UserError("write: there is nothing to write without measure=true.")
    return settings


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a config as nested dicts and lists, every interpolation resolved.

    Raises:
        UserError: when a mandatory value (``???``) is missing or an interpolation fails.
    """
    try:
        content = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except MissingMandatoryValue as error:
        raise UserError(
            f"{error.full_key}: a value is missing. Set {error.full_key}=..."
        ) from error
    except OmegaConfBaseException as error:
        raise UserError(_first_line(error)) from error
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _data_settings(values: dict[str, Any]) -> DataSettings:
    source = values.get("source")
    if source not in SOURCES:
        raise UserError(f"data.source: {source!r} is none of {', '.join(SOURCES)}.")
    data = _typed(SOURCES[source], values, "data.")
    _check_choice("data.fill", data.fill, FILLS)
    _check_choice("data.scaler", data.scaler, SCALERS)
    _check_choice("data.scaler_fit", data.scaler_fit, SCALER_FITS)
    _check_choice("data.short_series", data.short_series, SHORT_SERIES)
    _check_choice("data.sampling", data.sampling, SAMPLINGS)
    _check_choice("data.static_encoding", data.static_encoding, ENCODINGS)
    _check_choice("data.sample_weight", data.sample_weight, WEIGHTS)
    _check_choice("data.storage", data.storage, STORAGES)
    _check_choice("data.device", data.device, DEVICES)
    _check_integer("data.window_stride", data.window_stride, minimum=1)
    _check_integer("data.max_samples_per_ts", data.max_samples_per_ts, minimum=1)
    _check_integer("data.season_length", data.season_length, minimum=1)
    for key in ("validation_size", "test_size"):
        _check_size(f"data.{key}", getattr(data, key))
    if isinstance(data, FileSettings):
        _check_texts("data.path", data.path)
        _check_texts("data.series_column", data.series_column, optional=True)
        _check_choice("data.duplicates", data.duplicates, DUPLICATES)
        _check_columns(data)
    if isinstance(data, CsvSettings):
        for key in ("separator", "decimal"):
            if len(getattr(data, key)) != 1:
                raise UserError(f"data.{key}: {getattr(data, key)!r} must be one character.")
    if isinstance(data, SyntheticSettings):
        _check_integer("data.n_series", data.n_series, minimum=1)
        _check_integer("data.length", data.length, minimum=1)
    return data


def _quantiles(values: dict[str, Any]) -> QuantileSettings:
    """Return the quantiles of a run; one of an older release has the default ones."""
    names = {"quantiles": "levels", "num_samples": "num_samples", "seed": "seed"}
    given = {name: values[key] for key, name in names.items() if key in values}
    quantiles = _typed(QuantileSettings, given, "quantiles, ")
    _check_quantiles(quantiles.levels, quantiles.num_samples)
    return quantiles


def _check_quantiles(levels: list[float] | None, num_samples: int | None) -> None:
    _check_integer("num_samples", num_samples, minimum=1)
    if levels is None:
        return
    inside = all(0 < level < 1 for level in levels)
    increasing = all(low < high for low, high in pairwise(levels))
    paired = all(isclose(a + b, 1) for a, b in zip(levels, reversed(levels), strict=True))
    if not (inside and increasing and paired and 0.5 in levels):
        raise UserError(
            f"quantiles: {levels} must increase from above 0 to below 1, in pairs around 0.5, as "
            "[0.1, 0.5, 0.9] does."
        )


def _check_columns(data: FileSettings) -> None:
    if not data.target_columns:
        raise UserError("data.target_columns: name at least one column to forecast.")
    if data.sample_weight is not None and data.sample_weight_column is not None:
        raise UserError(
            "data.sample_weight: weights are in data.sample_weight_column already; set one of them."
        )
    for key in (
        "target_columns",
        "past_covariates_columns",
        "future_covariates_columns",
        "static_covariates_columns",
    ):
        columns = getattr(data, key)
        if len(set(columns)) < len(columns):
            raise UserError(f"data.{key}: {columns} names a column twice.")


def _typed(schema: type[Settings], values: dict[str, Any], prefix: str) -> Settings:
    """Convert ``values`` to the dataclass ``schema``; OmegaConf checks keys and types."""
    try:
        typed = OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(schema), values))
    except MissingMandatoryValue as error:
        raise UserError(f"{prefix}{error.full_key}: a value is missing.") from error
    except OmegaConfBaseException as error:
        raise UserError(f"{prefix}{error.full_key}: {_first_line(error)}") from error
    assert isinstance(typed, schema)
    return typed


def _fields(schema: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Keep what the schema knows: the config also holds groups meant for Hydra alone."""
    return {item.name: values[item.name] for item in fields(schema) if item.name in values}


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def listed(value: str | list[str] | None) -> list[str]:
    """Return a setting that may be one text, several or none as a list."""
    return [value] if isinstance(value, str) else list(value or [])


def _check_texts(key: str, value: object, optional: bool = False) -> None:
    """Accept a text or a list of texts."""
    if value is None and optional:
        return
    texts = value if isinstance(value, list) else [value]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{key}: {value!r} must be a text, or a list of texts.")


def _check_choice(key: str, value: str | None, allowed: tuple[str | None, ...]) -> None:
    if value not in allowed:
        names = ", ".join(name or "null" for name in allowed)
        raise UserError(f"{key}: {value!r} is none of {names}.")


def _check_metrics(names: object) -> None:
    if not isinstance(names, list) or not names:
        raise UserError(f"metrics: {names!r} must be a list with at least one name of a metric.")
    for name in names:
        if name not in METRICS:
            near = get_close_matches(str(name), METRICS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(METRICS)}."
            raise UserError(f"metrics: there is no metric {name!r}. {hint}")


def _check_integer(key: str, value: object, minimum: int) -> None:
    """Accept ``None`` too: it stands for "as in the run"."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
        raise UserError(f"{key}: {value!r} must be a whole number of at least {minimum}.")


def _check_size(key: str, value: float) -> None:
    if value < 0 or (value >= 1 and value != int(value)):
        raise UserError(
            f"{key}: {value!r} must be a fraction from 0 to below 1, or a whole number of steps."
        )
