"""Every key of every config, with values of wrong types and sizes: accepted, or one message."""

import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from engine.project import fixtures
from my_forecast.config import (
    CommandConfig,
    DoctorConfig,
    EvaluateConfig,
    PredictConfig,
    TrainConfig,
    check_config,
)
from my_forecast.errors import UserError
from my_forecast.loading.batch_cost import GATHERED
from my_forecast.loading.hardware import detect_hardware
from my_forecast.loading.plan import plan_loader
from my_forecast.modeling.build import build_model
from omegaconf import DictConfig, OmegaConf

from reliability import FULL

# mutations of the short run
SHORT = 400
REMOVED = object()
Capture = pytest.CaptureFixture[str]
NAN, INFINITE = float("nan"), float("inf")
VALUES = [None, True, "", "x", "auto", 0, -1, 1.5, NAN, INFINITE, -INFINITE, 2**31, 2**63, 10**30]
VALUES += [1e308, [], [None], ["x", "x"], {}, {"x": 1}, {"_target_": "x"}, "\0", "é\n'\"{}%s"]

FILES = ["data.path=a.csv", "data.time_column=t", "data.target_columns=[y]"]
# options that bring in the keys of every group
COMMANDS: dict[str, tuple[type[CommandConfig], list[str]]] = {
    "train": (TrainConfig, []),
    "doctor": (DoctorConfig, ["measure=loaders"]),
    "evaluate": (EvaluateConfig, ["run=x", "intervals=conformal"]),
    "predict": (PredictConfig, ["run=x", "writer=parts"]),
}
TRAIN = [
    ["data=csv", *FILES],
    ["data=parquet", *FILES, "storage=mmap", "covariates=calendar"],
    ["data=synthetic", "likelihood=quantile", "optimizer=adamw", "lr_scheduler=plateau"],
    ["data=function", "data.function=a.b", "likelihood=gaussian", "lr_scheduler=cosine"],
    ["model=nhits", "loss=huber"],
    ["model=rnn"],
    ["model=tft"],
]


def keys(config: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of every key, groups included."""
    for key, value in config.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from keys(value, (*path, key))


def mutated(config: dict[str, Any], path: tuple[str, ...], value: Any) -> DictConfig:
    """Return the config with another value at a path."""
    changed = OmegaConf.to_container(OmegaConf.create(config))
    group: Any = changed
    for key in path[:-1]:
        group = group[key]
    if value is REMOVED:
        del group[path[-1]]
    else:
        group[path[-1]] = value
    return OmegaConf.create(changed)


def mutations() -> list[tuple[str, list[str], tuple[str, ...], Any]]:
    """Return command, options, path and value of every mutation, or of some of them."""
    found = []
    cases = [(name, options) for name, (_, options) in COMMANDS.items()]
    cases += [("train", options) for options in TRAIN]
    for name, options in cases:
        config = OmegaConf.to_container(fixtures.compose_config(Path("out"), *options, name=name))
        for path in keys(config):
            found += [(name, options, path, value) for value in [*VALUES, REMOVED]]
            found.append((name, options, (*path[:-1], "unknown"), 1))
    return found if FULL else random.Random(0).sample(found, SHORT)


def attempt(name: str, config: DictConfig, folder: Path) -> None:
    """Do what a command does before it reads data."""
    checked = check_config(config, COMMANDS[name][0])
    if name == "train":
        assert isinstance(checked, TrainConfig)
        hardware = detect_hardware(checked.trainer.get("accelerator", "auto"))
        plan_loader(checked.dataloader, hardware, GATHERED)
        build_model(checked, folder)


def test_every_key_is_accepted_or_refused_in_one_message(
    workdir: Path, record_property: Callable[[str, object], None], capfd: Capture
) -> None:
    """Set each key of each command to other types and extremes, remove it, add an unknown one."""
    raw, found = [], mutations()
    record_property("cases", len(found))
    composed: dict[str, Any] = {}
    for name, options, path, value in found:
        key = " ".join([name, *options])
        if key not in composed:
            composed[key] = OmegaConf.to_container(
                fixtures.compose_config(workdir / "run", *options, name=name)
            )
        try:
            attempt(name, mutated(composed[key], path, value), workdir)
        except UserError as error:
            text = str(error)
            if not text.strip() or len(text) > 3000:
                raw.append((key, ".".join(path), value, text))
        except Exception as error:
            raw.append((key, ".".join(path), value, f"{type(error).__name__}: {error}"[:300]))
    capfd.readouterr()
    assert not raw, "\n".join(map(repr, raw))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("data.test_size", NAN, "data.test_size: nan must be a fraction"),
        ("data.validation_size", INFINITE, "data.validation_size: inf must be a fraction"),
        ("logger.csv", {}, "logger.csv: must have the dotted path of a class"),
        ("callbacks.progress_bar._target_", 1.5, "callbacks.progress_bar: must have the dotted"),
        ("callbacks.progress_bar._target_", "x", "callbacks.progress_bar: Error locating target"),
        ("callbacks.best_checkpoint.dirpath", 5, "callbacks.best_checkpoint: Error in call"),
        ("model.loss_fn", "x", "model.loss_fn: 'x' is not a loss"),
        ("model.hidden_size", 2**31, "model.hidden_size: 2147483648 must be from"),
    ],
)
def test_values_that_ended_raw_or_never(path: str, value: Any, words: str, workdir: Path) -> None:
    """The values that this suite found to end in a traceback, or never."""
    config = OmegaConf.to_container(fixtures.compose_config(workdir / "run", "model=tide"))
    with pytest.raises(UserError, match=f"^{re.escape(words)}"):
        attempt("train", mutated(config, tuple(path.split(".")), value), workdir)
