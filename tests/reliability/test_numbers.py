"""Numbers that cannot be computed with: each is refused in one message, or makes no difference."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.utils.likelihood_models.torch import LaplaceLikelihood
from engine.project import FAST, Finished, fixtures
from engine.series import COMMON, series_set
from hypothesis import given
from hypothesis import strategies as st
from my_forecast import load_run
from my_forecast.data import DataError, Panel, Split, fit_scalers, load_data
from my_forecast.data.files import CsvFiles, ParquetFiles
from my_forecast.data.sources import FunctionSource
from my_forecast.errors import UserError
from my_forecast.modeling.callbacks import FiniteLoss

from reliability.runs import signed

trained = fixtures.trained
Run = Callable[..., Finished]

TOO_LARGE = "model.optimizer_kwargs.lr=1e25"


def error(finished: Finished) -> str:
    """Return the only message of a command that ended with exit code 1."""
    assert finished.code == 1
    printed = finished.out + finished.err
    assert printed.count("Error") == 1, printed
    return printed[printed.index("Error: ") :].strip()


@pytest.mark.parametrize("likelihood", ["none", "quantile", "gaussian", "laplace"])
def test_a_training_that_diverges_stops_at_once(likelihood: str, run: Run, workdir: Path) -> None:
    """A learning rate of 1e25 with each kind of loss."""
    options = [*FAST, "hydra.run.dir=run", "after_run=[]", f"likelihood={likelihood}", TOO_LARGE]
    text = error(run("train", *options))
    assert text.startswith("Error: training: ")
    assert " in epoch 0" in text
    assert text.endswith(
        "Lower model.optimizer_kwargs.lr, clip gradients (trainer.gradient_clip_val=1), or set "
        "another data.scaler or likelihood."
    )
    assert not Path("run/bundle").exists()
    for path in Path("run/checkpoints").glob("*.ckpt"):
        state = torch.load(path, weights_only=False)["state_dict"]
        assert all(values.isfinite().all() for values in state.values()), path


@pytest.mark.parametrize(("step", "place"), [(6, "epoch 1, batch 0"), (9, "epoch 1, batch 3")])
@pytest.mark.parametrize("workers", [0, 1])
def test_the_batch_of_the_first_loss_that_is_not_finite_is_named(
    workers: int, step: int, place: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss is infinite from the first or the fourth batch of an epoch on."""
    keep, kept = FiniteLoss.on_train_batch_end, []

    def lose(self: FiniteLoss, trainer: Any, module: Any, outputs: Any, *rest: Any) -> None:
        if trainer.global_step == step:
            kept.append((trainer.datamodule.train_dataset, rest[0].past_target))
        loss = torch.tensor(float("inf" if trainer.global_step >= step else 1))
        keep(self, trainer, module, {"loss": loss}, *rest)

    monkeypatch.setattr(FiniteLoss, "on_train_batch_end", lose)
    options = ["after_run=[]", "model.batch_size=32", f"dataloader.num_workers={workers}"]
    # 5 batches each epoch
    text = error(run("train", *FAST, *options))
    [(windows, batch)] = kept
    every = windows.__getitems__(range(len(windows))).past_target
    largest = batch[batch.abs().amax(dim=(1, 2)).argsort(descending=True)[:3]]
    numbers = [int((every == one).all(dim=(1, 2)).nonzero()) for one in largest]
    days = pd.date_range("2020-01-01", periods=80).strftime("%Y-%m-%d")
    named = [
        f"'series_{series:04d}' from {days[start]}"
        for series, start in zip(*windows.locate(np.array(numbers)), strict=True)
    ]
    assert f"the loss is inf in {place} ({', '.join(named)} and 29 more)" in text


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({2: float("inf"), 3: float("nan")}, "the loss is inf"),
        # as after weights that are infinite
        ({2: float("nan")}, "the model's output is NaN"),
    ],
)
def test_the_batch_that_a_distribution_refuses_is_named(
    outputs: dict[int, float],
    message: str,
    run: Run,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The loss of the second of five batches is infinite, or its output is NaN.

    Such a parameter is an error of torch, which comes before the losses are checked.
    """
    keep = LaplaceLikelihood._params_from_output

    def lose(self: LaplaceLikelihood, output: torch.Tensor) -> tuple[torch.Tensor, ...]:
        calls.append(1)
        mean, deviation = keep(self, output)
        return mean + outputs.get(len(calls), 0.0), deviation

    calls: list[int] = []
    monkeypatch.setattr(LaplaceLikelihood, "_params_from_output", lose)
    options = ["after_run=[]", "model.batch_size=32", "likelihood=laplace"]
    text = error(run("train", *FAST, *options))
    assert text.startswith(f"Error: training: {message} in epoch 0, batch 1 ('series_")


def test_weights_that_are_not_finite_do_not_forecast(trained: Path, tmp_path: Path) -> None:
    """Set one weight of a saved model to NaN."""
    folder = tmp_path / "run"
    copytree(trained, folder)
    path = folder / "bundle" / "model.pt.ckpt"
    checkpoint = torch.load(path, weights_only=False)
    next(iter(checkpoint["state_dict"].values())).fill_(float("nan"))
    torch.save(checkpoint, path)
    signed(folder)
    with pytest.raises(UserError, match=r"bundle: the weights are NaN or infinite\. Train again"):
        load_run(folder).forecast()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_forecasts_that_are_not_finite_are_refused(bad: float) -> None:
    """A model that returns NaN or infinity."""
    data = series_set(20, 30)
    end = data.targets.stop
    scalers = fit_scalers(data, Split(end, end), "standard")
    values = np.zeros((3, 5, 1), np.float32)
    values[2, 4] = bad
    with pytest.raises(UserError, match="series 30: the forecast is NaN or infinite"):
        scalers.inverse(values, data.names, np.array([0, 0, 1]))


NUMBERS = {"time": np.arange(40), "y": np.arange(40.0)}


def parquet(folder: Path, columns: Any, **changes: Any) -> Panel:
    """Load the columns from a Parquet file."""
    path = folder / "data.parquet"
    pd.DataFrame(columns).to_parquet(path)
    own = {"time_column": "time", "target_columns": ["y"], "path": str(path)}
    return load_data(ParquetFiles(**{**COMMON, **own, **changes}))


def csv(folder: Path, text: str, **changes: Any) -> Panel:
    """Load the text of a CSV file."""
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8", newline="")
    own = {"time_column": "time", "target_columns": ["y"], "path": str(path)}
    return load_data(CsvFiles(**{**COMMON, **own, **changes}))


EXTREMES = [-(2**63), 2**63 - 1, 2**62 + 1]


@pytest.mark.parametrize("time", [*EXTREMES, 2**63, 2**64 - 1])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_whole_numbers_beyond_what_can_be_subtracted(time: int, kind: str, tmp_path: Path) -> None:
    """Times at the limits of int64 and uint64, in CSV and Parquet."""
    times = np.array([0, 1, 2, time], np.uint64 if time >= 2**63 else np.int64)
    frame = pd.DataFrame({"time": times, "y": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(DataError) as refused:
        parquet(tmp_path, frame) if kind == "parquet" else csv(tmp_path, frame.to_csv(index=False))
    [problem] = refused.value.problems
    assert (problem.what, problem.count) == ("out-of-range time", 1)
    assert problem.places == [f"{'line 5' if kind == 'csv' else 'row 4'}: '{time}'"]


def test_dates_beyond_the_calendar(tmp_path: Path) -> None:
    """Years that datetime64 does not hold."""
    dates = np.array([0, 86_400_000_000, 2 * 86_400_000_000, 2**62]).view("datetime64[us]")
    with pytest.raises(DataError, match="1 out-of-range time"):
        parquet(tmp_path, {"time": dates, "y": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize("key", ["unique_id", ["unique_id", "part"]])
def test_an_empty_name_is_missing(key: str | list[str], tmp_path: Path) -> None:
    """Empty names of series in Parquet."""
    columns = {"unique_id": ["a"] * 39 + [""], "part": "x", **NUMBERS}
    with pytest.raises(DataError, match=r"1 missing series name \(row 40: ''\)\. Add the name"):
        parquet(tmp_path, columns, series_column=key)


def test_quotes_in_a_header(tmp_path: Path) -> None:
    """Quotes and line breaks in the names of columns."""
    text = '"a ""b""\nc",time\n' + "".join(f"{n},{n}\n" for n in range(40))
    assert len(csv(tmp_path, text, target_columns=['a "b"\nc']).times) == 40


@pytest.mark.parametrize("name", ["time", "series"])
def test_targets_named_like_columns_of_a_forecast(name: str, tmp_path: Path) -> None:
    """Targets called `time` and `series`."""
    columns = {"ds": np.arange(40), name: np.arange(40.0), "y": 1.0}
    with pytest.raises(DataError, match=f"column '{name}': forecasts have a column of this name"):
        parquet(tmp_path, columns, time_column="ds", target_columns=[name])
    # then its name is that of a series
    options = {"target_columns": [name, "y"], "component_series": True}
    assert parquet(tmp_path, columns, time_column="ds", **options).names == [name, "y"]


def test_a_value_whose_square_overflows(tmp_path: Path) -> None:
    """A value of 1e300."""
    columns = {**NUMBERS, "y": [1e300, *np.arange(39.0)]}
    with pytest.raises(DataError, match=r"1 infinite or too large value \(y at 0\)"):
        parquet(tmp_path, columns)


RETURNED: list[TimeSeries] = []


def returned() -> TimeSeries:
    """Return what a test put there, as a function of the user's."""
    return RETURNED.pop()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_infinite_values_of_a_function(bad: float, kind: type) -> None:
    """Series of a function with an infinite value, as float32 and float64."""
    source = FunctionSource(**COMMON, function=f"{__name__}.{returned.__name__}")
    RETURNED.append(TimeSeries.from_values(np.arange(40, dtype=kind)))
    assert load_data(source).targets.values.dtype == kind
    RETURNED.append(TimeSeries.from_values(np.array([1, 2, bad, *range(40)], kind)))
    with pytest.raises(DataError, match=r"1 infinite or too large value \(.* at 2\)"):
        load_data(source)


@pytest.mark.parametrize("scaler", ["standard", "minmax", "robust", "yeo_johnson", "none"])
def test_a_scaled_value_beyond_float32(scaler: str, tmp_path: Path) -> None:
    """A value in the test part that is 1e60 times as large as the others."""
    data = parquet(tmp_path, {**NUMBERS, "y": [*np.arange(39.0), 1e99]})
    scalers = fit_scalers(data, Split(np.array([30]), np.array([30])), scaler)
    with pytest.raises(UserError, match="data: y at 39 is too large for float32"):
        scalers.transform(data)


def wave(size: float) -> np.ndarray[Any, Any]:
    """Return values up to ``size``."""
    return size * (1.5 + np.sin(np.arange(200) * np.pi / 6)) / 2.5


@given(st.floats(5e-290, 1e99), st.sampled_from(["standard", "minmax", "robust"]))
def test_the_unit_of_the_data_makes_no_difference(size: float, scaler: str) -> None:
    """Scale series of random size, from 5e-290 to 1e99."""
    data = [Panel.from_series(TimeSeries.from_values(wave(unit))) for unit in (1, size)]
    end = data[0].targets.stop
    one, other = (fit_scalers(own, Split(end, end), scaler).transform(own) for own in data)
    np.testing.assert_allclose(one.targets.values, other.targets.values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "varies"),
    [(0.0, False), (5e-324, True), (1e-200, True), (1e30, False), (1e99, True)],
)
def test_constant_tiny_and_huge_series_train(
    size: float, varies: bool, run: Run, workdir: Path
) -> None:
    """Train on constant series, and on values from 5e-324 to 1e99."""
    values = wave(size) if varies else np.full(200, size)
    pd.DataFrame({"time": np.arange(200), "y": values}).to_parquet("data.parquet")
    options = ["data=parquet", "data.path=data.parquet", "data.time_column=time", "horizon=5"]
    options += ["data.target_columns=[y]", "model=dlinear", "model.input_chunk_length=10"]
    options += ["trainer.max_epochs=1", "stride=20", "after_run=[]", "hydra.run.dir=run"]
    finished = run("train", *options)
    assert finished.code == 0, finished.err
    finished = run("predict", "run=run", "output=forecast.csv")
    assert finished.code == 0, finished.err
    found = pd.read_csv("forecast.csv")["y"].to_numpy()
    assert np.isfinite(found).all()
    if varies:
        # the smallest number that there is has no fractions
        assert (np.abs(found) <= 10 * size).all() or size < 1e-300
    else:
        np.testing.assert_allclose(found, size, rtol=1e-3, atol=1)


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e99, max_value=1e99))
def test_numbers_in_csv_files_are_exact(value: float) -> None:
    """Write random floats, read them, and compare every bit."""
    from tempfile import TemporaryDirectory

    for text in {repr(value), f"{value:.17e}"}:
        with TemporaryDirectory() as folder:
            data = csv(Path(folder), f"time,y\n0,{text}\n1,2\n2,3\n")
        assert data.targets.values[0, 0] == value
