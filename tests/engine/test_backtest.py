"""Baselines, the validation part and the file of all forecasts, checked against Darts."""

import json
from collections.abc import Callable
from pathlib import Path

import darts.metrics
import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.metrics import mic, miw, mql
from darts.models import NaiveDrift, NaiveMean, NaiveSeasonal, NLinearModel
from hypothesis import given
from hypothesis import strategies as st
from my_forecast import load_run
from my_forecast.commands.train import train
from my_forecast.config import QuantileConfig
from my_forecast.data import Panel, Split
from my_forecast.evaluation.backtest import BacktestSpec, baseline_backtest
from my_forecast.evaluation.baselines import BASELINES
from omegaconf import DictConfig

from engine.project import FAST

Config = Callable[..., DictConfig]
METRICS = ["mae", "mse", "rmse", "smape", "r2_score", "mase", "rmsse"]
SCALED = {"mase": "mae", "rmsse": "rmse"}
LEVELS = [0.1, 0.5, 0.9]


@given(
    name=st.sampled_from([*BASELINES]),
    length=st.integers(8, 30),
    season=st.integers(1, 8),
    horizon=st.integers(1, 20),
    stride=st.integers(1, 3),
    shift=st.integers(0, 2),
)
def test_the_baselines_are_those_of_darts(
    name: str, length: int, season: int, horizon: int, stride: int, shift: int
) -> None:
    """From every origin of two series, the second of which starts later and ends earlier."""
    random, ends = np.random.default_rng(length), np.array([length, length + 3])
    index = pd.date_range("2024-01-01", periods=length + shift + horizon + 5, freq="D")
    targets = [
        TimeSeries(times, random.standard_normal((len(times), 2))) for times in (index, index[3:-2])
    ]
    model = NLinearModel(4, 4, output_chunk_shift=shift)
    spec = BacktestSpec(horizon, stride, season, QuantileConfig(), name)
    split = Split(ends, ends)
    found = baseline_backtest(model, Panel.from_series(targets, ["a", "b"]), split, spec)
    assert found.baseline == name
    number = 0
    for one, last in zip(targets, (length + 5, length), strict=True):
        for start in range(length, last + 1, stride):
            known, actual = one[:start], one[start + shift : start + shift + horizon]
            np.testing.assert_array_equal(found.truth[number], actual.values())
            for component in range(2):
                single = known[known.components[component]]
                darts_model, history = {
                    "seasonal naive": (NaiveSeasonal(season), single),
                    "naive": (NaiveSeasonal(1), single),
                    "drift": (NaiveDrift(), single),
                    # Darts' NaiveMovingAverage averages its own forecasts as well
                    "moving average": (NaiveMean(), single[-max(season, 3) :]),
                }[name]
                expected = darts_model.fit(history).predict(shift + horizon).values()[shift:, 0]
                if name == "moving average" and season < 3:
                    # Darts does not fit to so few values
                    expected = np.full(horizon, single.values()[-season:].mean())
                forecast = found.forecasts["baseline"][number, :, component]
                np.testing.assert_allclose(forecast, expected, atol=1e-12)
            number += 1
    assert number == len(found.origins) == len(found.truth)


def panel_of(values: np.ndarray) -> tuple[Panel, Split]:
    """Return a daily series of 120 steps, of which 40 are for validation and 20 for the test."""
    index = pd.date_range("2024-01-01", periods=120, freq="D")
    panel = Panel.from_series([TimeSeries(index, values[:, None])], ["a"])
    return panel, Split(np.array([60]), np.array([100]))


@pytest.mark.parametrize("name", BASELINES)
def test_the_best_baseline_on_the_validation_part_is_used(name: str) -> None:
    """The test part is of another kind, for which another one would be better."""
    noise, step = np.random.default_rng(0).standard_normal(120), np.arange(120)
    weekdays = np.array([0.0, 5, 1, 7, 2, 9, 3])
    kinds = {
        "seasonal naive": np.tile(weekdays, 18)[:120] + noise / 10,
        "naive": np.repeat([0, *[50, -50] * 5, 50], 10) + noise / 10,
        "drift": 3.0 * step + noise / 10,
        "moving average": noise,
    }
    values = kinds[name].copy()
    values[100:] = kinds["drift" if name != "drift" else "seasonal naive"][100:]
    spec = BacktestSpec(5, 1, 7, QuantileConfig())
    panel, split = panel_of(values)
    assert baseline_backtest(NLinearModel(4, 4), panel, split, spec).baseline == name
    # without a validation part, or with one shorter than a forecast
    for start in (100, 96):
        split = Split(np.array([start]), np.array([100]))
        found = baseline_backtest(NLinearModel(4, 4), panel, split, spec)
        assert found.baseline == "seasonal naive"


