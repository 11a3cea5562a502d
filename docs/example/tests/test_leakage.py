"""Nothing that a model learns or forecasts depends on values that are not yet known."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from omegaconf import DictConfig

from my_forecast import (
    load_run,
)
from my_forecast.commands.train import (
    train,
)
from my_forecast.data import (
    SCALERS,
    Panel,
    Split,
    fit_scalers,
)
from my_forecast.evaluation.backtest import (
    backtest,
)

from conftest import FAST_SALES, changed, sales, same_weights


@pytest.mark.parametrize("kind", SCALERS)
@pytest.mark.parametrize("fit", ["series", "global"])
def test_scalers_are_fitted_on_the_training_part(kind: str, fit: str) -> None:
    days = pd.date_range("2024-01-01", periods=60, freq="D")
    random = np.random.default_rng(0)
    targets = [TimeSeries(days, 5 + random.random((60, 1))) for _ in range(2)]
    split = Split(train_end=np.array([40, 30]), test_start=np.array([50, 40]))
    later = [changed(one, end) for one, end in zip(targets, split.train_end, strict=True)]
    data, other = (
        Panel.from_series(one, ["a", "b"], future_covariates=one) for one in (targets, later)
    )
    scaled, expected = (fit_scalers(one, split, kind, fit).transform(data) for one in (data, other))
    for role in ("targets", "future_covariates"):
        assert scaled.to_series(role) == expected.to_series(role)


@pytest.mark.usefixtures("no_plots")
def test_training_does_not_depend_on_the_test_part(
    config: Callable[..., DictConfig], trained: Path, workdir: Path
) -> None:
    table = sales(days=80, known=20)
    day = table.groupby("unique_id").cumcount()
    table.loc[day >= 80 - 12, "y"] *= 3
    table.to_csv("other.csv", index=False)
    other = workdir / "run"
    other.mkdir()
    train(config(*FAST_SALES, "data.path=other.csv"))
    assert (trained / "metrics.json").read_text() != (other / "metrics.json").read_text()
    assert same_weights(trained, other)
    scalers = [folder / "bundle" / "scalers.pkl" for folder in (trained, other)]
    assert scalers[0].read_bytes() == scalers[1].read_bytes()


def test_a_forecast_does_not_depend_on_what_comes_after_its_origin(trained: Path) -> None:
    run = load_run(trained, "cpu")
    spec = run.backtest_spec(stride=1)
    data, split = run.split(run.load_data(spec.horizon), spec.horizon)
    # both series begin and end on the same day
    origin = int(split.test_start[0]) + 3
    later = [changed(one, origin) for one in data.to_series()]
    targets = Panel.from_series(later, data.names).targets
    found, other = (
        backtest(run.bundle, one, split, spec) for one in (data, replace(data, targets=targets))
    )
    known = found.origins.position <= origin
    assert np.bincount(found.origins.series[known]).tolist() == [4, 4]
    for name, values in found.forecasts.items():
        again = other.forecasts[name]
        np.testing.assert_array_equal(values[known], again[known])
        for number in range(len(data.names)):
            after = ~known & (found.origins.series == number)
            assert not np.array_equal(values[after], again[after])
