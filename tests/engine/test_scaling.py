"""Scalers do what the textbook says, and see the training part only."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.data import (
    SCALERS,
    Panel,
    Scalers,
    Split,
    fit_scalers,
    load_data,
    split_data,
)
from my_forecast.data.sources import Co2, FunctionSource
from my_forecast.errors import UserError
from scipy.stats import boxcox, yeojohnson
from sklearn.preprocessing import MinMaxScaler, PowerTransformer, RobustScaler, StandardScaler

from engine.project import Finished
from engine.series import COMMON, numbered, series_set

Run = Callable[..., Finished]


def split_at(train_end: list[int], test_start: list[int]) -> Split:
    """Return the division at positions on the time axis."""
    return Split(np.array(train_end), np.array(test_start))


def unscaled(scalers: Scalers, values: np.ndarray, names: list[str], number: int) -> np.ndarray:
    """Bring values of one series, (steps, components), back to their original scale."""
    return scalers.inverse(values[None], names, np.array([number]))[0]


@pytest.mark.parametrize("kind", ["standard", "minmax", "none"])
def test_scalers_see_the_training_part_only_and_can_be_undone(kind: str) -> None:
    data = series_set(100, 60)
    _, split = split_data(data, Co2(**COMMON), 5, train_length=10, output_length=5)
    scalers = fit_scalers(data, split, kind)
    scaled = scalers.transform(data)
    other_future = [
        series[:end].append_values(series.values()[end:] * 9)
        for series, end in zip(data.to_series(), split.train_end, strict=True)
    ]
    others = fit_scalers(Panel.from_series(other_future, data.names), split, kind)
    refitted = others.transform(data)
    for number, series in enumerate(scaled.to_series()):
        assert series.dtype == np.float32
        train = series.values()[: split.train_end[number]]
        if kind == "standard":
            assert abs(train.mean()) < 1e-5
            assert train.std() == pytest.approx(1, abs=1e-5)
        restored = unscaled(scalers, series.values(), data.names, number)
        np.testing.assert_allclose(restored, data.to_series()[number].values(), atol=1e-4)
        np.testing.assert_array_equal(series.values(), refitted.to_series()[number].values())


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
    split = split_at([70, 50], [80, 70])
    scalers = fit_scalers(data, split, kind, fit)
    # the series end on the same day: the first one has 30 steps less
    parts = [series.values()[:end] for series, end in zip(data.to_series(), (40, 50), strict=True)]
    for number, scaled in enumerate(scalers.transform(data).to_series()):
        values = data.to_series()[number].values()
        train = parts[number] if fit == "series" else np.concatenate(parts)
        expected = by_hand(kind, values[:, 0], train[:, 0])
        np.testing.assert_allclose(scaled.values()[:, 0], expected, rtol=1e-3, atol=1e-3)
        restored = unscaled(scalers, scaled.values(), data.names, number)
        np.testing.assert_allclose(restored, values, rtol=1e-3)


# what the property test compares with
SKLEARN: dict[str, Callable[[], Any]] = {
    "standard": StandardScaler,
    "minmax": MinMaxScaler,
    "robust": RobustScaler,
    "box_cox": lambda: PowerTransformer("box-cox"),
    "yeo_johnson": lambda: PowerTransformer("yeo-johnson"),
}


@pytest.mark.parametrize("fit", ["series", "global"])
@pytest.mark.parametrize("kind", SKLEARN)
@settings(max_examples=25)
@given(data=st.data())
def test_scalers_are_those_of_scikit_learn(kind: str, fit: str, data: st.DataObject) -> None:
    """Series of any length and start, some of them constant, with one or several components."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    width, count = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 4))
    size = data.draw(st.sampled_from([1e-3, 1.0, 1e3]))
    shift = data.draw(st.sampled_from([1, 1 if kind == "box_cox" else -40]))
    # no power makes a mixture of constants and other values normal
    constant = data.draw(st.lists(st.booleans(), min_size=width, max_size=width))
    level = data.draw(st.sampled_from([0.1, 7.0, 40.0]))
    targets, train_end = [], []
    for _ in range(count):
        steps, start = data.draw(st.integers(20, 60)), data.draw(st.integers(0, 9))
        values = random.gamma(2, 20, (steps, width)) + shift
        if fit == "series":
            constant = data.draw(st.lists(st.booleans(), min_size=width, max_size=width))
        values[:, constant] = level
        times = pd.RangeIndex(start, start + steps)
        targets.append(TimeSeries.from_times_and_values(times, values * size))
        train_end.append(start + data.draw(st.integers(12, steps)))
    panel = Panel.from_series(targets)
    first = min(series.start_time() for series in targets)
    ends = [end - first for end in train_end]
    scalers = fit_scalers(panel, split_at(ends, ends), kind, fit)
    parts = [
        series.values()[: end - series.start_time()]
        for series, end in zip(targets, train_end, strict=True)
    ]
    for number, scaled in enumerate(scalers.transform(panel).to_series()):
        values = targets[number].values()
        train = parts[number] if fit == "series" else np.concatenate(parts)
        # scikit-learn takes no constants here: what is constant is only centred
        varies = np.ptp(train, axis=0) > 0 if kind == "box_cox" else np.full(width, fill_value=True)
        peer = SKLEARN[kind]().fit(train[:, varies]) if varies.any() else None
        expected = values - train.mean(axis=0)
        # a power magnifies rounding: the inverse is that of values that differ by rounding
        single = scaled.values().astype(float)
        bounds = [single + sign * 1e-9 * (1 + abs(single)) for sign in (-1, 1)]
        low, high = (bound + train.mean(axis=0) for bound in bounds)
        if peer is not None:
            expected[:, varies] = peer.transform(values[:, varies])
            low[:, varies], high[:, varies] = (
                peer.inverse_transform(bound[:, varies]) for bound in bounds
            )
        np.testing.assert_allclose(scaled.values(), expected, rtol=1e-6, atol=1e-6)
        found = unscaled(scalers, scaled.values(), panel.names, number)
        assert ((low <= found) & (found <= high)).all()


