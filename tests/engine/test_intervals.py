"""Calibrated intervals are those of Darts, know no test part, and cover what they say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.metrics import incs_qr
from darts.models import ConformalNaiveModel, NLinearModel, TiDEModel
from darts.utils.likelihood_models.torch import QuantileRegression
from my_forecast.config import QuantileConfig
from my_forecast.data import Panel, Scalers, Split
from my_forecast.errors import UserError
from my_forecast.evaluation.backtest import Backtest, BacktestSpec, backtest
from my_forecast.intervals import calibrate
from my_forecast.modeling.bundle import Bundle

QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
NO_PINS = {"pin_memory": False}
LEVELS = QuantileConfig(levels=[0.1, 0.25, 0.5, 0.75, 0.9])
HORIZON = 3
SPEC = BacktestSpec(HORIZON, stride=1, season_length=7, quantiles=LEVELS)
SPLIT = Split(np.array([80, 80]), np.array([120, 120]))


def make_data(noise: float = 1.0, seed: int = 0) -> Panel:
    """Return two noisy series of two components, whose scales differ by a factor of ten."""
    random = np.random.default_rng(seed)
    index = pd.date_range("2024-01-01", periods=160, freq="D")
    season = np.sin(np.arange(160) / 3)[:, None]
    targets = [
        TimeSeries(index, scale * (season + noise * random.standard_normal((160, 2))))
        for scale in (1, 10)
    ]
    return Panel.from_series(targets, ["a", "b"])


def make_bundle(data: Panel, model_class: Any = NLinearModel, **arguments: Any) -> Bundle:
    model = model_class(8, 4, n_epochs=1, random_state=0, pl_trainer_kwargs=QUIET, **arguments)
    train = replace(data, targets=SPLIT.train(data.targets)).to_series()
    model.fit([series.astype(np.float32) for series in train], dataloader_kwargs=NO_PINS)
    return Bundle(model, Scalers(data.names, None, None, None))


def calibrated(bundle: Bundle, data: Panel) -> Backtest:
    return backtest(bundle, data, SPLIT, SPEC).calibrated(calibrate(bundle, data, SPLIT, SPEC))


def darts_intervals(model: Any, data: Panel) -> list[np.ndarray]:
    """Return Darts' forecasts from the end of the validation part: (horizon, 2, levels)."""
    known = [series.astype(np.float32)[:120] for series in data.to_series()]
    forecasts = model.predict(
        HORIZON, known, predict_likelihood_parameters=True, dataloader_kwargs=NO_PINS
    )
    return [one.values().reshape(HORIZON, 2, len(LEVELS.levels)) for one in forecasts]


def test_intervals_of_a_point_model_are_those_of_darts() -> None:
    data = make_data()
    bundle = make_bundle(data)
    conformal = ConformalNaiveModel(bundle.model, LEVELS.levels, cal_length=40)
    result = calibrated(bundle, data)
    assert not result.uncalibrated
    # the first forecast of each series
    first = np.searchsorted(result.origins.series, [0, 1])
    assert result.origins.position[first].tolist() == [120, 120]
    for number, expected in zip(first, darts_intervals(conformal, data), strict=True):
        for place, level in enumerate(LEVELS.levels):
            np.testing.assert_allclose(
                result.quantiles[level][number], expected[..., place], rtol=1e-4, atol=1e-5
            )


