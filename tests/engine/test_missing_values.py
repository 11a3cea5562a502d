"""Values that were missing and have been filled change no score."""

from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.models import NLinearModel
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.config import DartsMetric, DataConfig, QuantileConfig
from my_forecast.data import IN_MEMORY, Panel, Split
from my_forecast.data.checks import Problems
from my_forecast.data.gaps import fill_gaps
from my_forecast.data.split import divide, split_components
from my_forecast.errors import UserError
from my_forecast.evaluation.backtest import Backtest, BacktestSpec, baseline_backtest
from my_forecast.evaluation.metrics import Metrics, compute_metrics, quantile_scores
from my_forecast.evaluation.skill import Skill, compute_skill
from my_forecast.intervals import calibrate
from my_forecast.loading.hardware import detect_hardware
from my_forecast.modeling.fit import make_windows, scale_data

from engine.series import COMMON
from engine.test_intervals import SPEC as CALIBRATION
from engine.test_intervals import SPLIT as CALIBRATED
from engine.test_intervals import make_bundle, make_data

METRICS = get_args(DartsMetric)
LENGTH, HORIZON = 60, 3
# a baseline reads filled values, as a model does, and so does the choice of the best one
SPEC = BacktestSpec(HORIZON, 2, 7, QuantileConfig(), baseline="seasonal naive")


def known_panel(series: int, seed: int) -> Panel:
    """Return daily series of two positive components."""
    random, index = np.random.default_rng(seed), pd.date_range("2024-01-01", periods=LENGTH)
    targets = [TimeSeries(index, random.random((LENGTH, 2)) + 1) for _ in range(series)]
    return Panel.from_series(targets, [f"series {number}" for number in range(series)])


def without(panel: Panel, missing: np.ndarray, fill: str = "linear") -> tuple[Panel, Split]:
    """Fill the cells of ``missing``, shaped as the targets, and divide the panel."""
    config, problems = DataConfig(**(COMMON | {"fill": fill})), Problems("test")
    values = np.where(missing, np.nan, panel.targets.values)
    filled = fill_gaps(
        replace(panel, targets=replace(panel.targets, values=values)), config, problems
    )
    assert not problems
    return filled, divide(filled, config)


def scores(
    panel: Panel, split: Split, seed: int
) -> tuple[Backtest, Metrics, Skill, dict[str, float]]:
    """Score random forecasts, which do not depend on the data."""
    windows, random = (
        baseline_backtest(NLinearModel(4, 4), panel, split, SPEC),
        np.random.default_rng(seed),
    )
    low, model, high = np.sort(random.random((3, *windows.truth.shape)) + 1, axis=0)
    found = replace(windows, forecasts={"model": model, "baseline": high})
    quantiles = quantile_scores(found.truth, {0.1: low, 0.5: model, 0.9: high})
    return found, compute_metrics(found, METRICS), compute_skill(found), quantiles