@pytest.mark.parametrize("kind", ["standard", "minmax", "robust", "log", "box_cox", "yeo_johnson"])
def test_long_constants_are_only_centred(kind: str) -> None:
    """The mean of many equal numbers differs from them, by rounding."""
    values = np.full((100_000, 3), 0.1)
    data = Panel.from_series(TimeSeries.from_values(values))
    scaler = fit_scalers(data, split_at([100_000], [100_000]), kind).targets
    assert scaler is not None
    np.testing.assert_array_equal(scaler.scale, 1)


@pytest.mark.parametrize(("kind", "value"), [("log", -1.0), ("box_cox", 0.0)])
def test_values_without_a_logarithm_are_refused(kind: str, value: float) -> None:
    data = numbered(60)
    wrong = Panel.from_series([data.to_series()[0] - 1 + value], ["sales"])
    with pytest.raises(UserError, match=f"sales: data.scaler={kind} needs values above"):
        fit_scalers(wrong, split_at([40], [50]), kind)
    scalers = fit_scalers(data, split_at([40], [50]), kind)
    with pytest.raises(UserError, match=f"needs values above .*the smallest is {value:g}"):
        scalers.transform(wrong)


def test_a_forecast_that_no_power_gives_is_refused() -> None:
    values = np.exp(-np.arange(1.0, 61) / 10)
    data = Panel.from_series([TimeSeries.from_values(values)], ["s0"])
    scalers = fit_scalers(data, split_at([40], [50]), "box_cox")
    with pytest.raises(UserError, match=r"leave the range of data\.scaler=box_cox"):
        unscaled(scalers, np.array([[-1e9], [1e9]]), ["s0"], 0)


def as_panel(series: list[TimeSeries]) -> Panel:
    """Return series with their components, in reverse order, as past covariates."""
    return Panel.from_series(series, past_covariates=[one[["1", "0"]] for one in series])


def cut_gaps(data: st.DataObject, values: np.ndarray) -> None:
    """Make drawn runs of steps of a component missing."""
    gap = st.tuples(st.integers(0, len(values)), st.integers(1, 12), st.integers(0, 1))
    for begin, length, component in data.draw(st.lists(gap, max_size=5)):
        values[begin : begin + length, component] = np.nan


@settings(max_examples=100)
@given(data=st.data())
def test_nothing_after_the_training_part_changes_it(data: st.DataObject) -> None:
    """Series with gaps are loaded, divided and scaled twice, with other values and gaps later on.

    What is missing at the end of the training part may go on being missing after it.
    """
    dates = {"validation_start": "15", "test_start": "24"}
    sizes = {
        "validation_size": data.draw(st.sampled_from([0, 0.2, 9])),
        "test_size": data.draw(st.sampled_from([0.1, 0.3, 9])),
    }
    changes = data.draw(st.sampled_from([dates, sizes])) | {
        "season_length": data.draw(st.integers(2, 5)),
        "fill": data.draw(st.sampled_from(["linear", "seasonal", "zero"])),
    }
    kind = data.draw(st.sampled_from([kind for kind in SCALERS if kind != "box_cox"]))
    fit = data.draw(st.sampled_from(["series", "global"]))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    whole = []
    for _ in range(data.draw(st.integers(1, 3))):
        steps, start = data.draw(st.integers(30, 50)), data.draw(st.integers(0, 5))
        times = pd.RangeIndex(start, start + steps)
        whole.append(TimeSeries.from_times_and_values(times, random.gamma(2, 20, (steps, 2))))
    source = FunctionSource(function=f"{__name__}.as_panel", **COMMON | changes)
    panel = as_panel(whole)
    _, split = split_data(panel, source, horizon=1)
    versions: tuple[list[TimeSeries], list[TimeSeries]] = ([], [])
    for series, end in zip(whole, split.train_end - panel.targets.start, strict=True):
        train = series.values()[:end].copy()
        # the first seasons are known, so that there is something to fill gaps with
        cut_gaps(data, train[5:])
        train[max(5, end - data.draw(st.integers(0, 5))) :] = np.nan
        for version in versions:
            later = random.gamma(2, 20, (len(series) - end, 2)) * 9
            cut_gaps(data, later)
            later[: data.draw(st.integers(0, 12))] = np.nan
            later[-1] = 1  # a series ends where it did
            version.append(series.with_values(np.concatenate([train, later])))
    found = []
    for version in versions:
        own = source.model_copy(update={"arguments": {"series": version}})
        loaded, again = split_data(load_data(own), own, horizon=1)
        np.testing.assert_array_equal(again.train_end, split.train_end)
        scaled = fit_scalers(loaded, again, kind, fit).transform(loaded)
        found.append(scaled.with_roles({r: again.train(a) for r, a in scaled.roles.items()}))
    for role in ("targets", "past_covariates"):
        for one, other in zip(*(panel.to_series(role) for panel in found), strict=True):
            assert np.isfinite(one.values()).all()
            np.testing.assert_array_equal(one.values(), other.values())


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
    assert pd.read_csv(workdir / "f.csv")["unique_id"].tolist() == ["c"] * 3 + ["d"] * 3
