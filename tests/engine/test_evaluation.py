"""The numbers of the evaluation, checked by hand and against Darts."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import darts.metrics
import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.metrics import mic, miw, mql
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.config import DartsMetric, TrainConfig, check_config
from my_forecast.data import Panel
from my_forecast.errors import UserError
from my_forecast.evaluation.backtest import Backtest, training_scale
from my_forecast.evaluation.inference import Origins
from my_forecast.evaluation.metrics import compute_metrics, quantile_scores, worst_series
from my_forecast.evaluation.skill import compute_skill, skill_by_series
from omegaconf import DictConfig
from scipy.stats import ttest_1samp

METRICS = get_args(DartsMetric)


def series(values: np.ndarray, start: int = 0) -> TimeSeries:
    return TimeSeries(pd.RangeIndex(start, start + len(values)), values)


def backtest_of(
    truth: list[np.ndarray],
    model: list[np.ndarray],
    baseline: list[np.ndarray] | None = None,
    train: list[np.ndarray] | None = None,
    season_length: int = 1,
) -> Backtest:
    """Return a backtest with one window a step, of arrays (windows, horizon, components)."""
    rises = [np.arange(5.0)[:, None].repeat(part.shape[2], axis=1) for part in truth]
    known = Panel.from_series([series(part) for part in train or rises])
    naive = baseline or [np.zeros_like(part) for part in truth]
    return Backtest(
        names=[f"series {number}" for number in range(len(truth))],
        origins=Origins(
            np.concatenate([np.full(len(part), number) for number, part in enumerate(truth)]),
            np.concatenate([np.arange(len(part)) for part in truth]),
        ),
        truth=np.concatenate(truth),
        forecasts={"model": np.concatenate(model), "baseline": np.concatenate(naive)},
        scale=training_scale(known.targets, season_length),
    )


def test_metrics_by_hand() -> None:
    """Two series, of one and two windows, two steps, one component."""
    truth = [np.array([[[1.0], [2.0]]]), np.array([[[0.0], [0.0]], [[4.0], [4.0]]])]
    model = [np.array([[[2.0], [2.0]]]), np.array([[[0.0], [3.0]], [[4.0], [2.0]]])]
    # deviations of 1 and 2; a step changes them by 2 and 4
    train = [np.array([[1.0], [3.0], [1.0], [3.0]]), np.array([[0.0], [4.0], [0.0], [4.0]])]
    result = backtest_of(truth, model, train=train)
    found = compute_metrics(result, ["mae", "mse", "rmse", "mase", "rmsse"])
    # errors of the model: 1, 0 | 0, 3 | 0, -2; each of the three forecasts counts alike
    assert found.test["model"] == {
        "mae": pytest.approx(1.0),
        "mse": pytest.approx(14 / 6),
        "rmse": pytest.approx((0.5**0.5 + 2 * 3.25**0.5) / 3),
        "mase": pytest.approx((0.5 / 2 + 2 * 1.25 / 4) / 3),
        "rmsse": pytest.approx((0.5**0.5 / 2 + 2 * 3.25**0.5 / 4) / 3),
    }
    assert found.test_standardised["model"] == {
        "mae": pytest.approx(3.5 / 6),
        "mse": pytest.approx((1 + 2.25 + 1) / 6),
    }
    assert found.test["baseline"]["mae"] == pytest.approx((1 + 2 + 4 + 4) / 6)
    table = found.by_step
    assert table["step"].tolist() == [1, 2]
    assert table["model_mae"].tolist() == pytest.approx([1 / 3, 5 / 3])
    assert table["model_mse"].tolist() == pytest.approx([1 / 3, 13 / 3])
    assert table["model_mase"].tolist() == pytest.approx([1 / 2 / 3, 5 / 4 / 3])
    assert found.by_series["series"].tolist() == ["series 0", "series 1"]
    assert found.by_series["windows"].tolist() == [1, 2]
    assert found.by_series["model_mase"].tolist() == pytest.approx([0.25, 0.3125])


@given(data=st.data())
@settings(max_examples=8)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_metrics_are_those_of_darts_for_every_series_and_step(data: st.DataObject) -> None:
    """Darts gets one series after the other, with the training part as ``insample``."""
    windows = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4), label="windows")
    horizon = data.draw(st.integers(2, 4), label="horizon")
    components = data.draw(st.integers(1, 3), label="components")
    season = data.draw(st.integers(1, 6), label="season")
    random = np.random.default_rng(data.draw(st.integers(0, 99), label="seed"))
    shapes = [(count, horizon, components) for count in windows]
    truth, model = ([random.random(shape) + 1 for shape in shapes] for _ in range(2))
    train = [random.random((20, components)) for _ in shapes]
    found = compute_metrics(backtest_of(truth, model, None, train, season), METRICS)

    def expected(name: str, number: int, step: int | None) -> float:
        steps = slice(None) if step is None else slice(step, step + 1)
        pair = [part[number][:, steps].reshape(-1, components) for part in (truth, model)]
        scaled = name in ("mase", "msse", "rmsse")
        insample = (series(train[number]), season) if scaled else ()
        metric = getattr(darts.metrics, name)
        return float(metric(*(series(part, start=20) for part in pair), *insample))

    weights = np.array(windows)
    for name in METRICS:
        by_series = [expected(name, number, None) for number in range(len(windows))]
        np.testing.assert_allclose(found.by_series[f"model_{name}"], by_series, rtol=1e-6)
        mean = np.average(by_series, weights=weights)
        np.testing.assert_allclose(found.test["model"][name], mean, rtol=1e-6)
        for step in range(horizon):
            values = np.array([expected(name, number, step) for number in range(len(windows))])
            known = ~np.isnan(values)
            if known.any():
                mean = np.average(values[known], weights=weights[known])
                np.testing.assert_allclose(found.by_step[f"model_{name}"][step], mean, rtol=1e-6)


def test_every_point_metric_of_darts_is_known() -> None:
    """What is missing measures something else, or needs more than one step."""
    others = {
        *("accuracy", "confusion_matrix", "f1", "precision", "recall"),
        *("ic", "incs_qr", "iw", "iws", "mic", "mincs_qr", "miw", "miws"),
        *("crps", "mcrps", "ql", "mql", "qr"),
        *("ae", "ape", "arre", "ase", "err", "sape", "se", "sle", "sse"),
        *("autc", "dtw_metric"),
    }
    named = {name for name in darts.metrics.__all__ if name.islower()}
    assert set(METRICS) == named - others


def test_what_would_divide_by_zero_is_left_out_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The second series repeats itself but for rounding, the third is always zero."""
    truth = [np.full((4, 2, 1), value) for value in (1.0, 5.0, 0.0)]
    model = [part + 1 for part in truth]
    train = [np.arange(5.0)[:, None], 0.1 + np.tile([1.0, 2.0], 9)[:, None], np.zeros((9, 1))]
    train[1][::4] = (train[1][::4] * 3) / 3
    found = compute_metrics(
        backtest_of(truth, model, truth, train, season_length=2), ["mae", "mase"]
    )
    assert found.test["model"] == {"mae": 1.0, "mase": 0.5}
    assert found.by_series["model_mase"].isna().tolist() == [False, True, True]
    assert not found.by_step.isna().any(axis=None)
    assert "mase divides by zero for 2 series" in caplog.text
    assert "series 1, series 2" in caplog.text

    found = compute_metrics(backtest_of(truth[2:], model[2:]), ["mape", "mae"])
    assert found.test["model"] == {"mape": None, "mae": 1.0}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("[mae,rmsee]", r"^metrics: 'rmsee' must be mae, mse, .*\. Did you mean rmse"),
        ("[42]", r"^metrics: 42 must be mae, mse, .*"),
        ("[]", r"^metrics: \[\] must be .*at least one"),
        ("mae", r"^metrics: 'mae' must be a list"),
    ],
)
def test_a_metric_that_does_not_exist_is_refused(
    names: str, message: str, config: Callable[..., DictConfig]
) -> None:
    with pytest.raises(UserError, match=message):
        check_config(config(f"metrics={names}"), TrainConfig)


