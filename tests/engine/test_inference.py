"""Gathered forecasts are those of Darts' own backtest, for every kind of input a model reads."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.models import NHiTSModel, NLinearModel, RNNModel, TiDEModel
from darts.utils.likelihood_models.torch import (
    GaussianLikelihood,
    LaplaceLikelihood,
    QuantileRegression,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.config import QuantileConfig
from my_forecast.data import Panel
from my_forecast.errors import UserError
from my_forecast.evaluation import inference
from my_forecast.evaluation.inference import (
    Origins,
    forecast_scaled,
    last_origins,
)
from scipy.stats import norm

QUIET = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
    "max_epochs": 1,
}
NO_PINS = {"pin_memory": False}


def make_series(length: int, width: int, start: int, static: bool = False) -> TimeSeries:
    """Return random daily float32 series that starts ``start`` days after the others may."""
    random = np.random.default_rng([length, width, start])
    index = pd.date_range("2024-01-01", periods=start + length, freq="D")[start:]
    series = TimeSeries(index, random.standard_normal((length, width)).astype(np.float32))
    if static:
        series = series.with_static_covariates(pd.DataFrame({"size": [1.0]}))
    return series


@settings(max_examples=25)
@given(
    model_class=st.sampled_from([TiDEModel, NLinearModel, NHiTSModel, RNNModel]),
    lengths=st.lists(st.integers(22, 30), min_size=1, max_size=3),
    starts=st.tuples(*[st.integers(3, 9)] * 3),
    components=st.integers(1, 2),
    horizon=st.integers(1, 9),
    stride=st.integers(1, 3),
    past=st.booleans(),
    future=st.booleans(),
    static=st.booleans(),
    shift=st.integers(0, 2),
    encoders=st.booleans(),
    spare=st.integers(0, 6),
)
def test_forecasts_equal_those_of_darts(
    model_class: Any,
    lengths: list[int],
    starts: tuple[int, ...],
    components: int,
    horizon: int,
    stride: int,
    past: bool,
    future: bool,
    static: bool,
    shift: int,
    encoders: bool,
    spare: int,
) -> None:
    arguments: dict[str, Any] = {"output_chunk_length": 4}
    if model_class is RNNModel:
        arguments = {"training_length": 10}
    elif horizon <= 4:
        arguments["output_chunk_shift"] = shift
    if model_class is NLinearModel:
        arguments["shared_weights"] = False
    if encoders and model_class in (TiDEModel, RNNModel):
        arguments["add_encoders"] = {"datetime_attribute": {"future": ["month"]}}
    model = model_class(8, **arguments, random_state=0, pl_trainer_kwargs=QUIET)

    def group(width: int, early: int, late: int, static: bool = False) -> list[TimeSeries]:
        return [
            make_series(n + early + late, width, start - early, static)
            for n, start in zip(lengths, starts, strict=False)
        ]

    targets = group(components, 0, 0, static)
    covariates = {
        "past_covariates": group(2, 3, spare) if past and model.supports_past_covariates else None,
        "future_covariates": group(3, 3, spare)
        if future and model.supports_future_covariates
        else None,
    }
    data = Panel.from_series(targets, [str(number) for number in range(len(lengths))], **covariates)
    model.fit(targets, **covariates, dataloader_kwargs=NO_PINS)
    expected = model.historical_forecasts(
        targets,
        **covariates,
        forecast_horizon=horizon,
        stride=stride,
        retrain=False,
        last_points_only=False,
        predict_kwargs={"dataloader_kwargs": NO_PINS},
    )
    times = [data.times.get_loc(windows[0].start_time()) for windows in expected]
    first = np.array(times) - model.output_chunk_shift
    origins = Origins.between(first, last_origins(model, data, horizon), stride)
    assert origins.counts(len(lengths)).tolist() == [len(windows) for windows in expected]
    found = forecast_scaled(model, data, origins, horizon, QuantileConfig()).point
    darts = np.stack([window.values() for windows in expected for window in windows])
    np.testing.assert_allclose(found, darts, rtol=1e-5, atol=1e-5)


def test_covariates_that_end_too_soon_are_refused() -> None:
    model = TiDEModel(8, 4, random_state=0, pl_trainer_kwargs=QUIET)
    series = [make_series(30, 1, 0)]
    data = Panel.from_series(series, ["a"], future_covariates=series)
    model.fit(series, future_covariates=series, dataloader_kwargs=NO_PINS)
    assert last_origins(model, data, 4).tolist() == [26]
    origins = Origins(np.array([0, 0]), np.array([20, 27]))
    with pytest.raises(UserError, match=r"future_covariates of series 0.* and 1 after"):
        forecast_scaled(model, data, origins, 4, QuantileConfig())


LEVELS = [0.05, 0.5, 0.95]


@settings(max_examples=12)
@given(
    likelihood=st.sampled_from([QuantileRegression(LEVELS), LaplaceLikelihood()]),
    model_class=st.sampled_from([TiDEModel, RNNModel]),
    lengths=st.lists(st.integers(22, 30), min_size=1, max_size=2),
    components=st.integers(1, 2),
    horizon=st.integers(1, 6),
    encoders=st.booleans(),
    seed=st.integers(0, 3),
)
def test_quantiles_equal_those_of_darts(
    likelihood: Any,
    model_class: Any,
    lengths: list[int],
    components: int,
    horizon: int,
    encoders: bool,
    seed: int,
) -> None:
    arguments: dict[str, Any] = {"output_chunk_length": 4}
    if model_class is RNNModel:
        arguments = {"training_length": 10}
    if encoders:
        arguments["add_encoders"] = {"datetime_attribute": {"future": ["month"]}}
    model = model_class(
        8, **arguments, likelihood=likelihood, random_state=0, pl_trainer_kwargs=QUIET
    )
    targets = [make_series(n, components, number) for number, n in enumerate(lengths)]
    data = Panel.from_series(targets, [str(n) for n in range(len(lengths))])
    model.fit(targets, dataloader_kwargs=NO_PINS)
    own = isinstance(likelihood, QuantileRegression) and horizon <= model.output_chunk_length
    how: dict[str, Any] = {"num_samples": 30}
    if own:
        how = {"predict_likelihood_parameters": True}
    if encoders:
        # not gathered but forecast by the same method, which draws from the state twice
        how["random_state"] = np.random.RandomState(seed)
    else:
        how.update(random_state=seed, batch_size=inference.BATCH_SIZE)
    starts = [8, 12, 15]
    histories = [series[:start] for series in targets for start in starts]
    positions = data.targets.start[:, None] + starts
    origins = Origins(np.repeat(np.arange(len(lengths)), 3), positions.ravel())
    expected = model.predict(
        horizon,
        histories,
        **how,
        dataloader_kwargs=NO_PINS,
    )
    wanted = QuantileConfig(levels=LEVELS, num_samples=30, seed=seed)
    quantiles = forecast_scaled(model, data, origins, horizon, wanted).quantiles
    found = np.stack([quantiles[level] for level in LEVELS], axis=-1)
    for forecast, values in zip(expected, found, strict=True):
        if own:
            darts = forecast.values().reshape(horizon, components, len(LEVELS))
        else:
            darts = np.stack([forecast.quantile(level).values() for level in LEVELS], axis=-1)
        np.testing.assert_allclose(values, np.sort(darts, axis=-1), rtol=1e-5, atol=1e-5)


def test_sampled_quantiles_are_those_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where only a few forecasts fit into the memory at once; and they repeat exactly."""
    model = TiDEModel(
        8, 4, likelihood=GaussianLikelihood(), random_state=0, pl_trainer_kwargs=QUIET
    )
    series = make_series(30, 2, 0)
    data = Panel.from_series(series, ["a"])
    model.fit(series, dataloader_kwargs=NO_PINS)
    origins = Origins.between(np.array([8]), np.array([25]))
    histories = [series[:start] for start in range(8, 26)]
    darts = model.predict(
        4, histories, predict_likelihood_parameters=True, dataloader_kwargs=NO_PINS
    )
    parameters = np.stack([forecast.values() for forecast in darts]).reshape(18, 4, 2, 2)
    mean, deviation = parameters[..., 0], parameters[..., 1]
    monkeypatch.setattr(inference, "MAX_SAMPLED_VALUES", 5 * 4000 * 4 * 2)
    wanted = QuantileConfig(levels=LEVELS, num_samples=4000, seed=1)
    found, again = (forecast_scaled(model, data, origins, 4, wanted).quantiles for _ in range(2))
    for level in LEVELS:
        errors = (found[level] - mean) / deviation - norm.ppf(level)
        assert np.abs(errors).max() < 0.2
        assert np.abs(errors).mean() < 0.05
        np.testing.assert_array_equal(found[level], again[level])


def test_quantiles_that_were_not_learned_are_refused() -> None:
    model = TiDEModel(
        8, 4, likelihood=QuantileRegression(LEVELS), random_state=0, pl_trainer_kwargs=QUIET
    )
    series = make_series(30, 1, 0)
    model.fit(series, dataloader_kwargs=NO_PINS)
    data, wanted = Panel.from_series(series, ["a"]), QuantileConfig(levels=[0.1, 0.5, 0.9])
    with pytest.raises(UserError, match=r"did not learn 0.1\. .*\[0.05, 0.5"):
        forecast_scaled(model, data, Origins(np.array([0]), np.array([20])), 4, wanted)
