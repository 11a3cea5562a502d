"""The numbers of the evaluation, checked by hand and against Darts."""

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.models import NaiveSeasonal
from hypothesis import given
from hypothesis import strategies as st

from my_forecast.evaluation import (
    Backtest,
    metrics,
    metrics_by_step,
    seasonal_naive,
)


@given(length=st.integers(8, 30), season=st.integers(1, 8), horizon=st.integers(1, 20))
def test_the_baseline_is_darts_naive_seasonal(length: int, season: int, horizon: int) -> None:
    values = np.random.default_rng(length).standard_normal((length, 2))
    forecast = seasonal_naive(values, np.array([length]), horizon, season)[0]
    index = pd.date_range("2024-01-01", periods=length, freq="D")
    for component in range(2):
        model = NaiveSeasonal(season).fit(TimeSeries(index, values[:, [component]]))
        np.testing.assert_allclose(forecast[:, [component]], model.predict(horizon).values())


def test_metrics_by_hand() -> None:
    """Two series, of one and two windows, two steps, one component."""
    truth = [np.array([[[1.0], [2.0]]]), np.array([[[0.0], [0.0]], [[4.0], [4.0]]])]
    model = [np.array([[[2.0], [2.0]]]), np.array([[[0.0], [3.0]], [[4.0], [2.0]]])]
    baseline = [np.zeros_like(part) for part in truth]
    result = Backtest(
        starts=[np.array([0]), np.array([0, 1])],
        truth=truth,
        forecasts={"model": model, "baseline": baseline},
        deviations=[np.array([1.0]), np.array([2.0])],
    )
    scores = metrics(result)
    # errors of the model: 1, 0 | 0, 3 | 0, -2; the second series has a deviation of 2
    assert scores["test"]["model"] == {"mae": pytest.approx(1.0), "mse": pytest.approx(14 / 6)}
    assert scores["test_standardised"]["model"] == {
        "mae": pytest.approx(3.5 / 6),
        "mse": pytest.approx((1 + 2.25 + 1) / 6),
    }
    assert scores["test"]["baseline"]["mae"] == pytest.approx((1 + 2 + 4 + 4) / 6)
    table = metrics_by_step(result)
    assert table["step"].tolist() == [1, 2]
    assert table["model_mae"].tolist() == pytest.approx([1 / 3, 5 / 3])
    assert table["model_mse"].tolist() == pytest.approx([1 / 3, 13 / 3])