def panel_of(errors: np.ndarray, horizon: int, stride: int = 1) -> Backtest:
    """Return a backtest whose model errs by ``errors`` (series, windows), its baseline by 1."""
    shape = (errors.shape[1], horizon, 1)
    truth = [np.zeros(shape) for _ in errors]
    model = [np.broadcast_to(row[:, None, None], shape) for row in errors]
    result = backtest_of(truth, model, [np.ones(shape) for _ in errors])
    return replace(result, origins=Origins(result.origins.series, result.origins.position * stride))


def test_skill_by_hand() -> None:
    """Two series with eight forecasts of one step each: four blocks of two origins."""
    errors = np.array([[0.2, 0.4, 0.6, 0.6, 0.2, 0.4, 0.5, 0.5], [0.5] * 8])
    result = panel_of(errors, horizon=1)
    found = compute_skill(result)
    assert found.score == pytest.approx(1 - errors.mean())
    assert found.blocks == 4
    # means of the blocks over both series: 0.6, 0.45, 0.6, 0.5
    assert found.p_value == pytest.approx(ttest_1samp([0.6, 0.45, 0.6, 0.5], 0).pvalue)
    np.testing.assert_allclose(skill_by_series(result), [0.575, 0.5])
    # two steps later, the second series gives the second to the fifth of five blocks
    series, position = result.origins.series, result.origins.position
    found = compute_skill(replace(result, origins=Origins(series, position + 2 * series)))
    expected = [0.7, 0.45, 0.6, 0.5, 0.5]
    assert found.p_value == pytest.approx(ttest_1samp(expected, 0).pvalue)


