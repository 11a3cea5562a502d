"""What is wrong with the config of a model and its trainer, one line for each problem."""

from collections.abc import Callable, Iterator
from inspect import Parameter, isclass, signature
from types import NoneType
from typing import Any, get_args

from darts.models import GlobalNaiveAggregate, GlobalNaiveDrift, GlobalNaiveSeasonal
from darts.models.forecasting.pl_forecasting_module import PLForecastingModule
from pytorch_lightning import Trainer

from ..config import TrainConfig, did_you_mean

TYPES = {int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}
# argument of a model: building one with more layers or units would never end
LARGEST = 1_000_000
# models that have no parameters to train
NAIVE = (GlobalNaiveAggregate, GlobalNaiveDrift, GlobalNaiveSeasonal)
# the default loss of Darts
MSE = "torch.nn.MSELoss"


def config_problems(
    config: TrainConfig, arguments: dict[str, Any], target: Callable[..., Any], model_class: type
) -> Iterator[str]:
    """Find what is wrong with the arguments of a model, its trainer and the callbacks.

    ``arguments`` are those of ``target``, which returns a ``model_class``; nested objects are not
    built yet.
    """
    yield from _argument_problems("model", arguments, target, model_class, PLForecastingModule)
    yield from _argument_problems("trainer", config.trainer, Trainer)
    yield from _likelihood_problems(model_class, arguments)
    if config.data.validation_size > 0 or config.data.validation_start is not None:
        return
    for name, callback in config.callbacks.items():
        if (monitor := str(callback.get("monitor"))).startswith("val_"):
            yield (
                f"callbacks.{name}.monitor: there is no {monitor}, because data.validation_size "
                "is 0. Set data.validation_size=0.1 or callbacks=[]."
            )


def _argument_problems(
    group: str, arguments: dict[str, Any], *owners: Callable[..., Any]
) -> Iterator[str]:
    """Find arguments that no owner accepts. ``owners`` begins with the most specific one.

    A type is checked where its annotation consists of ``int``, ``float``, ``bool`` and ``None``.
    """
    known: dict[str, Parameter] = {}
    for owner in reversed(owners):
        bases: list[Any] = [*reversed(owner.__mro__)] if isclass(owner) else []
        for function in [base.__init__ for base in bases] or [owner]:
            known.update(signature(function).parameters)
    for name, value in arguments.items():
        if name not in known:
            hint = did_you_mean(name, known)
            yield f"{group}.{name}: {owners[0].__name__} has no argument {name!r}.{hint}"
            continue
        if group == "model" and type(value) is int and abs(value) > LARGEST:
            yield f"model.{name}: {value} must be from {-LARGEST} to {LARGEST}."
            continue
        annotation = known[name].annotation
        allowed = get_args(annotation) or (annotation,)
        checked = all(one in list(TYPES) for one in allowed)
        fits = type(value) in allowed or (type(value) is int and float in allowed)
        built = isinstance(value, dict) and "_target_" in value
        if checked and not fits and not built:
            names = " or ".join(TYPES[one] for one in allowed)
            yield f"{group}.{name}: {value!r} must be {names}."


def _likelihood_problems(model_class: type, arguments: dict[str, Any]) -> Iterator[str]:
    """Find settings that have no effect with the likelihood, or make its forecasts wrong."""
    likelihood, loss_fn = arguments.get("likelihood"), arguments.get("loss_fn")
    if not isinstance(loss_fn, dict | None):
        yield f"model.loss_fn: {loss_fn!r} is not a loss. Set loss=mae."
        return
    if likelihood is None:
        return
    if not isinstance(likelihood, dict):
        yield f"model.likelihood: {likelihood!r} is not a likelihood. Set likelihood=quantile."
        return
    name = str(likelihood.get("_target_")).rpartition(".")[2]
    if issubclass(model_class, NAIVE):
        yield f"model.likelihood: {model_class.__name__} cannot learn one. Set likelihood=none."
    loss = (loss_fn or {}).get("_target_", MSE)
    if loss != MSE:
        yield (
            f"model.loss_fn: {loss} has no effect, because {name} has its own loss. "
            "Leave it out, or set likelihood=none."
        )
    if name != "QuantileRegression" and arguments.get("use_reversible_instance_norm"):
        yield (
            "model.use_reversible_instance_norm: it would rescale the parameters of "
            f"{name} as if they were values. Set it to false, or set likelihood=quantile."
        )
