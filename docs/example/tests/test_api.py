"""The Python API: a finished run in a notebook or a service."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from omegaconf import DictConfig

from my_forecast import (
    Run,
    load_run,
)
from my_forecast.commands.train import (
    train,
)
from my_forecast.errors import (
    UserError,
)

from conftest import FAST, NO_REPORT, PROJECT, sales, three_waves

Config = Callable[..., DictConfig]
LAST = pd.Timestamp("2024-01-01") + pd.Timedelta(days=79)


@pytest.fixture
def finished(trained: Path) -> Run:
    """Return the run that all tests share."""
    return load_run(trained, "cpu")


def test_a_run_has_its_config_metrics_record_and_model(finished: Run) -> None:
    assert finished.config.horizon == 5
    assert finished.metrics["test"]["model"]["mae"] > 0
    assert finished.record["versions"]["darts"]
    assert finished.model.input_chunk_length == 10
    assert finished.scalers.names == ["north", "south"]


def test_forecasts_continue_the_data_of_the_run(finished: Run) -> None:
    table = finished.forecast(horizon=7)
    assert isinstance(table, pd.DataFrame)
    assert list(table) == ["unique_id", "ds", "y", "y_q0.1", "y_q0.9"]
    assert table["unique_id"].tolist() == ["north"] * 7 + ["south"] * 7
    assert table["ds"].min() == LAST + pd.Timedelta(days=1)
    # in the unit of the data
    assert table["y"].between(50, 350).all()


def test_a_data_frame_gives_what_the_same_file_gives(finished: Run) -> None:
    found, expected = (pd.DataFrame(finished.forecast(data)) for data in (sales(), None))
    # pandas 2 counts the times of a frame in nanoseconds, those of a file in microseconds
    pd.testing.assert_frame_equal(found.astype({"ds": expected["ds"].dtype}), expected)


def test_a_series_set_brings_its_covariates(finished: Run) -> None:
    found = finished.forecast(finished.load_data(horizon=5))
    assert isinstance(found, list)
    assert [series.start_time() for series in found] == [LAST + pd.Timedelta(days=1)] * 2


def test_series_are_forecast_as_series(config: Config, workdir: Path) -> None:
    (workdir / "run").mkdir()
    # one scaler for all series takes other series, too
    source = ["data=function", "data.function=conftest.three_waves", "data.scaler_fit=global"]
    fast = [item for item in FAST if not item.startswith("data")]
    train(config(*fast, *source, *NO_REPORT))
    run = load_run(workdir / "run", "cpu")
    found, one = run.forecast(three_waves()), run.forecast(three_waves()[0])
    assert isinstance(found, list)
    assert isinstance(one, TimeSeries)
    assert [series.start_time() for series in found] == [80] * 3
    assert len(one) == 5


def test_a_backtest_is_that_of_the_training(finished: Run) -> None:
    tested = finished.backtest()
    errors = np.abs(tested.truth - tested.forecasts["model"])
    assert errors.mean() == pytest.approx(finished.metrics["test"]["model"]["mae"])
    assert finished.backtest(horizon=3, stride=1).windows.tolist() == [12 - 3 + 1] * 2


def test_what_does_not_fit_is_refused(finished: Run, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        load_run(tmp_path / "gone")
    with pytest.raises(UserError, match=r"record\.json"):
        load_run(tmp_path)
    with pytest.raises(UserError, match=r"did not learn 0\.05"):
        finished.forecast(quantiles=[0.05, 0.5, 0.95])
    with pytest.raises(UserError, match="no scaler for 1 series"):
        finished.forecast(sales().replace({"unique_id": {"north": "west"}}))


def test_a_fresh_process_forecasts_the_same(finished: Run, tmp_path: Path) -> None:
    package = Run.__module__.partition(".")[0]
    code = (
        "import sys\n"
        f"import {package}\n"
        "assert 'torch' not in sys.modules\n"
        # what a spawned worker imports
        f"import {package}.loading.windows\n"
        "heavy = {'pytorch_lightning', 'darts.models', 'matplotlib', 'hydra'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        f"run = {package}.load_run(sys.argv[1], 'cpu')\n"
        "run.forecast().to_csv(sys.argv[2], index=False)\n"
    )
    path = tmp_path / "forecast.csv"
    command = [sys.executable, "-c", code, str(finished.folder), str(path)]
    search = os.pathsep.join([str(PROJECT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": search})
    expected = pd.DataFrame(finished.forecast())
    assert path.read_text(encoding="utf-8") == expected.to_csv(index=False, lineterminator="\n")