def test_the_test_of_skill_is_not_fooled_by_overlapping_forecasts() -> None:
    """Two equally good models: a difference at the level of 5 % is found in 5 to 10 of 100."""
    random, horizon, found = np.random.default_rng(0), 12, []
    for _ in range(1000):
        steps = random.standard_normal((1, 144))
        overlapping = np.lib.stride_tricks.sliding_window_view(steps, horizon, axis=1).mean(axis=2)
        found.append(compute_skill(panel_of(1 + overlapping / 10, horizon)).p_value)
    assert 0.03 < np.mean(np.array(found) < 0.05) < 0.1


@pytest.mark.parametrize(
    ("windows", "horizon", "stride", "blocks"),
    [(60, 10, 1, 3), (59, 10, 1, 2), (90, 10, 10, 10), (4, 1, 5, 4)],
)
def test_blocks_span_two_horizons(windows: int, horizon: int, stride: int, blocks: int) -> None:
    errors = np.random.default_rng(0).random((1, windows))
    found = compute_skill(panel_of(errors, horizon, stride))
    assert found.blocks == blocks
    assert (found.p_value is None) == (blocks < 3)


def test_a_baseline_without_errors_gives_no_skill() -> None:
    truth = [np.ones((9, 1, 1))]
    found = compute_skill(backtest_of(truth, [truth[0] + 1], truth))
    assert found.score is None
    assert np.isnan(skill_by_series(backtest_of(truth, truth, truth))).all()


def test_a_model_compared_with_itself_says_so() -> None:
    random = np.random.default_rng(0)
    truth, model = random.random((9, 1, 1)), random.random((9, 1, 1))
    found = compute_skill(backtest_of([truth], [model], [model]))
    assert found.score == 0
    assert "equal to that of the seasonal naive forecast" in str(found)


def test_the_worst_series_come_first() -> None:
    table = pd.DataFrame(
        {
            "series": ["a", "b", "c"],
            "model_mase": [1.0, np.nan, 2.0],
            "skill": [-1.0, 0.5, 0.0],
        }
    )
    assert worst_series(table, 2)["series"].tolist() == ["c", "a"]
    assert worst_series(table.drop(columns="model_mase"), 2)["series"].tolist() == ["a", "c"]


LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]


NAMES = [f"value_q{level:.3f}" for level in LEVELS]


@given(windows=st.integers(1, 4), horizon=st.integers(1, 4), seed=st.integers(0, 9))
def test_scores_are_those_of_darts(windows: int, horizon: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = random.standard_normal((windows, horizon, 1))
    forecasts = np.sort(random.standard_normal((windows, horizon, len(LEVELS))))
    quantiles = {level: forecasts[..., [number]] for number, level in enumerate(LEVELS)}
    scores = quantile_scores(truth, quantiles)

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