def test_validation_metrics_are_those_of_darts(config: Config, workdir: Path) -> None:
    (workdir / "run").mkdir()
    sizes = ["data.validation_size=12", "data.test_size=14", "data.scaler=none"]
    train(config(*FAST, *sizes, "metrics=[mae]"))
    run = load_run(workdir / "run", "cpu")
    data = run.load_data(5)
    errors = []
    covariates = data.to_series("future_covariates")
    for series, known_ahead in zip(data.to_series(), covariates, strict=True):
        # 80 steps, of which the last 14 are the test part
        known = series[:66].astype(np.float32)
        forecasts = run.model.historical_forecasts(
            known,
            future_covariates=known_ahead.astype(np.float32),
            start=54,
            start_format="position",
            forecast_horizon=5,
            stride=3,
            retrain=False,
            last_points_only=False,
        )
        assert len(forecasts) == 3
        errors += [darts.metrics.mae(known, forecast) for forecast in forecasts]
    found = run.metrics["validation"]
    assert found["model"]["mae"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found["baseline"]["mae"] > 0


def test_a_run_without_a_validation_part_has_no_validation_metrics(
    config: Config, workdir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workdir / "run").mkdir()
    train(config(*FAST, "data.validation_size=0", "callbacks=[]"))
    assert "validation" not in load_run(workdir / "run").metrics
    assert "validation" not in capsys.readouterr().out


def test_all_metrics_can_be_computed_from_the_file_of_forecasts(
    config: Config, workdir: Path
) -> None:
    """Two series of two components, of which some test values are missing, and quantiles."""
    random, days = np.random.default_rng(0), pd.date_range("2024-01-01", periods=80, freq="D")
    frames = [
        pd.DataFrame({"unique_id": name, "ds": days, **dict(zip("yz", values, strict=True))})
        for name, values in zip("ab", random.random((2, 2, 80)) + 1, strict=True)
    ]
    frames[0].loc[[67, 68, 72], "y"] = np.nan
    frames[1].loc[70:73, "z"] = np.nan
    pd.concat(frames).to_csv("two.csv", index=False)
    (workdir / "run").mkdir()
    data = ["data=csv", "data.path=two.csv", "data.target_columns=[y,z]"]
    sizes = ["data.validation_size=12", "data.test_size=15", "data.season_length=7"]
    own = [item for item in FAST if not item.startswith("data")]
    metrics = f"metrics=[{','.join(METRICS)}]"
    train(config(*own, *data, *sizes, metrics, "likelihood=quantile"))
    scores = json.loads(Path("run/metrics.json").read_text())
    table = pd.read_parquet("run/forecasts.parquet")
    assert (table["origin"] + table["step"] * pd.Timedelta("1D") == table["time"]).all()
    cells = pd.concat(frames).melt(["unique_id", "ds"], var_name="component", value_name="cell")
    merged = table.merge(
        cells, left_on=["series", "component", "time"], right_on=["unique_id", "component", "ds"]
    )
    assert len(merged) == len(table)
    assert (merged["cell"].notna() == merged["observed"]).all()
    known = merged[merged["observed"]]
    assert 0 < len(known) < len(table)
    np.testing.assert_allclose(known["truth"], known["cell"])
    parts = {
        (name, column): frame[column].to_numpy()[: 80 - 15 - 12]
        for name, frame in zip("ab", frames, strict=True)
        for column in "yz"
    }
    weights = known.groupby("series").size()
    for forecast in ("model", "baseline"):
        for metric in METRICS:
            unscaled = getattr(darts.metrics, SCALED.get(metric, metric))
            found: dict[str, list[float]] = {"a": [], "b": []}
            for (name, column), group in known.groupby(["series", "component"]):
                pair = (
                    TimeSeries.from_values(group[key].to_numpy()) for key in ("truth", forecast)
                )
                value, steps = unscaled(*pair), parts[name, column]
                season = steps[7:] - steps[:-7]
                divisor = {"mase": np.abs(season).mean(), "rmsse": np.sqrt((season**2).mean())}
                found[name].append(value / divisor.get(metric, 1.0))
            expected = np.average([np.mean(found[name]) for name in weights.index], weights=weights)
            assert scores["test"][forecast][metric] == pytest.approx(expected, rel=1e-6)
        deviations = [
            np.std(parts[key]) for key in zip(known["series"], known["component"], strict=True)
        ]
        errors = (known["truth"] - known[forecast]) / deviations
        assert scores["test_standardised"][forecast] == pytest.approx(
            {"mae": errors.abs().mean(), "mse": (errors**2).mean()}
        )
    absolute = [(known["truth"] - known[name]).abs().mean() for name in ("model", "baseline")]
    assert scores["skill"]["score"] == pytest.approx(1 - absolute[0] / absolute[1])
    truth = TimeSeries.from_values(known["truth"].to_numpy())
    columns = [f"q{level:g}" for level in LEVELS]
    names = [f"{truth.components[0]}_q{level:.3f}" for level in LEVELS]
    quantiles = TimeSeries.from_values(known[columns].to_numpy(), columns=names)
    assert scores["test_quantiles"] == pytest.approx(
        {
            "mql": np.mean(mql(truth, quantiles, q=LEVELS)),
            "coverage_80": mic(truth, quantiles, q_interval=(0.1, 0.9)),
            "width_80": miw(truth, quantiles, q_interval=(0.1, 0.9)),
        }
    )
    np.testing.assert_array_equal(known["q0.5"], known["model"])
