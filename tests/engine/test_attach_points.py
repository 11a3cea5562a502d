"""The places where features attach take whatever a user's own config names by its dotted path."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.utils.data import (
    ShiftedTorchTrainingDataset,
    TorchTrainingDataset,
    TorchTrainingSample,
)
from my_forecast.config import TrainConfig
from my_forecast.data import Storage, load_data
from my_forecast.data.scaling import ScalerKind
from my_forecast.data.sources import Co2
from my_forecast.errors import UserError
from my_forecast.evaluation.backtest import Backtest, backtest
from my_forecast.evaluation.inference import Forecasts
from my_forecast.evaluation.results import RunResults
from my_forecast.loading.hardware import Hardware
from my_forecast.run import load_run

from engine.project import FAST, Finished
from engine.series import COMMON, synthetic

Run = Callable[..., Finished]
received: list[Any] = []
FUTURE = "future_covariates"


@pytest.fixture(autouse=True)
def forget() -> None:
    received.clear()


def node(place: str, name: str, *more: str, partial: bool = True) -> list[str]:
    """Return overrides that attach something of this module."""
    target = f"++{place}._target_={__name__}.{name}"
    return [target, *([f"++{place}._partial_=true"] if partial else []), *more]


def scores(folder: Path) -> Any:
    return json.loads((folder / "metrics.json").read_text())


def remember(results: RunResults, mark: str) -> None:
    """Note the results, and what is written when they are handed over."""
    received.append((results, mark, {path.name for path in results.folder.iterdir()}))


def test_a_function_of_a_users_own_is_called_after_a_run(run: Run, workdir: Path) -> None:
    own = node("after_run.mine", "remember", "+after_run.mine.mark=here")
    assert run("train", *FAST, *own, "hydra.run.dir=run").code == 0
    [(results, mark, files)] = received
    assert mark == "here"
    assert {"metrics.json", "record.json", "forecast.png", "metrics_by_step.csv"} <= files
    assert results.folder.resolve() == results.run_dir.resolve() == workdir / "run"
    assert results.record["seed"] == 0
    assert "TiDEModel" in results.title
    assert results.metrics.test == scores(workdir / "run")["test"]
    assert results.data.names == results.backtest.names
    # beside what the config attaches
    assert (workdir / "run" / "report.html").is_file()

    received.clear()
    evaluated = run("evaluate", "run=run", "accelerator=cpu", "hydra.run.dir=again", *own)
    assert evaluated.code == 0, evaluated.out
    [(results, _, files)] = received
    assert {"metrics.json", "metrics_by_step.png"} <= files
    assert results.folder.resolve() == workdir / "again"
    assert results.run_dir.resolve() == workdir / "run"


def fail(results: RunResults) -> None:
    raise RuntimeError("out of luck")


def test_a_function_that_fails_leaves_a_finished_run(run: Run, workdir: Path) -> None:
    finished = run("train", *FAST, *node("after_run.mine", "fail"), "hydra.run.dir=run")
    assert finished.code == 1
    assert "out of luck" in finished.out
    assert run("evaluate", "run=run", "accelerator=cpu").code == 0


def weekend(times: pd.DatetimeIndex) -> dict[str, Any]:
    return {"weekend": times.dayofweek >= 5}


def test_a_function_of_the_times_adds_a_future_covariate() -> None:
    """All covariates reach as far as those of the source, or else as the forecast."""
    own = {"mine": {"_target_": f"{__name__}.weekend", "_partial_": True}}
    data = load_data(synthetic(covariates=own), ahead=5)
    for event in data.to_series("future_covariates"):
        assert list(event.components) == ["event", "weekend"]
        table = event.to_dataframe()
        assert (table["weekend"] == (table.index.dayofweek >= 5)).all()
    source = Co2(**COMMON, covariates=own)
    [target], [covariate] = (load_data(source, ahead=5).to_series(r) for r in ("targets", FUTURE))
    assert (covariate.start_time(), len(covariate)) == (target.start_time(), len(target) + 5)


def short(times: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame({"x": 1.0}, index=times[:-1])


def without_times(times: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame({"x": range(len(times))})


def nothing(times: pd.DatetimeIndex) -> dict[str, Any]:
    return {}


@pytest.mark.parametrize("name", ["short", "without_times", "nothing"])
def test_covariates_that_do_not_cover_the_times_are_refused(name: str) -> None:
    own = {"mine": {"_target_": f"{__name__}.{name}", "_partial_": True}}
    with pytest.raises(UserError, match=r"data\.covariates\.mine: .* number for every time"):
        load_data(synthetic(covariates=own))


class Counting(Storage):
    """Counts the arrays that it makes."""

    @contextmanager
    def open(self, folder: Path) -> Iterator[Storage]:
        """Note the folder."""
        received.append(folder)
        yield self

    def array(self, name: str, *shape: Any) -> Any:
        """Note the name."""
        received.append(name)
        return super().array(name, *shape)


def test_values_may_be_kept_elsewhere(run: Run, workdir: Path) -> None:
    own = node("storage", "Counting", "hydra.run.dir=run", partial=False)
    assert run("train", *FAST, *own).code == 0
    assert received[0].resolve() == workdir / "run"
    assert {"targets", "future_covariates"} <= set(received[1:])


class Wide:
    """Intervals that are wide enough for everything."""

    def apply(self, forecasts: Forecasts, series: Any) -> Forecasts:
        """Return the point forecasts, plus and minus a million."""
        assert series.shape == forecasts.point.shape[:1]
        levels = {0.1: -1e6, 0.5: 0.0, 0.9: 1e6}
        moved = {level: forecasts.point + by for level, by in levels.items()}
        return Forecasts(forecasts.point, moved)


def wide(bundle: Any, data: Any, split: Any, spec: Any) -> Wide:
    received.append(spec.horizon)
    return Wide()


def perfect(run: Any, data: Any, split: Any, spec: Any, output_dir: Path) -> Backtest:
    """Return a backtest whose model knows the future."""
    tested = backtest(run.bundle, data, split, spec)
    return replace(tested, forecasts={**tested.forecasts, "model": tested.truth})


def test_intervals_and_backtests_may_be_made_in_other_ways(run: Run, workdir: Path) -> None:
    assert run("train", *FAST, "hydra.run.dir=run").code == 0
    finished = run("evaluate", "run=run", "hydra.run.dir=a", *node("intervals", "wide"))
    assert finished.code == 0, finished.out
    found = scores(workdir / "a")["test_quantiles"]
    assert found["coverage_80"] == 1
    assert found["width_80"] == pytest.approx(2e6)
    assert run("predict", "run=run", "output=f.csv", *node("intervals", "wide")).code == 0
    assert received == [5, 5]
    assert "value_q0.9" in (workdir / "f.csv").read_text().splitlines()[0]
    finished = run("evaluate", "run=run", "hydra.run.dir=b", *node("backtest", "perfect"))
    assert finished.code == 0, finished.out
    assert scores(workdir / "b")["test"]["model"]["mae"] == 0
    assert np.isfinite(scores(workdir / "b")["test"]["baseline"]["mae"])


def look(config: TrainConfig, hardware: Hardware) -> None:
    received.append((config.horizon, hardware.accelerator))


def test_doctor_may_measure_something_else(run: Run) -> None:
    own = node("measure", "look")
    assert run("doctor", "horizon=7", "trainer.accelerator=cpu", *own).code == 0
    assert received == [(7, "cpu")]


def bias(truth: TimeSeries, forecast: TimeSeries, component_reduction: Any = np.nanmean) -> Any:
    errors = (forecast.values() - truth.values()).mean(axis=0)
    return errors if component_reduction is None else component_reduction(errors)


def averaged(truth: TimeSeries, forecast: TimeSeries, component_reduction: Any = None) -> float:
    return 0.0


def broken(truth: TimeSeries, forecast: TimeSeries, component_reduction: Any = None) -> float:
    raise RuntimeError("out of luck")


def mae(truth: TimeSeries, forecast: TimeSeries, component_reduction: Any = None) -> Any:
    return bias(truth, forecast, component_reduction)


def test_a_metric_of_a_users_own_is_one_like_any_other(run: Run, workdir: Path) -> None:
    own = f"metrics=[{__name__}.bias,mae]"
    assert (
        run(
            "train",
            *FAST,
            own,
            *node("after_run.mine", "remember", "+after_run.mine.mark=1"),
            "hydra.run.dir=run",
        ).code
        == 0
    )
    [(results, *_)] = received
    errors = -results.backtest.errors("model")
    found = scores(workdir / "run")["test"]
    assert found["model"]["bias"] == pytest.approx(errors.mean())
    assert found["baseline"].keys() == {"bias", "mae"}
    by_step = pd.read_csv(workdir / "run" / "metrics_by_step.csv")
    np.testing.assert_allclose(by_step["model_bias"], errors.mean(axis=(0, 2)))
    by_series = pd.read_csv(workdir / "run" / "metrics_by_series.csv")
    counts = results.backtest.windows
    parts = np.split(errors, np.cumsum(counts)[:-1])
    np.testing.assert_allclose(by_series["model_bias"], [part.mean() for part in parts])
    assert "BIAS" in (workdir / "run" / "report.html").read_text(encoding="utf-8")

    # by another command, with the metrics of the run and with some of its own
    for overrides in [], [f"metrics=[{__name__}.bias]"]:
        folder = f"again{len(overrides)}"
        evaluated = run("evaluate", "run=run", f"hydra.run.dir={folder}", *overrides)
        assert evaluated.code == 0, evaluated.out
        assert scores(workdir / folder)["test"]["model"]["bias"] == found["model"]["bias"]
        assert (workdir / folder / "metrics_by_step.png").is_file()


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ("maee", "Did you mean mae?"),
        ("no_such_module.bias", "No module named 'no_such_module'"),
        (f"{__name__}.no_such", f"{__name__}.no_such fails: "),
        (f"{__name__}.received", f"{__name__}.received fails: "),
        (f"{__name__}.averaged", "shape () for two components, not (2,)"),
        (f"{__name__}.broken", f"{__name__}.broken fails: out of luck"),
        (f"{__name__}.mae", "the name mae is taken"),
        ("own.metrics.skill", "the name skill is taken"),
        (f"{__name__}.bias,other.bias", "two metrics with the name bias"),
    ],
)
def test_a_wrong_metric_is_refused_before_the_training(
    metrics: str, reason: str, run: Run, workdir: Path
) -> None:
    refused = run("train", *FAST, f"metrics=[{metrics}]", "hydra.run.dir=run")
    assert refused.code == 1
    [line] = [line for line in refused.out.splitlines() if "metrics: " in line]
    assert reason in line
    assert not (workdir / "run" / "config.yaml").exists()


# leaves the mean where it is
by_maximum = ScalerKind(lambda values: (0.0, np.abs(values).max(axis=-2)))


def test_a_scaler_of_a_users_own_is_saved_by_its_name(
    run: Run, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = run("train", *FAST, f"data.scaler={__name__}.by_maximum", "hydra.run.dir=run")
    assert finished.code == 0, finished.out
    loaded = load_run("run")
    targets = loaded.scalers.targets
    assert targets is not None
    assert targets.kind == f"{__name__}.by_maximum"
    assert (targets.center == 0).all()
    data, split = loaded.split(loaded.load_data(5), 5)
    for numbers, values in split.train(data.targets).batches():
        np.testing.assert_allclose(targets.scale[numbers], np.abs(values).max(axis=1))
    assert run("predict", "run=run", "output=f.csv").code == 0
    # a run that names code which conf/ does not is not loaded
    monkeypatch.setattr("my_forecast.run_config.CONF", [])
    with pytest.raises(UserError, match=r"data\.scaler: the run names"):
        load_run("run")


@pytest.mark.parametrize(
    ("scaler", "reason"),
    [
        ("maxabs", "standard, minmax"),
        (f"{__name__}.no_such", "cannot be imported"),
        (f"{__name__}.received", "must be a ScalerKind"),
    ],
)
def test_a_wrong_scaler_is_refused(scaler: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        synthetic(scaler=scaler)


class Reversed(ShiftedTorchTrainingDataset):
    """The training windows with the opposite sign."""

    def __init__(self, windows: TorchTrainingDataset) -> None:
        """Keep the windows."""
        TorchTrainingDataset.__init__(self)
        self.windows, self.shift = windows, windows.shift

    def __len__(self) -> int:
        """Return the number of windows."""
        received.append("length")
        return len(self.windows)

    def __getitem__(self, index: int) -> TorchTrainingSample:
        """Return a window."""
        sample: TorchTrainingSample = self.windows[index]
        return replace(sample, past_target=-sample.past_target, future_target=-sample.future_target)


def test_windows_of_a_users_own_are_trained_on(run: Run, workdir: Path) -> None:
    """By every model: RNNModel asks for a dataset of a certain class."""
    own = node("windows", "Reversed")
    for number, more in enumerate(([], ["model=rnn", "model.training_length=16"])):
        folder = f"hydra.run.dir=run{number}"
        finished = run("train", *FAST, "trainer.max_epochs=1", *more, *own, folder)
        assert finished.code == 0, finished.out
        assert "length" in received
        received.clear()
        assert run("evaluate", f"run=run{number}", f"hydra.run.dir=again{number}").code == 0
        assert (
            scores(workdir / f"again{number}")["test"] == scores(workdir / f"run{number}")["test"]
        )
        assert not received


def none_at_all(windows: TorchTrainingDataset) -> None:
    return None


def test_windows_that_darts_cannot_train_on_are_refused(run: Run) -> None:
    refused = run("train", *FAST, *node("windows", "none_at_all"))
    assert refused.code == 1
    assert "windows: " in refused.out
    assert "must return a TorchTrainingDataset" in refused.out
