"""The typed config: choices, bounds and defaults are checked here, once, before anything runs.

No OmegaConf object leaves this module. They are slow to read, drag their whole tree along when
pickled, and make a saved Darts model unloadable.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import pairwise
from math import isclose
from pathlib import Path
from re import findall
from typing import Annotated, Any, Final, Literal, TypeVar, get_args

from hydra.errors import InstantiationException
from hydra.utils import get_class, instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from .errors import UserError, replacement
from .run_config import check_code, read_yaml

AUTO: Final = "auto"
Accelerator = Literal["auto", "cpu", "cuda", "mps", "gpu"]
# metrics of point forecasts in darts.metrics, for any number of steps: in the unit of the data, or
# its square; scaled by the errors of the seasonal naive forecast; relative to the values
AbsoluteMetric = Literal["mae", "mse", "rmse", "rmsle", "merr"]
ScaledMetric = Literal["mase", "msse", "rmsse"]
RelativeMetric = Literal[
    "mape", "wmape", "smape", "ope", "marre", "r2_score", "coefficient_of_variation"
]
DartsMetric = Literal[AbsoluteMetric, ScaledMetric, RelativeMetric]
# what tables of runs show beside metrics
OTHER_COLUMNS = ("mql", "skill", "seconds")


def _check_quantiles(levels: list[float]) -> list[float]:
    inside = all(0 < level < 1 for level in levels)
    increasing = all(low < high for low, high in pairwise(levels))
    paired = all(isclose(a + b, 1) for a, b in zip(levels, reversed(levels), strict=True))
    if not (inside and increasing and paired and 0.5 in levels):
        raise ValueError(
            "must increase, lie between 0 and 1, and pair up around 0.5, as [0.1, 0.5, 0.9] does"
        )
    return levels


def _check_size(size: float) -> float:
    if not (0 <= size < 1 or (1 <= size < 2**31 and size == int(size))):
        raise ValueError("must be a fraction from 0 to below 1, or a whole number of steps")
    return size


def metric_name(metric: str) -> str:
    """Return how tables name a metric: a function of the user's own by the end of its path."""
    return metric.rpartition(".")[2]


def _check_metrics(metrics: list[str]) -> list[str]:
    names = [metric_name(metric) for metric in metrics]
    taken = {*get_args(DartsMetric), *OTHER_COLUMNS}
    for metric, name in zip(metrics, names, strict=True):
        if metric != name and name in taken:
            raise ValueError(f"must not contain {metric}: the name {name} is taken. Rename it")
        if names.count(name) > 1:
            raise ValueError(f"must not contain two metrics with the name {name}. Rename one")
    return metrics


def _check_node(node: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(node.get("_target_"), str):
        raise ValueError("must have the dotted path of a class or function as _target_")
    return node


def listed(value: Any) -> Any:
    """Return one text as a list of one, None as an empty list, anything else as it is."""
    return [value] if isinstance(value, str) else [] if value is None else value


Positive = Annotated[int, Field(ge=1)]
Size = Annotated[float, AfterValidator(_check_size)]
Quantiles = Annotated[list[float], AfterValidator(_check_quantiles)]
# the dotted path of a function of the user's own
OwnMetric = Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]
Metrics = Annotated[
    list[DartsMetric | OwnMetric], Field(min_length=1), AfterValidator(_check_metrics)
]
# what Hydra builds: a class or function as ``_target_``, and its arguments
Node = Annotated[dict[str, Any], AfterValidator(_check_node)]
Nodes = dict[str, Node]


