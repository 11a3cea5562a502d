"""The typed config: every problem in one message, with its key, its value and a way out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from my_forecast.config import (
    CommandConfig,
    DoctorConfig,
    EvaluateConfig,
    PredictConfig,
    QuantileConfig,
    TrainConfig,
    build,
    check_config,
)
from my_forecast.data import Panel, Source
from my_forecast.data.files import CsvFiles
from my_forecast.errors import UserError
from my_forecast.runs.folder import write_config
from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

Config = Callable[..., DictConfig]


def problems(composed: DictConfig, schema: type[CommandConfig] = TrainConfig) -> dict[str, str]:
    """Return what is wrong with each key of a config."""
    with pytest.raises(UserError) as error:
        check_config(composed, schema)
    lines = [line.partition(": ") for line in str(error.value).splitlines()]
    assert len({key for key, _, _ in lines}) == len(lines)
    return {key: text for key, _, text in lines}


def test_all_problems_are_in_one_message(config: Config) -> None:
    found = problems(
        config(
            "stride=often",
            "metrics=[mae,rmsee]",
            "dataloader.num_workers=many",
            "+dataloader.num_worker=1",
            "data.fill=lineer",
            "data.test_size=1.5",
            "trainer.accelerator=cudaa",
            "model.batch_size=0",
        )
    )
    facts = {
        "stride": ["'often'", "a whole number"],
        # the entry that is wrong, and the nearest that is right
        "metrics": ["'rmsee'", "Did you mean rmse?"],
        "dataloader.num_workers": ["'many'", "a whole number or auto"],
        "dataloader.num_worker": ["unknown key", "Did you mean num_workers?"],
        "data.fill": ["'lineer'", "forbid, linear, seasonal or zero", "Did you mean linear?"],
        "data.test_size": ["1.5", "a fraction from 0 to below 1"],
        "trainer.accelerator": ["'cudaa'", "auto, cpu, cuda", "Did you mean cuda?"],
        "model.batch_size": ["0", "at least 1"],
    }
    assert set(found) == set(facts)
    for key, words in facts.items():
        for word in words:
            assert word in found[key], (key, found[key])


def test_the_key_that_was_set_comes_before_those_that_repeat_it(config: Config) -> None:
    assert next(iter(problems(config("horizon=0")))) == "horizon"


@pytest.mark.parametrize(
    ("override", "key", "nearest"),
    [
        ("+horizn=5", "horizn", "horizon"),
        ("+data.validation_sise=0.1", "data.validation_sise", "validation_size"),
        ("+dataloader.pin_memry=true", "dataloader.pin_memry", "pin_memory"),
        ("+paths.output_dirs=x", "paths.output_dirs", None),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(
    override: str, key: str, nearest: str | None, config: Config
) -> None:
    found = problems(config(override))
    assert set(found) == {key}
    assert found[key].startswith("unknown key.")
    assert nearest is None or f"Did you mean {nearest}?" in found[key]


def test_missing_values_are_named_all_together(config: Config) -> None:
    found = problems(config(name="predict"), PredictConfig)
    assert set(found) == {"run", "output"}
    assert all(f"Set {key}=" in text for key, text in found.items())
    # a key that is not there at all, as in the config of an older release
    composed = config()
    OmegaConf.set_struct(composed, value=False)
    del composed["stride"]
    del composed["data"]["scaler"]
    found = problems(composed)
    assert set(found) == {"stride", "data.scaler"}
    assert all(f"Set {key}=" in text for key, text in found.items())


def test_an_interpolation_that_fails_is_named(config: Config) -> None:
    with pytest.raises(UserError, match="nothing"):
        check_config(config("stride=${nothing}"), TrainConfig)


class Tides(Source):
    """A source of a user's own."""

    harbour: str

    def read(self, *arguments: Any) -> Panel:
        """Return nothing: only its keys are tested."""
        raise NotImplementedError


def tides(*overrides: str) -> list[str]:
    """Return overrides that select the source of this module."""
    keys = ("n_series", "length", "noise", "seed")
    return [
        "data=synthetic",
        f"data._target_={__name__}.Tides",
        *(f"~data.{key}" for key in keys),
        *overrides,
    ]


