"""Forecasts from many origins of many series, against Darts' ``historical_forecasts``."""

from collections.abc import Callable, Iterator

import numpy as np
from common import BATCH, INPUT, OUTPUT, Row, interleaved, medians, random_series, seconds
from darts.models import NLinearModel
from my_forecast.config import QuantileConfig
from my_forecast.data import Panel
from my_forecast.evaluation.inference import Origins, forecast_scaled
from training import quiet

SERIES, ORIGINS = 200, 100


def measure() -> Iterator[Row]:
    """Compare the two, without retraining; both return the same forecasts."""
    quiet()
    targets = random_series([INPUT + OUTPUT + ORIGINS - 1] * SERIES)
    model = NLinearModel(
        INPUT,
        OUTPUT,
        n_epochs=1,
        batch_size=BATCH,
        random_state=0,
        pl_trainer_kwargs={
            "accelerator": "cpu",
            "max_steps": 1,
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
        },
    )
    model.fit(targets, dataloader_kwargs={"pin_memory": False})
    data = Panel.from_series(targets)
    origins = Origins.between(np.full(SERIES, INPUT), np.full(SERIES, INPUT + ORIGINS - 1))

    def darts() -> np.ndarray:
        forecasts = model.historical_forecasts(
            targets,
            forecast_horizon=OUTPUT,
            retrain=False,
            last_points_only=False,
            predict_kwargs={"batch_size": 1024, "dataloader_kwargs": {"pin_memory": False}},
        )
        return np.stack([one.values(copy=False) for windows in forecasts for one in windows])

    def project() -> np.ndarray:
        return forecast_scaled(model, data, origins, OUTPUT, QuantileConfig()).point

    np.testing.assert_allclose(project(), darts(), rtol=1e-4, atol=1e-4)
    sides: dict[str, Callable[[], float]] = {
        "darts": lambda: seconds(darts),
        "project": lambda: seconds(project),
    }
    times = medians(interleaved(sides))
    detail = {f"{name}, s": round(value, 3) for name, value in times.items()}
    ratio = times["darts"] / times["project"]
    yield Row("backtest", f"{SERIES * ORIGINS:,} forecasts", ratio, ">= 1 x", detail)
