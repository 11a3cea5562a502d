"""The Python API: what a finished run forecasts for data of any form."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from darts import TimeSeries
from hypothesis import given
from hypothesis import strategies as st
from my_forecast import load_run
from my_forecast.data import Panel
from my_forecast.errors import UserError
from my_forecast.run import Run

from engine.project import FAST, Finished

Command = Callable[..., Finished]
SHORT = [
    "model=tide",
    "data=csv",
    "horizon=3",
    "model.input_chunk_length=6",
    "trainer.max_epochs=1",
    "trainer.accelerator=cpu",
]
EVENTS = ["data.path=long.csv", "data.future_covariates_columns=[event]"]


def table(ids: str = "ab", days: int = 60, ahead: int = 6) -> pd.DataFrame:
    """Return rows of series that differ by 100, and events that are known ``ahead`` days ahead."""
    parts = []
    for id_ in ids:
        day = np.arange(days + ahead)
        values = np.where(day < days, ord(id_) * 100.0 + day % 7, np.nan)
        columns = {"ds": pd.Timestamp("2024-01-01") + pd.to_timedelta(day, unit="D"), "y": values}
        parts.append(pd.DataFrame({"unique_id": id_, **columns, "event": (day % 3 == 0) * 1.0}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture
def panel(run: Command, workdir: Path) -> Run:
    """Return a run on a long file with known events, of a model that learned quantiles."""
    table().to_csv(workdir / "long.csv", index=False)
    assert run("train", *SHORT, *EVENTS, "likelihood=quantile").code == 0
    return load_run("latest", "cpu")


@pytest.fixture
def synthetic(run: Command, workdir: Path) -> Run:
    """Return a run on series that are not from files."""
    own = [item for item in FAST if not item.startswith("model=")]
    kind = ["model=nhits", "data.scaler_fit=global", "hydra.run.dir=mine"]
    assert run("train", *own, *kind).code == 0
    return load_run(workdir / "mine", "cpu")


def test_a_run_is_what_its_folder_holds(panel: Run, workdir: Path) -> None:
    [folder] = workdir.glob("outputs/train/*/*")
    assert panel.folder.resolve() == folder
    assert panel.config.horizon == 3
    assert panel.metrics == json.loads((folder / "metrics.json").read_text())
    assert panel.record == json.loads((folder / "record.json").read_text())
    assert type(panel.model).__name__ == "TiDEModel"
    assert panel.scalers.names == ["a", "b"]
    with pytest.raises(UserError, match="there is no folder 'gone'"):
        load_run("gone")
    with pytest.raises(UserError, match="accelerator: 'abacus' is not available"):
        load_run("latest", "abacus").forecast()


def test_a_copied_bundle_is_a_run(panel: Run, run: Command, workdir: Path) -> None:
    shutil.copytree(panel.folder / "bundle", workdir / "outputs" / "copy")
    newest = time.time() + 3600
    os.utime(workdir / "outputs" / "copy" / "SHA256SUMS", (newest, newest))
    assert load_run("latest", "cpu").folder == panel.folder
    shutil.move(workdir / "outputs" / "copy", workdir / "copy")
    copied = load_run("copy", "cpu")
    for horizon in (3, 5):
        found, expected = copied.forecast(horizon=horizon), panel.forecast(horizon=horizon)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    for what in ("metrics", "record"):
        with pytest.raises(UserError, match=rf"'copy' is only the bundle.*has no {what}\.json"):
            getattr(copied, what)
    done = run("evaluate", "run=copy", "accelerator=cpu", "hydra.run.dir=tested")
    assert done.code == 0, done.out + done.err
    tested, trained = (
        pl.read_parquet(folder / "forecasts.parquet") for folder in (Path("tested"), panel.folder)
    )
    assert tested.equals(trained)
    assert 'id="loader"' not in Path("tested/report.html").read_text(encoding="utf-8")
    done = run("predict", "run=copy", "accelerator=cpu", "output=f.csv")
    assert done.code == 0, done.out + done.err
    done = run("train", *SHORT, *EVENTS, "likelihood=quantile", "finetune=copy")
    assert done.code == 0, done.out + done.err


def test_no_change_of_a_copied_bundle_is_missed(panel: Run, workdir: Path) -> None:
    shutil.copytree(panel.folder / "bundle", workdir / "copy")
    names = sorted(path.name for path in (workdir / "copy").iterdir())

    @given(name=st.sampled_from(names), place=st.integers(0), bit=st.integers(0, 7))
    def change(name: str, place: int, bit: int) -> None:
        path = workdir / "copy" / name
        content = path.read_bytes()
        wrong = bytearray(content)
        wrong[place % len(wrong)] ^= 1 << bit
        path.write_bytes(wrong)
        with pytest.raises(UserError, match="damaged or was changed"):
            _ = load_run("copy", "cpu").bundle
        path.write_bytes(content)

    change()
    assert load_run("copy", "cpu").bundle.scalers.names == ["a", "b"]


def test_the_forecast_of_none_is_that_of_predict(panel: Run, run: Command, workdir: Path) -> None:
    for number, horizon in enumerate((None, 5)):
        options = [] if horizon is None else [f"horizon={horizon}"]
        output = f"{number}.csv"
        assert (
            run("predict", "run=latest", "accelerator=cpu", f"output={output}", *options).code == 0
        )
        expected = pd.read_csv(workdir / output, parse_dates=["ds"])
        found = panel.forecast(horizon=horizon)
        assert isinstance(found, pd.DataFrame)
        pd.testing.assert_frame_equal(found, expected, check_dtype=False)
        assert list(found) == ["unique_id", "ds", "y", "y_q0.1", "y_q0.9"]
        assert len(found) == 2 * (horizon or 3)


def test_a_fresh_process_forecasts_the_same(panel: Run, workdir: Path) -> None:
    code = (
        "from my_forecast import load_run\n"
        "run = load_run('latest', 'cpu')\n"
        "run.forecast(horizon=5).to_parquet('fresh.parquet')"
    )
    path = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": path}
    subprocess.run([sys.executable, "-c", code], cwd=workdir, env=environment, check=True)
    fresh = pd.read_parquet(workdir / "fresh.parquet")
    pd.testing.assert_frame_equal(fresh, panel.forecast(horizon=5), check_exact=True)


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = (
        "import sys, my_forecast\n"
        "heavy = {'torch', 'darts', 'numpy', 'pandas', 'hydra'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert my_forecast.__all__ == ['Run', 'load_run']\n"
        "try: my_forecast.nothing\n"
        "except AttributeError as error: assert 'nothing' in str(error)\n"
        "else: raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_long_frame_is_read_like_the_file_of_the_run(panel: Run) -> None:
    same = panel.forecast(table())
    pd.testing.assert_frame_equal(same, panel.forecast(), check_exact=True)
    # newer rows, in any order, with the series in another one
    newer = table("ba", days=70).sample(frac=1, random_state=0)
    found = panel.forecast(newer)
    assert isinstance(found, pd.DataFrame)
    assert found["unique_id"].tolist() == ["a"] * 3 + ["b"] * 3
    assert found["ds"].tolist() == list(pd.date_range("2024-03-11", periods=3)) * 2
    assert (found["y"] // 1000).tolist() == [9] * 6
    with pytest.raises(UserError, match="the future covariates end at 2024-02-29"):
        panel.forecast(table(ahead=0))
    with pytest.raises(UserError, match=r"data frame: no column 'event'"):
        panel.forecast(table().drop(columns="event"))
    with pytest.raises(UserError, match=r"no scaler for 1 series of the data: c\."):
        panel.forecast(table("ac"))


def test_a_wide_frame_of_a_run_on_a_wide_file(run: Command, workdir: Path) -> None:
    wide = table("a", ahead=0).drop(columns=["unique_id", "event"])
    wide.to_csv(workdir / "sales.csv", index=False)
    assert run("train", *SHORT, "data.path=sales.csv").code == 0
    loaded = load_run("latest", "cpu")
    found = loaded.forecast(wide)
    assert isinstance(found, pd.DataFrame)
    assert list(found) == ["ds", "y"]
    pd.testing.assert_frame_equal(found, loaded.forecast(), check_exact=True)


def test_a_frame_of_a_run_on_other_data_has_its_times_as_index(synthetic: Run) -> None:
    times = pd.date_range("2030-01-01", periods=30, name="when")
    frame = pd.DataFrame({"value": 10.0 + np.arange(30) % 7}, index=times)
    found = synthetic.forecast(frame)
    assert isinstance(found, pd.DataFrame)
    assert list(found) == ["time", "value"]
    assert found["time"].tolist() == list(pd.date_range("2030-01-31", periods=5))


def test_series_give_series(synthetic: Run) -> None:
    data = synthetic.load_data(5)
    several = synthetic.forecast(data.to_series())
    assert isinstance(several, list)
    single = synthetic.forecast(data.to_series()[1], horizon=4)
    assert isinstance(single, TimeSeries)
    assert len(single) == 4
    assert list(single.components) == ["value"]
    np.testing.assert_allclose(single.values(), several[1].values()[:4], rtol=1e-5)
    expected = synthetic.forecast()
    assert isinstance(expected, pd.DataFrame)
    for series, (_, part) in zip(several, expected.groupby("series"), strict=True):
        np.testing.assert_allclose(series.values()[:, 0], part["value"], rtol=1e-5)
        assert (series.time_index == pd.DatetimeIndex(part["time"])).all()
    with pytest.raises(UserError, match="the series has 4 steps, but the model needs 10"):
        synthetic.forecast(data.to_series()[0][:4])


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_missing_value_in_the_input_of_a_forecast_is_named(bad: float, synthetic: Run) -> None:
    """A model with an input of 10 steps, and series of 80."""
    series = synthetic.load_data(5).to_series()

    def changed(step: int) -> TimeSeries:
        values = series[1].values().copy()
        values[step] = bad
        return series[1].with_values(values)

    message = r"^series_0001: value at 2020-03-\d\d is missing or infinite"
    for step in (-10, -1):
        with pytest.raises(UserError, match=message):
            synthetic.forecast([series[0], changed(step), series[2]])
    found = synthetic.forecast([series[0], changed(-11), series[2]])
    assert found == synthetic.forecast(series)


def test_a_missing_covariate_of_a_forecast_is_named(panel: Run) -> None:
    data = panel.load_data(3)
    known = data.future_covariates
    assert known is not None
    values = known.values.copy()
    # of the last series, on the first day that is forecast
    values[-6] = np.nan
    with pytest.raises(UserError, match=r"^b: event at 2024-03-01 is missing or infinite"):
        panel.forecast(data.with_roles({"future_covariates": replace(known, values=values)}))


def test_quantiles_are_components(run: Command, workdir: Path) -> None:
    own = [item for item in FAST if not item.startswith("model=")]
    learned = ["likelihood=quantile", "quantiles=[0.05,0.25,0.5,0.75,0.95]"]
    assert run("train", *own, "model=nhits", *learned).code == 0
    loaded = load_run("latest", "cpu")
    series = loaded.load_data(5).to_series()
    found = loaded.forecast(series, quantiles=[0.05, 0.5, 0.95])
    assert isinstance(found, list)
    for one in found:
        assert list(one.components) == ["value", "value_q0.05", "value_q0.95"]
        middle, low, high = one.values().T
        assert (low <= middle).all()
        assert (middle <= high).all()
    every = loaded.forecast(series)
    assert isinstance(every, list)
    assert every[0].n_components == 5
    with pytest.raises(UserError, match=r"quantiles: the model did not learn 0\.1\b"):
        loaded.forecast(series, quantiles=[0.1, 0.5, 0.9])


def test_a_backtest_is_that_of_the_training(panel: Run, synthetic: Run) -> None:
    for loaded in (panel, synthetic):
        tested = loaded.backtest()
        errors = np.abs(tested.forecasts["model"] - tested.truth)
        assert errors.mean() == pytest.approx(loaded.metrics["test"]["model"]["mae"], rel=1e-6)
    fewer = synthetic.backtest(horizon=2, stride=4)
    assert fewer.horizon == 2
    for number in range(len(fewer.names)):
        assert set(np.diff(fewer.origins.position[fewer.origins.series == number])) == {4}


def test_series_come_with_the_covariates_of_the_training(panel: Run) -> None:
    data: Panel = panel.load_data(3)
    expected: Any = panel.forecast()
    found = panel.forecast(data)
    assert isinstance(found, list)
    points = np.concatenate([one["y"].values()[:, 0] for one in found])
    np.testing.assert_array_equal(points, expected["y"])
    with pytest.raises(UserError, match=r"trained with future covariates.*Panel"):
        panel.forecast(data.to_series())