@given(seed=st.integers(0, 999), share=st.floats(0.01, 0.5))
@settings(max_examples=20)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_filled_values_change_no_score(seed: int, share: float) -> None:
    """The values that were filled are replaced by others, a thousand times as large."""
    random, panel = np.random.default_rng(seed), known_panel(2, seed)
    missing = random.random(panel.targets.values.shape) < share
    # series are not cut at their ends, and every column has a value before each gap
    missing[::LENGTH] = missing[LENGTH - 1 :: LENGTH] = False
    filled, split = without(panel, missing)
    assert filled.targets.filled is not None
    np.testing.assert_array_equal(filled.targets.filled, missing)
    values = np.where(missing, 1000 * random.random(missing.shape), filled.targets.values)
    other = replace(filled, targets=replace(filled.targets, values=values))
    expected, found = (scores(one, split, seed) for one in (filled, other))
    np.testing.assert_array_equal(expected[0].truth, found[0].truth)
    for name, scale in expected[0].scale.items():
        np.testing.assert_array_equal(scale, found[0].scale[name])
    for table in ("by_step", "by_series"):
        pd.testing.assert_frame_equal(getattr(expected[1], table), getattr(found[1], table))
    assert expected[1].test == found[1].test
    assert expected[1].test_standardised == found[1].test_standardised
    assert expected[2:] == found[2:]


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_scores_are_those_of_the_known_values(share: float) -> None:
    """MAE, the scale of MASE and skill, computed again by pandas from known values alone."""
    random, panel = np.random.default_rng(1), known_panel(3, 1)
    missing = random.random(panel.targets.values.shape) < share
    missing[::LENGTH] = missing[LENGTH - 1 :: LENGTH] = False
    filled, split = without(panel, missing)
    found, metrics, skill, _ = scores(filled, split, 1)
    rows = []
    for number, (series, start) in enumerate(zip(found.origins.series, found.starts, strict=True)):
        for step, component in np.ndindex(HORIZON, 2):
            row = series * LENGTH + start + step
            model, naive = (
                found.forecasts[name][number, step, component] for name in ("model", "baseline")
            )
            truth = panel.targets.values[row, component]
            known = not missing[row, component]
            rows.append((series, component, known, abs(truth - model), abs(truth - naive)))
    table = pd.DataFrame(rows, columns=["series", "component", "known", "model", "naive"])
    scored = table[table["known"]]
    by_series = (
        scored.groupby(["series", "component"])[["model", "naive"]].mean().groupby("series").mean()
    )
    np.testing.assert_allclose(metrics.by_series["model_mae"], by_series["model"])
    weights = scored.groupby("series").size()
    assert metrics.test["model"]["mae"] == pytest.approx(
        np.average(by_series["model"], weights=weights)
    )
    assert metrics.by_series["missing"].tolist() == (len(table) // 3 - weights).tolist()
    assert metrics.by_series["missing"].any() == (share > 0)
    assert skill.score == pytest.approx(1 - scored["model"].sum() / scored["naive"].sum())
    for series in range(3):
        train = slice(series * LENGTH, series * LENGTH + split.train_end[series])
        known_values = pd.DataFrame(np.where(missing, np.nan, panel.targets.values)[train])
        deviation, mase = known_values.std(ddof=0), known_values.diff(7).abs().mean()
        np.testing.assert_allclose(found.scale["deviation"][series], deviation)
        np.testing.assert_allclose(found.scale["mase"][series], mase)


@given(
    lengths=st.lists(st.integers(20, 40), min_size=1, max_size=4),
    fill=st.sampled_from(["zero", "linear", "seasonal"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40)
def test_series_may_end_together(lengths: list[int], fill: str, seed: int) -> None:
    """They begin at different times, and end at the last known value of any of them."""
    random, ends = np.random.default_rng(seed), np.cumsum(lengths)
    values = [random.random((length, 2)) + 1 for length in lengths]
    starts = random.integers(0, 15, len(lengths))
    targets = [
        TimeSeries(pd.date_range("2024-01-01", periods=start + len(one))[start:], one)
        for start, one in zip(starts.tolist(), values, strict=True)
    ]
    panel = Panel.from_series(targets, [str(number) for number in range(len(ends))])
    config = DataConfig(**(COMMON | {"fill": fill, "end_together": True}))
    problems = Problems("test")
    found = fill_gaps(panel, config, problems).targets
    assert not problems
    assert found.start.tolist() == (starts - starts.min()).tolist()
    end = max(start + length for start, length in zip(starts, lengths, strict=True)) - starts.min()
    assert set(found.stop.tolist()) == {end}
    for number, own in enumerate(values):
        series = found.of(number)
        np.testing.assert_array_equal(series[: len(own)], own)
        added = series[len(own) :]
        expected = np.zeros_like(added)
        for step in range(len(added)):
            season = 7 if fill == "seasonal" else 1
            expected[step] = series[len(own) + step - season] if fill != "zero" else 0
        np.testing.assert_array_equal(added, expected)
        known = np.zeros(series.shape, bool)
        known[: len(own)] = True
        scored = ~np.isnan(found.observed(found.rows(np.array([number]))))
        np.testing.assert_array_equal(scored, known if fill != "zero" else np.ones_like(known))


@given(seed=st.integers(0, 99), weighted=st.booleans())
@settings(max_examples=10)
def test_filled_values_have_no_weight_in_the_loss(seed: int, weighted: bool) -> None:
    """In each window of the training and the validation part."""
    random, panel = np.random.default_rng(seed), known_panel(2, seed)
    missing = random.random(panel.targets.values.shape) < 0.3
    missing[::LENGTH] = missing[LENGTH - 1 :: LENGTH] = False
    filled, split = without(panel, missing)
    rows = 1 + random.random((2 * LENGTH, 1))
    if weighted:
        own = replace(filled.targets, values=rows, components=["weight"], filled=None)
        filled = replace(filled, sample_weight=own)
    data = DataConfig(**(COMMON | {"train_on_filled": False, "scaler": "none"}))
    model = NLinearModel(4, 2, pl_trainer_kwargs={"accelerator": "cpu", "callbacks": []})
    model.trainer_params["callbacks"] = []
    config = SimpleNamespace(data=data, windows=None)
    hardware = detect_hardware("cpu")
    windows = make_windows(model, config, scale_data(filled, split, data), hardware)
    for part, found in enumerate(windows):
        assert found is not None
        assert len(found) > 2
        for index in range(len(found)):
            batch = found.__getitems__([index])
            [series], [start] = found.locate(np.array([index]))
            # after an input of four steps
            target = slice(series * LENGTH + start + 4, series * LENGTH + start + 6)
            values = filled.targets.values[target].astype(np.float32)
            np.testing.assert_array_equal(batch.future_target[0].numpy(), values)
            expected = (~missing[target]).astype(np.float32)
            if weighted and part == 0:
                expected *= rows[target].astype(np.float32)
            np.testing.assert_allclose(batch.sample_weight[0].numpy(), expected, rtol=1e-6)


def test_two_ways_to_weigh_the_loss_are_refused() -> None:
    values = COMMON | {"train_on_filled": False, "sample_weight": "linear"}
    with pytest.raises(ValueError, match="train_on_filled=false"):
        DataConfig(**values)


def test_calibration_leaves_filled_values_out() -> None:
    """The last validation value is only compared with; if it was filled, it changes no margin."""
    data = make_data()
    bundle, row = make_bundle(data), int(CALIBRATED.test_start[0]) - 1
    filled = np.zeros(data.targets.values.shape, bool)
    filled[row] = True

    def margins(value: float, mask: np.ndarray | None) -> np.ndarray:
        values = data.targets.values.copy()
        values[row] = value
        panel = replace(data, targets=replace(data.targets, values=values, filled=mask))
        return np.stack([*calibrate(bundle, panel, CALIBRATED, CALIBRATION).margins.values()])

    np.testing.assert_array_equal(margins(0.0, filled), margins(1e6, filled))
    assert not np.array_equal(margins(0.0, None), margins(1e6, None))


def test_zeros_are_known() -> None:
    """With ``data.fill=zero``, what was not recorded did not happen, so it is scored."""
    panel = known_panel(1, 0)
    missing = np.zeros(panel.targets.values.shape, bool)
    missing[-5:-1] = True
    filled, split = without(panel, missing, fill="zero")
    assert filled.targets.filled is None
    truth = baseline_backtest(NLinearModel(4, 4), filled, split, SPEC).truth
    assert (truth == 0).any()
    assert not np.isnan(truth).any()


def test_a_test_part_without_known_values_is_refused() -> None:
    """Only the last value of the series is known, which no forecast reaches."""
    panel = known_panel(1, 0)
    missing = np.zeros(panel.targets.values.shape, bool)
    missing[40:-1] = True
    filled, split = without(panel, missing)
    with pytest.raises(UserError, match=r"test part has no values.*data\.test_start"):
        baseline_backtest(NLinearModel(4, 4), filled, split, replace(SPEC, horizon=2, stride=20))


def test_components_as_series_keep_what_was_filled() -> None:
    """``data.component_series=true`` makes a series of each column."""
    panel, missing = known_panel(2, 0), np.zeros((2 * LENGTH, 2), bool)
    missing[5, 1] = missing[LENGTH + 9, 0] = True
    single = split_components(without(panel, missing)[0], IN_MEMORY).targets
    for number, expected in enumerate(
        (missing[:LENGTH, 0], missing[:LENGTH, 1], missing[LENGTH:, 0])
    ):
        known = single.observed(single.rows(np.array([number])))[:, 0]
        np.testing.assert_array_equal(np.isnan(known), expected)
