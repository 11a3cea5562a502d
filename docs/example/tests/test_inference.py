"""Gathered forecasts are those of Darts' own backtest, for every kind of input a model reads."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.models import NHiTSModel, NLinearModel, RNNModel, TiDEModel
from hypothesis import given, settings
from hypothesis import strategies as st

from my_forecast.data import (
    SeriesSet,
)
from my_forecast.errors import (
    UserError,
)
from my_forecast.inference import (
    forecast_from,
    last_start,
)

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
    random = np.random.default_rng(length + width)
    index = pd.date_range("2024-01-01", periods=start + length, freq="D")[start:]
    series = TimeSeries(index, random.standard_normal((length, width)).astype(np.float32))
    if static:
        series = series.with_static_covariates(pd.DataFrame({"size": [1.0]}))
    return series


@settings(deadline=None, max_examples=25)
@given(
    model_class=st.sampled_from([TiDEModel, NLinearModel, NHiTSModel, RNNModel]),
    lengths=st.lists(st.integers(22, 30), min_size=1, max_size=3),
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
    data = SeriesSet(
        [str(number) for number in range(len(lengths))],
        [make_series(n, components, 3, static) for n in lengths],
        [make_series(n + 3 + spare, 2, 0) for n in lengths]
        if past and model.supports_past_covariates
        else None,
        [make_series(n + 3 + spare, 3, 0) for n in lengths]
        if future and model.supports_future_covariates
        else None,
    )
    covariates = {
        "past_covariates": data.past_covariates,
        "future_covariates": data.future_covariates,
    }
    model.fit(data.targets, **covariates, dataloader_kwargs=NO_PINS)
    expected = model.historical_forecasts(
        data.targets,
        **covariates,
        forecast_horizon=horizon,
        stride=stride,
        retrain=False,
        last_points_only=False,
        predict_kwargs={"dataloader_kwargs": NO_PINS},
    )
    starts = []
    for number, windows in enumerate(expected):
        series = data.targets[number]
        first = int(series.time_index.get_loc(windows[0].start_time())) - model.output_chunk_shift
        last = last_start(model, data, number, horizon)
        starts.append(np.arange(first, last + 1, stride))
    forecasts = forecast_from(model, data, starts, horizon)
    for windows, values in zip(expected, forecasts, strict=True):
        darts = np.stack([window.values() for window in windows])
        np.testing.assert_allclose(values, darts, rtol=1e-5, atol=1e-5)


def test_covariates_that_end_too_soon_are_refused() -> None:
    model = TiDEModel(8, 4, random_state=0, pl_trainer_kwargs=QUIET)
    data = SeriesSet(["a"], [make_series(30, 1, 0)], None, [make_series(30, 1, 0)])
    model.fit(data.targets, future_covariates=data.future_covariates, dataloader_kwargs=NO_PINS)
    assert last_start(model, data, 0, 4) == 26
    with pytest.raises(UserError, match=r"future_covariates of series 0.* and 1 after"):
        forecast_from(model, data, [np.array([20, 27])], 4)
