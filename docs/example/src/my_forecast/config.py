"""The typed config: choices, bounds and defaults are checked here, once, before anything runs.

No OmegaConf object leaves this module. They are slow to read, drag their whole tree along when
pickled, and make a saved Darts model unloadable.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

import yaml
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

from .errors import UserError

AUTO: Final = "auto"
Accelerator = Literal["auto", "cpu", "cuda", "mps", "gpu"]
# metrics of point forecasts in darts.metrics, for any number of steps
Metric = Literal[
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
]


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
    if size < 0 or (size >= 1 and size != int(size)):
        raise ValueError("must be a fraction from 0 to below 1, or a whole number of steps")
    return size


def listed(value: Any) -> Any:
    """Return one text as a list of one, None as an empty list, anything else as it is."""
    return [value] if isinstance(value, str) else [] if value is None else value


Positive = Annotated[int, Field(ge=1)]
Size = Annotated[float, AfterValidator(_check_size)]
Quantiles = Annotated[list[float], AfterValidator(_check_quantiles)]
Metrics = Annotated[list[Metric], Field(min_length=1)]
Texts = Annotated[list[str], BeforeValidator(listed)]
# what Hydra builds: a class or function as ``_target_``, and its arguments
Node = dict[str, Any]
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
    component_series: bool = False
    validation_start: str | int | None = None
    test_start: str | int | None = None
    scaler_fit: Literal["series", "global"] = "series"
    calendar: list[str] = []
    holidays: str | None = None
    short_series: Literal["refuse", "drop"] = "refuse"
    sampling: Literal["darts", "uniform"] = "darts"
    window_stride: Positive = 1
    max_samples_per_ts: Positive | None = None
    static_encoding: Literal["onehot", "ordinal"] = "onehot"
    sample_weight: Literal["linear", "exponential"] | None = None
    device: Literal["host", "accelerator"] = "host"

    @property
    def title(self) -> str:
        """Name of the data in messages and titles."""
        return type(self).__name__


class LoaderConfig(Config):
    """DataLoader settings; ``auto`` leaves the choice to the plan in ``loading/plan.py``."""

    num_workers: Annotated[int, Field(ge=0)] | Literal["auto"] = AUTO
    multiprocessing_context: Literal["auto", "spawn", "forkserver", "fork"] = AUTO
    persistent_workers: bool | Literal["auto"] = AUTO
    prefetch_factor: Positive | Literal["auto"] = AUTO
    pin_memory: bool | Literal["auto"] = AUTO


class QuantileConfig(Config):
    """The quantiles of a probabilistic forecast.

    ``num_samples`` forecasts are drawn from ``seed`` where quantiles are estimated from samples.
    """

    levels: Quantiles = [0.1, 0.5, 0.9]
    num_samples: Positive = 200
    seed: int = 0


class ModelArguments(BaseModel):
    """The arguments of a model that the project itself reads; the others go to Darts."""

    model_config = ConfigDict(strict=True, extra="allow")

    target_: str = Field(alias="_target_")
    input_chunk_length: Positive | None = None
    output_chunk_length: Positive | None = None
    training_length: Positive | None = None
    batch_size: Positive | None = None


class TrainerArguments(BaseModel):
    """The arguments of Lightning's Trainer that the project itself reads."""

    model_config = ConfigDict(strict=True, extra="allow")

    accelerator: Accelerator = AUTO
    max_epochs: Positive | None = None
    # data is float32 everywhere, and Darts cannot load weights of 16 bits
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] | None = None


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

    data: SerializeAsAny[DataConfig]
    storage: Node
    dataloader: LoaderConfig
    model: dict[str, Any]
    trainer: dict[str, Any]
    callbacks: Nodes
    logger: Nodes
    after_run: Nodes
    horizon: Positive
    stride: Positive
    metrics: Metrics
    seed: Annotated[int, Field(ge=0)]
    quantiles: Quantiles
    num_samples: Positive
    save_every_n_epochs: Annotated[int, Field(ge=0)]
    resume: str | None
    finetune: str | None

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
    quantiles: Quantiles | None
    num_samples: Positive | None
    intervals: Node | None = None
    backtest: Node | None = None
    after_run: Nodes

    @model_validator(mode="after")
    def _check_intervals(self) -> "EvaluateConfig":
        if self.intervals is not None and self.backtest is not None:
            raise ValueError(
                "intervals calibrate the model of the run, which backtest replaces. Set only one"
            )
        return self


class PredictConfig(CommandConfig):
    """A forecast beyond the data of finished runs; ``None`` keeps the value of the first one."""

    run: Annotated[Texts, Field(min_length=1)]
    ensemble: Literal["mean", "median"]
    accelerator: Accelerator
    horizon: Positive | None
    output: str
    data_path: str | None
    future_path: str | None
    quantiles: Quantiles | None
    num_samples: Positive | None
    intervals: Node | None = None
    writer: Node | None = None


AnyTrainConfig = TypeVar("AnyTrainConfig", bound=TrainConfig)
AnyCommandConfig = TypeVar("AnyCommandConfig", bound=CommandConfig)


def train_config(config: DictConfig) -> TrainConfig:
    """Check the config of ``train.py``.

    Raises:
        UserError: with a line for each problem.
    """
    return _train_config(plain(config), TrainConfig)


def doctor_config(config: DictConfig) -> DoctorConfig:
    """Check the config of ``doctor.py``; raises UserError as ``train_config`` does."""
    return _train_config(plain(config), DoctorConfig)


