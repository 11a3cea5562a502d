"""What is wrong with the config of a model and its trainer, one line for each problem."""

from collections.abc import Callable, Iterator
from inspect import Parameter, isclass, signature
from types import NoneType
from typing import Any, get_args

from darts.models.forecasting.global_baseline_models import (
    GlobalNaiveAggregate,
    GlobalNaiveDrift,
    GlobalNaiveSeasonal,
)

from ..config import TrainConfig, did_you_mean

TYPES = {int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}
# models that have no parameters to train
NAIVE = (GlobalNaiveAggregate, GlobalNaiveDrift, GlobalNaiveSeasonal)
# the default loss of Darts
MSE = "torch.nn.MSELoss"


def argument_problems(
    group: str, arguments: dict[str, Any], *owners: Callable[..., Any]
) -> Iterator[str]:
    """Find arguments that are unknown or have the wrong type.

    A type is checked where its annotation consists of ``int``, ``float``, ``bool`` and ``None``.
    ``group`` is the config group of the arguments, whose nested objects are not built yet; the
    ``owners`` are classes and functions that accept them, the most specific one first.
    """
    known: dict[str, Parameter] = {}
    for owner in reversed(owners):
        known.update(_parameters(owner))
    for name, value in arguments.items():
        if name not in known:
            hint = did_you_mean(name, known)
            yield f"{group}.{name}: {owners[0].__name__} has no argument {name!r}.{hint}"
        elif not _fits(value, allowed := _allowed(known[name].annotation)):
            names = " or ".join(TYPES[one] for one in allowed)
            yield f"{group}.{name}: {value!r} must be {names}."


def _parameters(owner: Any) -> dict[str, Parameter]:
    """Return the parameters of a function, or those of a class and its bases."""
    bases: list[Any] = [*reversed(owner.__mro__)] if isclass(owner) else []
    functions = [base.__init__ for base in bases] or [owner]
    return {k: v for function in functions for k, v in signature(function).parameters.items()}


def _allowed(annotation: Any) -> tuple[type, ...]:
    """Return the types of an annotation, none if it has other types than ``TYPES``."""
    types = get_args(annotation) or (annotation,)
    return types if all(one in TYPES for one in types) else ()


def _fits(value: Any, allowed: tuple[type, ...]) -> bool:
    if not allowed or (isinstance(value, dict) and "_target_" in value):
        return True
    return type(value) in allowed or (type(value) is int and float in allowed)


def likelihood_problems(model_class: type, arguments: dict[str, Any]) -> Iterator[str]:
    """Find settings that have no effect with the likelihood, or make its forecasts wrong."""
    likelihood = arguments.get("likelihood")
    if likelihood is None:
        return
    if not isinstance(likelihood, dict):
        yield f"model.likelihood: {likelihood!r} is not a likelihood. Set likelihood=quantile."
        return
    name = str(likelihood.get("_target_")).rpartition(".")[2]
    if issubclass(model_class, NAIVE):
        yield f"model.likelihood: {model_class.__name__} cannot learn one. Set likelihood=none."
    loss = (arguments.get("loss_fn") or {}).get("_target_", MSE)
    if loss != MSE:
        yield (
            f"model.loss_fn: {loss} has no effect, because {name} has its own loss. "
            "Set loss=mse or likelihood=none."
        )
    if name != "QuantileRegression" and arguments.get("use_reversible_instance_norm"):
        yield (
            "model.use_reversible_instance_norm: it would rescale the parameters of "
            f"{name} as if they were values. Set it to false, or set likelihood=quantile."
        )


def monitor_problems(config: TrainConfig) -> Iterator[str]:
    """Find callbacks that monitor the validation where there is none."""
    if config.data.validation_size > 0 or config.data.validation_start is not None:
        return
    for name, callback in config.callbacks.items():
        if (monitor := str(callback.get("monitor"))).startswith("val_"):
            yield (
                f"callbacks.{name}.monitor: there is no {monitor}, because data.validation_size "
                "is 0. Set data.validation_size=0.1 or callbacks=none."
            )
