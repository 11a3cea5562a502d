"""Scores of quantile forecasts are those of Darts."""

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.metrics import mic, miw, mql
from hypothesis import given
from hypothesis import strategies as st

from my_forecast.intervals import (
    quantile_metrics,
)

LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
NAMES = [f"value_q{level:.3f}" for level in LEVELS]


@given(windows=st.integers(1, 4), horizon=st.integers(1, 4), seed=st.integers(0, 9))
def test_scores_are_those_of_darts(windows: int, horizon: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.standard_normal((windows, horizon, 1))
    forecasts = np.sort(random.standard_normal((windows, horizon, len(LEVELS))))
    quantiles = {level: [forecasts[..., [number]]] for number, level in enumerate(LEVELS)}
    scores = quantile_metrics([truth], quantiles)

    index = pd.date_range("2024-01-01", periods=horizon, freq="D")
    pairs = [
        (TimeSeries(index, actual, components=["value"]), TimeSeries(index, own, components=NAMES))
        for actual, own in zip(truth, forecasts, strict=True)
    ]
    actual, predicted = map(list, zip(*pairs, strict=True))
    assert scores["mql"] == pytest.approx(np.mean(mql(actual, predicted, q=LEVELS)))
    for low, high, name in ((0.05, 0.95, "90"), (0.25, 0.75, "50")):
        covered = np.mean(mic(actual, predicted, q_interval=(low, high)))
        width = np.mean(miw(actual, predicted, q_interval=(low, high)))
        assert scores[f"coverage_{name}"] == pytest.approx(covered)
        assert scores[f"width_{name}"] == pytest.approx(width)