def test_a_source_of_a_users_own_has_its_own_keys(config: Config) -> None:
    found = check_config(config(*tides("+data.harbour=Bremerhaven")), TrainConfig).data
    assert isinstance(found, Tides)
    assert (found.harbour, found.season_length, found.title) == ("Bremerhaven", 7, "Tides")
    found = problems(config(*tides("+data.harbor=Bremerhaven", "data.fill=guess")))
    assert set(found) == {"data.harbour", "data.harbor", "data.fill"}
    assert "Did you mean harbour?" in found["data.harbor"]
    assert "a value is missing" in found["data.harbour"]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("my_forecast.data.sources.Co3", "'my_forecast.data.sources.Co3' cannot be imported"),
        ("no_such_module.Data", "'no_such_module.Data' cannot be imported"),
        ("pathlib.Path", "'pathlib.Path' must be a subclass of"),
    ],
)
def test_a_source_must_be_one(target: str, message: str, config: Config) -> None:
    found = problems(config(f"data._target_={target}"))
    assert set(found) == {"data._target_"}
    assert message in found["data._target_"]


def test_a_source_inherits_the_keys_of_files(config: Config) -> None:
    found = check_config(
        config("data=csv", "data.path=[a.csv,b.csv]", "data.time_column=2024"), TrainConfig
    )
    assert isinstance(found.data, CsvFiles)
    # YAML reads this name as a number
    assert (found.data.path, found.data.time_column) == (["a.csv", "b.csv"], "2024")
    wrong = ["data.separator=point", "data.decimal=''", "seed=-1"]
    found = problems(config("data=csv", "data.path=x.csv", *wrong))
    assert set(found) == {"data.separator", "data.decimal", "seed"}


def test_weights_come_from_one_place(config: Config) -> None:
    weights = ["data.sample_weight=linear", "data.sample_weight_column=w"]
    found = problems(config("data=csv", "data.path=x.csv", *weights))
    assert set(found) == {"data"}
    assert "data.sample_weight_column" in found["data"]
    assert "Set only one" in found["data"]


def test_intervals_and_another_backtest_exclude_each_other(config: Config) -> None:
    both = ["run=latest", "intervals=conformal", "backtest=retrain"]
    with pytest.raises(UserError, match=r"intervals.*backtest.*Set only one"):
        check_config(config(*both, name="evaluate"), EvaluateConfig)
    for part in both[1:]:
        found = check_config(config("run=latest", part, name="evaluate"), EvaluateConfig)
        assert found.run == "latest"


def test_types_are_not_converted(config: Config) -> None:
    found = problems(config("horizon='5'", "stride=1.0", "data.component_series=1"))
    assert {"horizon", "stride", "data.component_series"} <= set(found)
    assert "'5' must be a whole number" in found["horizon"]


def test_a_config_cannot_be_changed(config: Config) -> None:
    found = check_config(config(), TrainConfig)
    with pytest.raises(ValidationError):
        found.horizon = 3  # type: ignore[misc]
    assert found.model_copy(update={"horizon": 3}).horizon == 3


def test_a_run_reads_what_it_wrote(config: Config, tmp_path: Path) -> None:
    for overrides in (
        [],
        ["data=csv", "data.path='ä.csv'"],
        ["likelihood=quantile", "storage=mmap"],
    ):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        written = check_config(config(*overrides), TrainConfig)
        write_config(folder, written.as_dict())
        assert check_config(folder / "config.yaml", TrainConfig) == written


def test_a_config_without_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n...\n")
    with pytest.raises(UserError, match=r"(?m)^data: a value is missing"):
        check_config(tmp_path / "config.yaml", TrainConfig)


def test_doctor_takes_every_key_of_train(config: Config) -> None:
    found = check_config(config("horizon=5", "measure=loaders", name="doctor"), DoctorConfig)
    assert found.horizon == 5
    assert found.measure is not None
    assert found.measure["batches"] == 50
    assert set(problems(config("horizon=no", name="doctor"), DoctorConfig)) >= {"horizon"}


@pytest.mark.parametrize("levels", [[0.1, 0.5], [0.1, 0.9], [0, 0.5, 1], [0.9, 0.5, 0.1], []])
def test_quantiles_are_pairs_around_the_median(levels: list[float], config: Config) -> None:
    with pytest.raises(ValidationError):
        QuantileConfig(levels=levels)
    found = problems(config(f"quantiles={levels}"))
    assert set(found) == {"quantiles"}
    assert "[0.1, 0.5, 0.9]" in found["quantiles"]


def refuse() -> None:
    """Raise what users can solve."""
    raise UserError("a fact: a remedy")


def test_what_is_built_may_refuse_its_arguments() -> None:
    built = build({"a": {"_target_": "pathlib.PurePosixPath", "_args_": ["x", "y"]}, "b": 1})
    assert {name: str(value) for name, value in built.items()} == {"a": "x/y", "b": "1"}
    # not the message of Hydra
    with pytest.raises(UserError, match=r"^a fact: a remedy$"):
        build({"_target_": f"{__name__}.refuse"})
