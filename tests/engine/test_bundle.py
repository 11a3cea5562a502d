"""A saved model forecasts like the one that was trained."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts import TimeSeries
from darts.models import (
    BlockRNNModel,
    DLinearModel,
    NBEATSModel,
    NHiTSModel,
    NLinearModel,
    RNNModel,
    TCNModel,
    TiDEModel,
    TransformerModel,
)
from darts.utils.likelihood_models.torch import (
    GaussianLikelihood,
    LaplaceLikelihood,
    QuantileRegression,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.config import QuantileConfig
from my_forecast.data import Panel, Scalers, Split, fit_scalers
from my_forecast.errors import UserError
from my_forecast.evaluation.forecast import as_series, forecast
from my_forecast.modeling.bundle import Bundle, load_bundle, save_bundle
from pytorch_lightning import Callback
from pytorch_lightning.loggers import CSVLogger

QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}


@settings(max_examples=10)
@given(
    model_class=st.sampled_from([DLinearModel, NHiTSModel, NLinearModel, RNNModel, TiDEModel]),
    input_length=st.integers(4, 12),
    horizon=st.integers(1, 10),
    components=st.integers(1, 3),
    count=st.integers(1, 3),
    # an untrained model's forecasts leave the range of the powers
    kind=st.sampled_from(["standard", "minmax", "robust", "log", "none"]),
)
def test_a_loaded_bundle_forecasts_as_darts_did_before_saving(
    model_class: type, input_length: int, horizon: int, components: int, count: int, kind: str
) -> None:
    random = np.random.default_rng(input_length)
    index = pd.date_range("2024-01-01", periods=50, freq="D")
    names = [f"series {number}" for number in range(count)]
    targets = [TimeSeries(index, 9 + random.random((50, components))) for _ in names]
    data, end = Panel.from_series(targets, names), np.full(count, 40)
    scalers = fit_scalers(data, Split(end, end), kind)
    shape: dict[str, Any] = {"output_chunk_length": 4}
    if model_class is RNNModel:
        shape = {"training_length": 14}
    model = model_class(input_length, **shape, n_epochs=1, random_state=0, pl_trainer_kwargs=QUIET)
    scaled = scalers.transform(data).to_series()
    model.fit(scaled, dataloader_kwargs={"pin_memory": False})
    expected = model.predict(horizon, scaled, dataloader_kwargs={"pin_memory": False})
    with tempfile.TemporaryDirectory() as folder:
        save_bundle(Path(folder) / "bundle", Bundle(model, scalers), {})
        path = f"darts.models.{model_class.__name__}"
        bundle = load_bundle(Path(folder) / "bundle", path, "cpu")
    found = forecast(bundle, data, horizon, QuantileConfig())
    stacked = np.stack([one.values() for one in expected])
    values = scalers.inverse(stacked, names, np.arange(count))
    columns = [str(name) for name in data.targets.components]
    assert list(found) == [*(["series"] if count > 1 else []), "time", *columns]
    np.testing.assert_array_equal(found[columns], values.reshape(-1, components))
    series = as_series(found, data, horizon)
    assert len(series) == count
    for one, own in zip(series, values, strict=True):
        np.testing.assert_array_equal(one.values(), own)
        assert one.start_time() == index[-1] + index.freq


@settings(max_examples=15)
@given(
    model_class=st.sampled_from(
        [BlockRNNModel, DLinearModel, NBEATSModel, RNNModel, TCNModel, TiDEModel, TransformerModel]
    ),
    likelihood=st.sampled_from([None, QuantileRegression, GaussianLikelihood, LaplaceLikelihood]),
    kind=st.sampled_from(["standard", "minmax", "log", "none"]),
    covariates=st.booleans(),
    horizon=st.integers(1, 6),
)
def test_saving_and_loading_changes_no_forecast(
    model_class: type, likelihood: Any, kind: str, covariates: bool, horizon: int
) -> None:
    random = np.random.default_rng(horizon)
    index = pd.date_range("2024-01-01", periods=60, freq="D")

    def series(length: int, components: int) -> TimeSeries:
        return TimeSeries(index[:length], 9 + random.random((length, components)))

    shape: dict[str, Any] = {"output_chunk_length": 4}
    if model_class is RNNModel:
        shape = {"training_length": 14}
    if likelihood is not None:
        learned = [[0.1, 0.5, 0.9]] if likelihood is QuantileRegression else []
        shape["likelihood"] = likelihood(*learned)
    if model_class is DLinearModel:
        shape["shared_weights"] = False
    model = model_class(8, **shape, n_epochs=1, random_state=0, pl_trainer_kwargs=QUIET)
    past = [series(60, 1)] if covariates and model.supports_past_covariates else None
    future = [series(60, 2)] if covariates and model.supports_future_covariates else None
    data, end = Panel.from_series(series(50, 2), ["a"], past, future), np.array([40])
    scalers = fit_scalers(data, Split(end, end), kind)
    scaled = scalers.transform(data)
    roles = {role: scaled.to_series(role) for role in scaled.roles}
    model.fit(roles.pop("targets"), **roles, dataloader_kwargs={"pin_memory": False})
    quantiles = QuantileConfig(num_samples=20)
    with tempfile.TemporaryDirectory() as folder:
        save_bundle(Path(folder) / "bundle", Bundle(model, scalers), {})
        loaded = load_bundle(Path(folder) / "bundle", f"darts.models.{model_class.__name__}", "cpu")
    before, after = (
        forecast(bundle, data, horizon, quantiles) for bundle in (Bundle(model, scalers), loaded)
    )
    pd.testing.assert_frame_equal(after, before, check_exact=True)
    names = [str(name) for name in data.targets.components]
    levels = [] if likelihood is None else ["_q0.1", "_q0.9"]
    assert list(after) == ["time", *(f"{name}{end}" for name in names for end in ["", *levels])]


class Unknown(Callback):
    """A callback that Darts' safe loading would refuse."""


def test_nothing_of_the_training_machine_is_in_a_bundle(tmp_path: Path) -> None:
    index = pd.date_range("2024-01-01", periods=40, freq="D")
    series = TimeSeries(index, np.arange(40.0)).astype(np.float32)
    model = NLinearModel(8, 4, n_epochs=1, random_state=0, pl_trainer_kwargs=QUIET)
    model.fit(series, dataloader_kwargs={"pin_memory": False})
    model.trainer_params["accelerator"] = "gpu"
    model.trainer_params["devices"] = 8
    model.trainer_params["callbacks"] = [Unknown()]
    model.trainer_params["logger"] = CSVLogger(tmp_path)
    save_bundle(tmp_path / "bundle", Bundle(model, Scalers(["series"], None, None, None)), {})
    bundle = load_bundle(tmp_path / "bundle", "darts.models.NLinearModel", "cpu")
    found = forecast(bundle, Panel.from_series(series, ["series"]), 4, QuantileConfig())
    assert found.shape == (4, 2)


def test_a_run_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.pt': No such file.*or train again"):
        load_bundle(tmp_path, "darts.models.TiDEModel", "cpu")
