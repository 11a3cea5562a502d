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
    SeriesSet,
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
    split = Split(train_end=[40, 30], test_start=[50, 40])
    later = [changed(one, end) for one, end in zip(targets, split.train_end, strict=True)]
    scalers, others = (
        fit_scalers(SeriesSet(["a", "b"], one, future_covariates=one), split, kind, fit)
        for one in (targets, later)
    )
    data = SeriesSet(["a", "b"], targets, future_covariates=targets)
    scaled, expected = scalers.transform(data), others.transform(data)
    assert scaled.targets == expected.targets
    assert scaled.future_covariates == expected.future_covariates


def test_training_does_not_depend_on_the_test_part(
    config: Callable[..., DictConfig], workdir: Path
) -> None:
    table = sales(days=80, known=20)
    table.to_csv("before.csv", index=False)
    day = table.groupby("unique_id").cumcount()
    table.loc[day >= 80 - 12, "y"] *= 3
    table.to_csv("after.csv", index=False)
    for name in ("before", "after"):
        (workdir / name).mkdir()
        folder = f"paths.output_dir={workdir.as_posix()}/{name}"
        train(config(*FAST_SALES, "after_run=none", f"data.path={name}.csv", folder))
    assert same_weights(workdir / "before", workdir / "after")
    scalers = [workdir / name / "bundle" / "scalers.pkl" for name in ("before", "after")]
    assert scalers[0].read_bytes() == scalers[1].read_bytes()


def test_a_forecast_does_not_depend_on_what_comes_after_its_origin(trained: Path) -> None:
    run = load_run(trained, "cpu")
    spec = run.backtest_spec(stride=1)
    data, split = run.split(run.load_data(spec.horizon), spec.horizon)
    origin = split.test_start[0] + 3
    later = replace(data, targets=[changed(one, origin) for one in data.targets])
    found, other = (backtest(run.bundle, one, split, spec) for one in (data, later))
    for name, forecasts in found.forecasts.items():
        for number, values in enumerate(forecasts):
            known = found.origins[number] <= origin
            assert known.sum() == 4
            again = other.forecasts[name][number]
            np.testing.assert_array_equal(values[known], again[known])
            assert not np.array_equal(values[~known], again[~known])
