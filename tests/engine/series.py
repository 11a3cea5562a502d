"""Series and settings that several tests use."""

from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from my_forecast.data import Panel
from my_forecast.data.sources import Synthetic

COMMON: dict[str, Any] = {
    "season_length": 7,
    "validation_size": 0.1,
    "test_size": 0.2,
    "fill": "linear",
    "scaler": "standard",
}


def series_set(*lengths: int) -> Panel:
    """Return series that count upwards from 0."""
    targets = [
        TimeSeries(
            pd.date_range("2024-01-01", periods=n, freq="D"), np.arange(n, dtype=float)[:, None]
        )
        for n in lengths
    ]
    return Panel.from_series(targets, [f"series {n}" for n in lengths])


def synthetic(**changes: Any) -> Synthetic:
    """Return the settings of two daily series from 2020-01-01 on."""
    values: dict[str, Any] = {
        "n_series": 2,
        "length": 100,
        "noise": 0.5,
        "seed": 0,
        "season_length": 7,
        "validation_size": 10,
        "test_size": 10,
        "fill": "forbid",
        "scaler": "standard",
    }
    return Synthetic(**(values | changes))


def numbered(*lengths: int) -> Panel:
    """Return daily series that end on the same day, with numbers as values."""
    targets = [
        TimeSeries.from_times_and_values(
            pd.date_range(end="2024-04-09", periods=length, freq="D"), np.arange(1.0, length + 1)
        )
        for length in lengths
    ]
    return Panel.from_series(targets, [f"s{number}" for number in range(len(lengths))])
