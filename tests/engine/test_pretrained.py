"""Pretrained models from a local folder: nothing is downloaded, and nothing trained unasked."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.models import Chronos2Model
from my_forecast.commands.train import train
from my_forecast.config import QuantileConfig, TrainConfig, check_config
from my_forecast.data import load_data
from my_forecast.errors import UserError
from my_forecast.evaluation.forecast import as_series, forecast
from my_forecast.modeling.bundle import load_bundle
from omegaconf import DictConfig

from engine.project import FAST, Finished
from engine.tiny_models import WRITE

Config = Callable[..., DictConfig]
Run = Callable[..., Finished]
OWN = [item for item in FAST if item != "model=tide"]


def pretrained(name: str, workdir: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write a tiny model, and return what selects it."""
    WRITE[name](workdir / name, monkeypatch)
    return [*OWN, f"model={name}", f"model.local_dir={name}"]


def test_forecasts_are_those_of_the_pretrained_weights(
    config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = pretrained("chronos2", workdir, monkeypatch)
    (workdir / "run").mkdir()
    train(config(*overrides, "data.scaler=none"))
    data = load_data(check_config(workdir / "run" / "config.yaml", TrainConfig).data)
    model = Chronos2Model(10, 5, local_dir="chronos2", random_state=0)
    series = [one.astype(np.float32) for one in data.to_series()]
    future = [one.astype(np.float32) for one in data.to_series("future_covariates")]
    unpinned = {"dataloader_kwargs": {"pin_memory": False}}
    model.fit(series, future_covariates=future, **unpinned)
    expected = model.predict(5, series, future_covariates=future, **unpinned)
    # a bundle has the weights, so the folder is needed no more
    shutil.rmtree(workdir / "chronos2")
    bundle = load_bundle(workdir / "run" / "bundle", "my_forecast.pretrained.chronos2", "cpu")
    found = as_series(forecast(bundle, data, 5, QuantileConfig()), data, 5)
    for one, other in zip(found, expected, strict=True):
        assert isinstance(other, TimeSeries)
        np.testing.assert_allclose(one.values(), other.values(), rtol=1e-5)


@pytest.mark.parametrize("name", list(WRITE))
def test_quantiles_are_those_that_were_learned(
    name: str, run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = pretrained(name, workdir, monkeypatch)
    assert run("train", *overrides, "likelihood=quantile").code == 0
    finished = run("predict", "run=latest", "output=f.csv")
    assert finished.code == 0, finished.out
    table = pd.read_csv(workdir / "f.csv")
    assert (table["value_q0.1"] <= table["value"]).all()
    assert (table["value"] <= table["value_q0.9"]).all()
    finished = run("train", *overrides, "likelihood=quantile", "quantiles=[0.33,0.5,0.67]")
    assert finished.code == 1
    assert "must be a subset" in finished.out


@pytest.mark.parametrize("name", list(WRITE))
def test_weights_change_only_where_they_are_asked_to(
    name: str, config: Config, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = pretrained(name, workdir, monkeypatch)

    def weights(folder: str, *more: str) -> dict[str, torch.Tensor]:
        (workdir / folder).mkdir()
        train(config(*overrides, f"paths.output_dir={workdir.as_posix()}/{folder}", *more))
        path = workdir / folder / "bundle" / "model.pt.ckpt"
        state: dict[str, torch.Tensor] = torch.load(path, weights_only=False)["state_dict"]
        return state

    first, second = weights("a"), weights("b", "seed=1")
    assert all(torch.equal(second[name], value) for name, value in first.items())
    rate = "model.optimizer_kwargs.lr=0.01"
    tuned = weights("c", "model.enable_finetuning=true", rate, "trainer.max_epochs=1")
    assert any(not torch.equal(tuned[name], value) for name, value in first.items())


@pytest.mark.parametrize("name", list(WRITE))
def test_a_folder_without_the_model_is_refused(name: str, run: Run, workdir: Path) -> None:
    finished = run("train", *OWN, f"model={name}")
    assert "model.local_dir: a value is missing" in finished.out
    finished = run("train", *OWN, f"model={name}", "model.local_dir=gone")
    assert "model.local_dir: there is no config.json in 'gone'" in finished.out
    (workdir / "half").mkdir()
    (workdir / "half" / "config.json").write_text(json.dumps({}))
    finished = run("train", *OWN, f"model={name}", "model.local_dir=half")
    assert finished.code == 1
    assert "model.local_dir: there is no model.safetensors in 'half'" in finished.out


def test_nothing_is_downloaded_without_a_folder(config: Config, workdir: Path) -> None:
    (workdir / "run").mkdir()
    with pytest.raises(UserError, match=r"model.local_dir: there is no config\.json"):
        train(config(*OWN, "model=chronos2", "model.local_dir=null"))