def read_train_config(path: Path) -> TrainConfig:
    """Read and check the ``config.yaml`` of a run; raises UserError as ``train_config`` does."""
    return _train_config(yaml.safe_load(path.read_text(encoding="utf-8")), TrainConfig)


def command_config(config: DictConfig, schema: type[AnyCommandConfig]) -> AnyCommandConfig:
    """Check the config of another command; raises UserError as ``train_config`` does."""
    values, problems, nested = plain(config), list[str](), list[str]()
    if "data" in values:
        values |= {"data": _data(values, nested)}
    checked = _checked(schema, values, problems)
    return _accepted(checked, problems + nested)


def plain(config: DictConfig) -> dict[str, Any]:
    """Return a config as nested dicts and lists, every interpolation resolved.

    Raises:
        UserError: naming the mandatory values (``???``) that are missing, or an interpolation that
            fails.
    """
    try:
        missing = sorted(OmegaConf.missing_keys(config))
        content = OmegaConf.to_container(config, resolve=True)
    except OmegaConfBaseException as error:
        raise UserError(str(error).strip().splitlines()[0]) from error
    if missing:
        raise UserError("\n".join(f"{key}: a value is missing. Set {key}=..." for key in missing))
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def build(node: Mapping[str, Any]) -> Any:
    """Build the object that a node of the config describes with ``_target_``."""
    return _instantiate(node)


def build_all(nodes: Mapping[str, Any]) -> dict[str, Any]:
    """Build every object that ``nodes`` describe with ``_target_``; plain values stay."""
    return dict(_instantiate(nodes))


def _instantiate(node: Mapping[str, Any]) -> Any:
    try:
        return instantiate(dict(node), _convert_="all")
    except InstantiationException as error:
        # Hydra buries the reason in a message about the class
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from error
        raise


def _train_config(values: dict[str, Any], schema: type[AnyTrainConfig]) -> AnyTrainConfig:
    nested: list[str] = []
    data = _data(values, nested)
    _checked(ModelArguments, values.get("model") or {}, nested, "model.")
    _checked(TrainerArguments, values.get("trainer") or {}, nested, "trainer.")
    problems: list[str] = []
    checked = _checked(schema, {**values, "data": data}, problems)
    # first the keys that others repeat, such as horizon
    return _accepted(checked, problems + nested)


def _data(values: dict[str, Any], problems: list[str]) -> DataConfig:
    """Return the checked source; one with problems is replaced, so that they come only once."""
    source = values.get("data") or {}
    checked = _checked(_source(source), source, problems, "data.")
    return checked or DataConfig.model_construct()


def _source(values: dict[str, Any]) -> type[DataConfig]:
    target = values.get("_target_")
    try:
        source = get_class(str(target))
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"data._target_: cannot import {target!r} ({reason}).") from error
    if not issubclass(source, DataConfig):
        raise UserError(f"data._target_: {target} must be a subclass of data.sources.Source.")
    return source


Schema = TypeVar("Schema", bound=BaseModel)


def _checked(
    schema: type[Schema], values: dict[str, Any], problems: list[str], prefix: str = ""
) -> Schema | None:
    """Return ``values`` as a config; add a line to ``problems`` for each key that is wrong."""
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        # a value that may have one of several types has an error for each
        grouped: dict[str, list[Any]] = {}
        for item in error.errors():
            grouped.setdefault(_key(item["loc"], values), []).append(item)
        problems += [
            _line((prefix + key).rstrip(".") or "config", items, schema)
            for key, items in grouped.items()
        ]
        return None


def _accepted(checked: Schema | None, problems: list[str]) -> Schema:
    if problems or checked is None:
        raise UserError("\n".join(problems))
    return checked


def _key(location: tuple[int | str, ...], values: Any) -> str:
    """Return the dotted key of an error, without the names of types that pydantic appends."""
    parts: list[str] = []
    for part in location:
        if parts and not (isinstance(values, dict) and part in values):
            break
        parts.append(str(part))
        values = values.get(part) if isinstance(values, dict) else None
    return ".".join(parts)


def _line(key: str, items: list[Any], schema: type[BaseModel]) -> str:
    first, value = items[0], items[0]["input"]
    name = key.rpartition(".")[2]
    if first["type"] == "missing":
        return f"{key}: a value is missing. Set {key}=..."
    if first["type"] == "extra_forbidden":
        group: Any = schema
        for part in first["loc"][:-1]:
            group = group.model_fields[part].annotation
        return f"{key}: unknown key.{did_you_mean(name, list(group.model_fields))}"
    if first["type"] == "value_error":
        shown = f"{value!r} " if first["loc"] else ""
        return f"{key}: {shown}{first['ctx']['error']}."
    allowed = list(dict.fromkeys(_allowed(item) for item in items))
    choices = [choice for item in items for choice in _choices(item)]
    return f"{key}: {value!r} must be {' or '.join(allowed)}.{did_you_mean(value, choices)}"


_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "list": "a list",
    "dict": "a group of keys",
}


def _allowed(item: Mapping[str, Any]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    if kind == "literal_error":
        return str(context["expected"]).replace("'", "")
    if kind == "greater_than_equal":
        return f"at least {context['ge']}"
    if kind == "too_short":
        return "a list with at least one entry"
    return _TYPES.get(kind.removesuffix("_type"), str(item["msg"]))


def _choices(item: Mapping[str, Any]) -> list[str]:
    if item["type"] != "literal_error":
        return []
    expected = str(item["ctx"]["expected"])
    return expected.replace("'", "").replace(" or ", ", ").split(", ")


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return a sentence that names the nearest known word, empty if none is near."""
    near = get_close_matches(str(word), list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""