def test_intervals_of_a_quantile_model_are_those_of_darts() -> None:
    """By its scores: Darts' model estimates the quantiles that they are of from samples."""
    data = make_data()
    bundle = make_bundle(data, TiDEModel, likelihood=QuantileRegression(LEVELS.levels))
    margins = calibrate(bundle, data, SPLIT, SPEC).margins
    assert list(margins) == [(0.1, 0.9), (0.25, 0.75)]
    for number, series in enumerate(data.to_series()):
        known = series.astype(np.float32)[:120]
        forecasts = bundle.model.historical_forecasts(
            known,
            forecast_horizon=HORIZON,
            start=80 - HORIZON + 1,
            overlap_end=True,
            retrain=False,
            last_points_only=False,
            predict_likelihood_parameters=True,
            predict_kwargs={"dataloader_kwargs": NO_PINS},
        )
        # those of this project never cross
        ordered = [
            one.with_values(np.sort(one.values().reshape(-1, 2, 5)).reshape(-1, 10, 1))
            for one in forecasts
        ]
        for interval, found in margins.items():
            # (forecasts, horizon, components), with what lies beyond the validation part unknown
            scores = np.full((len(forecasts), HORIZON, 2), np.nan)
            # the last one lies beyond it as a whole
            for place, one in enumerate(ordered[:-1]):
                values = incs_qr(known, one, q_interval=interval, component_reduction=None)
                scores[place, : values.size // 2] = values.reshape(-1, 2)
            for step in range(HORIZON):
                # those whose truth is one of the 40 steps of the validation part
                of_step = np.sort(scores[HORIZON - 1 - step :, step][:40], axis=0)
                # 41 * 0.8 and 41 * 0.5, rounded up
                rank = {(0.1, 0.9): 33, (0.25, 0.75): 21}[interval]
                np.testing.assert_allclose(
                    found[number][step], of_step[rank - 1], rtol=1e-4, atol=1e-5
                )
    result = calibrated(bundle, data)
    widest = margins[0.1, 0.9][result.origins.series]
    np.testing.assert_allclose(
        result.quantiles[0.9],
        np.maximum(result.uncalibrated[0.9] + widest, result.quantiles[0.75]),
    )


def test_calibration_sees_nothing_of_the_test_part() -> None:
    data, other = make_data(), make_data(seed=1)
    mixed = [
        TimeSeries(one.time_index, np.concatenate([one.values()[:120], two.values()[120:]]))
        for one, two in zip(data.to_series(), other.to_series(), strict=True)
    ]
    bundle = make_bundle(data)
    first, second = (
        calibrate(bundle, one, SPLIT, SPEC) for one in (data, Panel.from_series(mixed, data.names))
    )
    for interval, margins in first.margins.items():
        np.testing.assert_array_equal(margins, second.margins[interval])


def test_coverage_is_what_was_asked_for() -> None:
    """The quantiles of a model that was trained on calm data cover too little."""
    bundle = make_bundle(
        make_data(0.1), TiDEModel, likelihood=QuantileRegression(LEVELS.levels), batch_size=4
    )
    covered: dict[str, list[float]] = {"quantiles": [], "uncalibrated": []}
    for seed in range(8):
        data = make_data(2.0, seed)
        result = calibrated(bundle, data)
        for name, found in covered.items():
            levels = getattr(result, name)
            inside = (levels[0.1] <= result.truth) & (result.truth <= levels[0.9])
            found += [float(inside[result.origins.series == number].mean()) for number in range(2)]
            nested = np.stack([levels[level] for level in LEVELS.levels])
            assert (np.diff(nested, axis=0) >= 0).all()
    assert np.mean(covered["uncalibrated"]) < 0.6
    assert np.mean(covered["quantiles"]) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("split", "levels", "message"),
    [
        (Split(SPLIT.test_start, SPLIT.test_start), [0.1, 0.5, 0.9], "has no validation part"),
        (SPLIT, [0.5], "is not an interval"),
        (
            Split(np.array([6, 6]), np.array([9, 9])),
            [0.1, 0.5, 0.9],
            "validation part of a is too short",
        ),
    ],
)
def test_what_cannot_be_calibrated_is_refused(
    split: Split, levels: list[float], message: str
) -> None:
    data = make_data()
    spec = replace(SPEC, quantiles=QuantileConfig(levels=levels))
    with pytest.raises(UserError, match=message):
        calibrate(make_bundle(data), data, split, spec)