class Config(BaseModel):
    """Base class: types are not converted, and unknown keys are errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class DataConfig(Config):
    """What every data source has in common; ``conf/data/common/windows.yaml`` describes the keys.

    A source is a subclass, and ``data._target_`` names it.
    """

    target_: str = Field(default="", alias="_target_")
    season_length: Positive
    validation_size: Size
    test_size: Size
    fill: Literal["forbid", "linear", "seasonal", "zero"]
    scaler: str
    end: str | int | None = None
    end_together: bool = False
    component_series: bool = False
    validation_start: str | int | None = None
    test_start: str | int | None = None
    scaler_fit: Literal["series", "global"] = "series"
    covariates: Nodes = {}
    short_series: Literal["refuse", "drop"] = "refuse"
    sampling: Literal["darts", "uniform"] = "darts"
    window_stride: Positive = 1
    max_samples_per_ts: Positive | None = None
    static_encoding: Literal["onehot", "ordinal"] = "onehot"
    unknown_static: Literal["refuse", "code"] = "refuse"
    sample_weight: Literal["linear", "exponential"] | None = None
    train_on_filled: bool = True
    device: Literal["host", "accelerator"] = "host"

    @property
    def title(self) -> str:
        """Name of the data in messages and titles."""
        return type(self).__name__

    @model_validator(mode="after")
    def _weights_once(self) -> "DataConfig":
        if self.sample_weight is not None and not self.train_on_filled:
            raise ValueError(
                "has both data.sample_weight and data.train_on_filled=false. Set only one of them"
            )
        return self


def _import_source(path: Any) -> type[DataConfig]:
    try:
        source = get_class(path)
    except Exception as error:
        raise ValueError(f"cannot be imported ({' '.join(str(error).split())})") from error
    if not issubclass(source, DataConfig):
        raise ValueError("must be a subclass of data.sources.Source")
    return source


class _AnySource(BaseModel):
    target_: Annotated[type[DataConfig], BeforeValidator(_import_source)] = Field(alias="_target_")


def _source(values: Any) -> DataConfig:
    return _AnySource.model_validate(values).target_.model_validate(values)


# an instance of the class that ``_target_`` names
AnySource = Annotated[SerializeAsAny[DataConfig], BeforeValidator(_source)]


class LoaderConfig(Config):
    """DataLoader settings; ``auto`` leaves the choice to the plan in ``loading/plan.py``."""

    num_workers: Annotated[int, Field(ge=0)] | Literal["auto"] = AUTO
    multiprocessing_context: Literal["auto", "spawn", "forkserver", "fork"] = AUTO
    persistent_workers: bool | Literal["auto"] = AUTO
    prefetch_factor: Positive | Literal["auto"] = AUTO
    pin_memory: bool | Literal["auto"] = AUTO
    timeout: Annotated[int, Field(ge=0)] | Literal["auto"] = AUTO


class QuantileConfig(Config):
    """The quantiles of a probabilistic forecast.

    ``num_samples`` forecasts are drawn from ``seed`` where quantiles are estimated from samples.
    """

    levels: Quantiles = [0.1, 0.5, 0.9]
    num_samples: Positive = 200
    seed: int = 0


class ModelArguments(BaseModel):
    """The arguments of a model that the project itself reads; the others go to Darts."""

    model_config = ConfigDict(strict=True)

    target_: str = Field(alias="_target_")
    input_chunk_length: Positive | None = None
    output_chunk_length: Positive | None = None
    training_length: Positive | None = None
    batch_size: Positive | None = None


class TrainerArguments(BaseModel):
    """The arguments of Lightning's Trainer that the project itself reads."""

    model_config = ConfigDict(strict=True)

    accelerator: Accelerator = AUTO
    # a run trains in one process, on one device
    devices: Literal[1, "auto"] = AUTO
    num_nodes: Literal[1] = 1
    strategy: Literal["auto"] = AUTO
    max_epochs: Positive | None = None
    # data is float32 everywhere, and Darts cannot load weights of 16 bits
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None


def _checked_as(schema: type[BaseModel]) -> AfterValidator:
    """Check arguments that ``schema`` knows; all of them stay in their dict."""

    def check(arguments: dict[str, Any]) -> dict[str, Any]:
        schema.model_validate(arguments)
        return arguments

    return AfterValidator(check)


class Paths(Config):
    """Folders that the command writes to."""

    output_dir: str


class CommandConfig(Config):
    """What the configs of all commands have in common."""

    task: str
    paths: Paths

    def as_dict(self) -> dict[str, Any]:
        """Return the keys as they stand in YAML."""
        return self.model_dump(by_alias=True)


class TrainConfig(CommandConfig):
    """Everything ``train.py`` needs; ``model`` and ``trainer`` go to Darts and Lightning."""

    # before the groups, which repeat some of these keys: so a message names them first
    horizon: Positive
    stride: Positive
    metrics: Metrics
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    quantiles: Quantiles
    num_samples: Positive
    save_every_n_epochs: Annotated[int, Field(ge=0)]
    resume: str | None
    finetune: str | None
    data: AnySource
    storage: Node | None = None
    windows: Node | None = None
    dataloader: LoaderConfig
    model: Annotated[dict[str, Any], _checked_as(ModelArguments)]
    trainer: Annotated[dict[str, Any], _checked_as(TrainerArguments)]
    callbacks: Nodes = {}
    logger: Nodes = {}
    after_run: Nodes = {}

    @property
    def quantile_config(self) -> QuantileConfig:
        """Return the quantiles that the model forecasts."""
        return QuantileConfig(levels=self.quantiles, num_samples=self.num_samples, seed=self.seed)


class DoctorConfig(TrainConfig):
    """What ``doctor.py`` adds to the config of ``train.py``."""

    measure: Node | None = None


class EvaluateConfig(CommandConfig):
    """A rolling-origin backtest of a finished run; ``None`` keeps the value of that run."""

    run: str
    accelerator: Accelerator
    horizon: Positive | None
    stride: Positive | None
    metrics: Metrics | None
    data_path: str | None
    test_start: str | int | None
    quantiles: Quantiles | None
    num_samples: Positive | None
    intervals: Node | None = None
    backtest: Node | None = None
    after_run: Nodes = {}

    @model_validator(mode="after")
    def _check_intervals(self) -> "EvaluateConfig":
        if self.intervals is not None and self.backtest is not None:
            raise ValueError(
                "intervals calibrate the model of the run, which backtest replaces. Set only one"
            )
        return self


