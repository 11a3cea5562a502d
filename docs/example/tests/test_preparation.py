"""What happens to series before a model sees them: divided, scaled, given a calendar."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from scipy.stats import boxcox, yeojohnson

from my_forecast.data import (
    Scalers,
    SeriesSet,
    Split,
    fit_scalers,
    load_data,
    split_data,
)
from my_forecast.errors import (
    UserError,
)
from my_forecast.settings import (
    SCALERS,
    SyntheticSettings,
)

from conftest import Finished

Run = Callable[..., Finished]


def synthetic(**changes: Any) -> SyntheticSettings:
    """Return the settings of two daily series from 2020-01-01 on."""
    values: dict[str, Any] = {
        "source": "synthetic",
        "n_series": 2,
        "length": 100,
        "noise": 0.5,
        "seed": 0,
        "season_length": 7,
        "validation_size": 10,
        "test_size": 10,
        "fill": "forbid",
        "scaler": "standard",
    }
    return SyntheticSettings(**(values | changes))


def numbered(*lengths: int) -> SeriesSet:
    """Return daily series that end on the same day, with numbers as values."""
    targets = [
        TimeSeries.from_times_and_values(
            pd.date_range(end="2024-04-09", periods=length, freq="D"), np.arange(1.0, length + 1)
        )
        for length in lengths
    ]
    return SeriesSet([f"s{number}" for number in range(len(lengths))], targets)


def test_parts_begin_at_dates() -> None:
    settings = synthetic(validation_start="2024-03-01", test_start="2024-04-01T00:00")
    data, split = split_data(numbered(100, 60), settings, horizon=3)
    for series, train_end, test_start in zip(
        data.targets, split.train_end, split.test_start, strict=True
    ):
        assert series.time_index[train_end] == pd.Timestamp("2024-03-01")
        assert series.time_index[test_start] == pd.Timestamp("2024-04-01")


def test_a_date_and_a_size_go_together() -> None:
    settings = synthetic(validation_size=5, test_start="2024-04-01")
    _, split = split_data(numbered(100), settings, horizon=3)
    assert (split.train_end, split.test_start) == ([86], [91])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_start": "soon"}, "data.test_start: 'soon' is no date"),
        ({"validation_start": "soon"}, "data.validation_start: 'soon' is no date"),
        ({"test_start": "2030-01-01"}, "the test part has 0, but one forecast takes 3"),
        ({"test_start": "1990-01-01"}, "0 are left for training"),
    ],
)
def test_dates_that_divide_nothing_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        split_data(numbered(100), synthetic(**changes), horizon=3)


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


def test_a_calendar_is_made_of_the_dates() -> None:
    settings = synthetic(calendar=["dayofweek", "year"], holidays="DE")
    data = load_data(settings, ahead=5)
    assert data.future_covariates is not None
    for event, known in zip(
        load_data(synthetic()).future_covariates or [], data.future_covariates, strict=True
    ):
        assert list(known.components) == [
            "event",
            "dayofweek_sin",
            "dayofweek_cos",
            "year",
            "holidays",
        ]
        table = known.to_dataframe()
        days = table.index.dayofweek * 2 * np.pi / 7
        np.testing.assert_allclose(table["dayofweek_sin"], np.sin(days), atol=1e-12)
        np.testing.assert_allclose(table["dayofweek_cos"], np.cos(days), atol=1e-12)
        assert (table["year"] == table.index.year).all()
        assert table["holidays"].loc["2020-01-01":"2020-04-13"].sum() == 3  # type: ignore[misc]
        assert table["holidays"].loc["2020-04-10"] == 1  # Good Friday
        np.testing.assert_array_equal(table["event"], event.values()[:, 0])


def test_a_calendar_reaches_as_far_as_a_forecast(run: Run, workdir: Path) -> None:
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    frame = pd.DataFrame({"ds": days, "y": days.dayofweek + 1.0})
    frame.to_csv(workdir / "x.csv", index=False)
    data = ["data=csv", "data.path=x.csv"]
    model = ["model=tide", "model.input_chunk_length=14", "horizon=7", "trainer.max_epochs=1"]
    calendar = ["data.calendar=[dayofweek,month]", "data.holidays=US"]
    assert run("train", *data, *model, *calendar).code == 0
    finished = run("predict", "run=latest", "horizon=40", "output=f.csv")
    assert finished.code == 0, finished.err
    assert len(pd.read_csv(workdir / "f.csv")) == 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calendar": ["dayofwek"]}, "data.calendar: 'dayofwek' is no number"),
        ({"calendar": ["tz"]}, "data.calendar: 'tz' is no number"),
        ({"holidays": "ATLANTIS"}, "data.holidays: 'ATLANTIS' is no country"),
    ],
)
def test_what_no_calendar_has_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_data(synthetic(**changes))


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
