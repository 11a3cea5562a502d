"""Scalers do what the textbook says, and see the training part only."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from my_forecast.data import (
    SCALERS,
    Scalers,
    SeriesSet,
    Split,
    fit_scalers,
    split_data,
)
from my_forecast.data.sources import Co2
from my_forecast.errors import UserError
from scipy.stats import boxcox, yeojohnson

from engine.project import Finished
from engine.series import COMMON, numbered, series_set

Run = Callable[..., Finished]


@pytest.mark.parametrize("kind", ["standard", "minmax", "none"])
def test_scalers_see_the_training_part_only_and_can_be_undone(kind: str) -> None:
    data = series_set(100, 60)
    _, split = split_data(data, Co2(**COMMON), 5, train_length=10, output_length=5)
    scalers = fit_scalers(data, split, kind)
    scaled = scalers.transform(data)
    other_future = [
        series[:end].append_values(series.values()[end:] * 9)
        for series, end in zip(data.targets, split.train_end, strict=True)
    ]
    refitted = fit_scalers(SeriesSet(data.names, other_future), split, kind).transform(data)
    for number, series in enumerate(scaled.targets):
        assert series.dtype == np.float32
        train = series.values()[: split.train_end[number]]
        if kind == "standard":
            assert abs(train.mean()) < 1e-5
            assert train.std() == pytest.approx(1, abs=1e-5)
        restored = scalers.inverse(series.values(), data.names[number])
        np.testing.assert_allclose(restored, data.targets[number].values(), atol=1e-4)
        np.testing.assert_array_equal(series.values(), refitted.targets[number].values())


def standardised(values: np.ndarray, train: np.ndarray) -> np.ndarray:
    return (values - train.mean()) / train.std()


def by_hand(kind: str, values: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Scale ``values`` by what ``train`` shows, with the textbook formulas."""
    if kind == "standard":
        return standardised(values, train)
    if kind == "minmax":
        return (values - train.min()) / np.ptp(train)
    if kind == "robust":
        low, middle, high = np.quantile(train, [0.25, 0.5, 0.75])
        return (values - middle) / (high - low)
    if kind == "log":
        return standardised(np.log1p(values), np.log1p(train))
    if kind == "box_cox":
        power = boxcox(train)[1]
        return standardised(boxcox(values, power), boxcox(train, power))
    if kind == "yeo_johnson":
        power = yeojohnson(train)[1]
        return standardised(yeojohnson(values, power), yeojohnson(train, power))
    return values


@pytest.mark.parametrize("fit", ["series", "global"])
@pytest.mark.parametrize("kind", SCALERS)
def test_scalers_do_what_the_textbook_says(kind: str, fit: str) -> None:
    data = numbered(60, 90)
    split = Split([40, 50], [50, 70])
    scalers = fit_scalers(data, split, kind, fit)
    parts = [
        series.values()[:end] for series, end in zip(data.targets, split.train_end, strict=True)
    ]
    for number, scaled in enumerate(scalers.transform(data).targets):
        values = data.targets[number].values()
        train = parts[number] if fit == "series" else np.concatenate(parts)
        expected = by_hand(kind, values[:, 0], train[:, 0])
        np.testing.assert_allclose(scaled.values()[:, 0], expected, rtol=1e-3, atol=1e-3)
        restored = scalers.inverse(scaled.values(), data.names[number])
        np.testing.assert_allclose(restored, values, rtol=1e-3)


@pytest.mark.parametrize(("kind", "value"), [("log", -1.0), ("box_cox", 0.0)])
def test_values_without_a_logarithm_are_refused(kind: str, value: float) -> None:
    data = numbered(60)
    wrong = SeriesSet(["sales"], [data.targets[0] - 1 + value])
    with pytest.raises(UserError, match=f"sales: data.scaler={kind} needs values above"):
        fit_scalers(wrong, Split([40], [50]), kind)
    scalers = fit_scalers(data, Split([40], [50]), kind)
    with pytest.raises(UserError, match=f"needs values above .*the smallest is {value:g}"):
        scalers.transform(wrong)


def test_a_forecast_that_no_power_gives_is_refused() -> None:
    values = np.exp(-np.arange(1.0, 61) / 10)
    data = SeriesSet(["s0"], [TimeSeries.from_values(values)])
    scalers: Scalers = fit_scalers(data, Split([40], [50]), "box_cox")
    with pytest.raises(UserError, match=r"leave the range of data\.scaler=box_cox"):
        scalers.inverse(np.array([[-1e9], [1e9]]), "s0")


def test_the_test_part_changes_neither_weights_nor_scalers(run: Run, workdir: Path) -> None:
    """The leakage test: other values after the training and validation part, the same model."""
    results = []
    for name, factor in (("a", 1.0), ("b", -3.0)):
        values = [10 + day % 7 + (0 if day < 90 else factor) for day in range(100)]
        rows = [f"{day},{value}" for day, value in enumerate(values)]
        (workdir / name).mkdir()
        (workdir / name / "x.csv").write_text("\n".join(["ds,y", *rows]))
        data = ["data=csv", f"data.path={name}/x.csv", "data.test_size=10"]
        model = ["model=tide", "model.input_chunk_length=7", "horizon=3", "trainer.max_epochs=1"]
        finished = run(
            "train",
            *data,
            *model,
            f"hydra.run.dir={name}/run",
            "trainer.accelerator=cpu",
        )
        assert finished.code == 0, finished.err
        bundle = workdir / name / "run" / "bundle"
        weights = torch.load(bundle / "model.pt.ckpt", weights_only=False)["state_dict"]
        results.append((weights, (bundle / "scalers.pkl").read_bytes()))
    (first, scaler), (second, other_scaler) = results
    assert scaler == other_scaler
    assert all(torch.equal(second[name], value) for name, value in first.items())


def test_a_global_scaler_takes_series_that_were_not_trained_on(run: Run, workdir: Path) -> None:
    def write(path: Path, ids: str) -> None:
        rows = [f"{id_},{day},{ord(id_) + day % 7}" for id_ in ids for day in range(60)]
        path.write_text("\n".join(["unique_id,ds,y", *rows]))

    write(workdir / "long.csv", "ab")
    write(workdir / "new.csv", "cd")
    data = ["data=csv", "data.path=long.csv"]
    model = ["model=tide", "model.input_chunk_length=7", "horizon=3", "trainer.max_epochs=1"]
    assert run("train", *data, *model, "data.scaler_fit=global").code == 0
    finished = run("predict", "run=latest", "output=f.csv", "data_path=new.csv")
    assert finished.code == 0, finished.err
    assert pd.read_csv(workdir / "f.csv")["series"].tolist() == ["c"] * 3 + ["d"] * 3