class PredictConfig(CommandConfig):
    """A forecast beyond the data of finished runs; ``None`` keeps the value of the first one."""

    run: Annotated[list[str], BeforeValidator(listed), Field(min_length=1)]
    ensemble: Literal["mean", "median"]
    accelerator: Accelerator
    horizon: Positive | None
    output: str
    overwrite: bool
    data_path: str | None
    future_path: str | None
    quantiles: Quantiles | None
    num_samples: Positive | None
    intervals: Node | None = None
    writer: Node | None = None


AnyConfig = TypeVar("AnyConfig", bound=CommandConfig)


def check_config(config: DictConfig | Path, schema: type[AnyConfig]) -> AnyConfig:
    """Check a config as Hydra composed it, or the ``config.yaml`` of a run.

    Raises:
        UserError: with a line for each problem: its key, its value, and what is allowed; or when
            the config of a run is damaged, or names code that the user's ``conf/`` does not.
    """
    if isinstance(config, Path):
        values = read_yaml(config)
        check_code(values)
    else:
        values = _resolved(config)
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        # a value that may have one of several types has an error for each
        problems: dict[str, list[ErrorDetails]] = {}
        for detail in error.errors():
            problems.setdefault(_key(detail, values), []).append(detail)
        lines = [f"{key}: {_problem(key, problems[key], schema, values)}" for key in problems]
        raise UserError("\n".join(lines)) from error


def build(node: Mapping[str, Any] | None, group: str = "") -> Any:
    """Build the object that ``_target_`` describes, or a dict of objects; None stays None.

    Raises:
        UserError: naming the key, which is below ``group``, if a class or function cannot be
            imported, or does not accept its arguments.
    """
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        # Hydra buries the reason in a message about the class
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from error
        what, _, key = str(error).partition("full_key: ")
        reason = " ".join(what.replace(HINT, "").split()).removesuffix(".")
        keys = ".".join(filter(None, [group, key]))
        raise UserError(f"{keys or 'config'}: {reason}. Correct the key.") from error


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known word, empty if none is near."""
    near = get_close_matches(str(word), list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""


def _resolved(config: DictConfig) -> Any:
    """Return nested dicts and lists, every interpolation resolved."""
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        values = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(str(error).strip().splitlines()[0]) from error
    if missing:
        raise UserError("\n".join(f"{key}: {MISSING.format(key=key)}" for key in missing))
    return values


def _key(detail: ErrorDetails, values: Any) -> str:
    """Return the dotted key of an error, without the names of types that pydantic appends."""
    parts: list[str] = []
    for part in detail["loc"]:
        if not isinstance(values, dict) or (part not in values and detail["type"] != "missing"):
            break
        parts.append(str(part))
        values = values.get(part)
    return ".".join(parts) or "config"


# of Hydra, which does not fit here
HINT = ", set env var HYDRA_FULL_ERROR=1 to see chained exception"
MISSING = "a value is missing. Set {key}=..."
# what a value must be, by the type of pydantic's error
ALLOWED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "too_short": "a list with at least one entry",
    "too_long": "a list with one entry",
    "greater_than_equal": "at least {ge}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "the dotted path of a function",
}


def _problem(key: str, details: list[ErrorDetails], schema: Any, values: Any) -> str:
    """Say what is wrong with the value of a key, which may have failed as several types."""
    first, value = details[0], details[0]["input"]
    if first["type"] == "missing":
        return MISSING.format(key=key)
    if first["type"] == "extra_forbidden":
        *groups, name = first["loc"]
        known = _known_keys(groups, schema, values)
        return f"unknown key.{replacement(key) or did_you_mean(name, known)}"
    if first["type"] == "value_error":
        shown = "" if isinstance(value, dict) else f"{value!r} "
        return f"{shown}{first['ctx']['error']}."
    allowed, choices = list[str](), list[str]()
    for detail in details:
        context = detail.get("ctx", {})
        text = ALLOWED.get(detail["type"], "{msg}").format(msg=detail["msg"], **context)
        allowed.append(text.replace("'", ""))
        choices += findall("'(.*?)'", context.get("expected", ""))
    unique = " or ".join(dict.fromkeys(allowed))
    return f"{value!r} must be {unique}.{did_you_mean(value, choices)}"


def _known_keys(groups: list[int | str], schema: Any, values: Any) -> list[str]:
    for group in groups:
        schema, values = schema.model_fields[group].annotation, values[group]
    if schema is DataConfig:
        schema = _import_source(values["_target_"])
    return list(schema.model_fields)
