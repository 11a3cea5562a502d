"""A saved model forecasts like the one that was trained, and holds nothing of its training."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from darts.models import NHiTSModel, NLinearModel, RNNModel, TiDEModel
from darts.utils.likelihood_models.torch import LaplaceLikelihood, QuantileRegression

from my_forecast import (
    load_run,
)
from my_forecast.config import (
    QuantileConfig,
)
from my_forecast.data import (
    Panel,
    Split,
    fit_scalers,
)
from my_forecast.errors import (
    UserError,
)
from my_forecast.evaluation.forecast import (
    forecast,
)
from my_forecast.modeling.bundle import (
    Bundle,
    load_bundle,
    save_bundle,
)

from conftest import three_waves

QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
OUTPUT = {"output_chunk_length": 4}


@pytest.mark.parametrize(
    ("model_class", "arguments", "scaler"),
    [
        (NLinearModel, OUTPUT, "none"),
        (NHiTSModel, OUTPUT, "minmax"),
        (RNNModel, {"training_length": 14}, "standard"),
        (TiDEModel, {**OUTPUT, "likelihood": QuantileRegression([0.1, 0.5, 0.9])}, "robust"),
        (TiDEModel, {**OUTPUT, "likelihood": LaplaceLikelihood()}, "log"),
    ],
)
def test_a_loaded_model_forecasts_the_same(
    model_class: Any, arguments: dict[str, Any], scaler: str, tmp_path: Path
) -> None:
    targets = [series.astype(np.float64) + 5 for series in three_waves()]
    data, end = Panel.from_series(targets, ["a", "b", "c"]), np.full(3, 60)
    scalers = fit_scalers(data, Split(end, end), scaler)
    model = model_class(8, **arguments, n_epochs=1, random_state=0, pl_trainer_kwargs=QUIET)
    model.fit(scalers.transform(data).to_series(), dataloader_kwargs={"pin_memory": False})
    save_bundle(tmp_path / "bundle", Bundle(model, scalers), {})
    loaded = load_bundle(tmp_path / "bundle", f"darts.models.{model_class.__name__}", "cpu")
    # farther than the model predicts at once
    quantiles = QuantileConfig(num_samples=20)
    before, after = (forecast(one, data, 6, quantiles) for one in (Bundle(model, scalers), loaded))
    assert len(before) == 3 * 6
    pd.testing.assert_frame_equal(before, after, check_exact=True)
    name = data.targets.components[0]
    levels = [f"{name}_q0.1", f"{name}_q0.9"] if "likelihood" in arguments else []
    assert list(before) == ["series", "time", name, *levels]


def test_the_bundle_of_a_run_holds_only_what_forecasts_need(trained: Path) -> None:
    names = ["SHA256SUMS", "config.yaml", "model.pt", "model.pt.ckpt", "reference.json"]
    assert sorted(path.name for path in (trained / "bundle").iterdir()) == [*names, "scalers.pkl"]
    for path in (trained / "bundle").iterdir():
        # objects of Hydra would make the model unloadable without it
        assert b"omegaconf" not in path.read_bytes()
    assert load_run(trained, "cpu").model.trainer_params["logger"] is False


def test_an_incomplete_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"model\.pt': No such file"):
        load_bundle(tmp_path, "darts.models.TiDEModel", "cpu")
