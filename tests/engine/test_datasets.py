"""Data sets that Darts and statsmodels bring along."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from darts.datasets.dataset_loaders import DatasetLoader
from my_forecast.data import load_data
from my_forecast.datasets import DartsDataset, StatsmodelsDataset
from my_forecast.errors import UserError

COMMON: dict[str, Any] = {
    "season_length": 7,
    "validation_size": 0.1,
    "test_size": 0.2,
    "fill": "linear",
    "scaler": "standard",
}


@pytest.mark.parametrize(
    ("name", "components", "frequency", "length", "first"),
    [
        ("co2", 1, "W-SAT", 2284, 316.1),
        ("elnino", 1, "MS", 732, 23.11),
        ("interest_inflation", 2, "QS-OCT", 107, -0.00313258),
        ("macrodata", 12, "QS-OCT", 203, 2710.349),
        ("nile", 1, "YS-JAN", 100, 1120),
        ("sunspots", 1, "YS-JAN", 309, 5),
    ],
)
def test_data_sets_of_statsmodels_have_their_times(
    name: str, components: int, frequency: str, length: int, first: float
) -> None:
    series = load_data(StatsmodelsDataset(name=name, **COMMON)).to_series()[0]
    assert (series.n_components, series.freq_str, len(series)) == (components, frequency, length)
    assert series.values()[0, 0] == pytest.approx(first)


def test_a_data_set_of_darts_is_taken_from_its_cache_or_said_to_be_missing(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DatasetLoader, "_DEFAULT_DIRECTORY", workdir)
    monkeypatch.setattr("requests.get", lambda uri: (_ for _ in ()).throw(OSError("offline")))
    passengers = DartsDataset(name="AirPassengersDataset", **COMMON)
    with pytest.raises(UserError, match=r"not in the cache .*offline.* copy the file to .*air_"):
        load_data(passengers)
    months = pd.date_range("1949-01-01", periods=5, freq="MS").strftime("%Y-%m")
    rows = [f"{month},{number}" for number, month in enumerate(months)]
    (workdir / "air_passengers.csv").write_text("\n".join(["Month,#Passengers", *rows]))
    with pytest.raises(UserError, match="Expected hash"):
        load_data(passengers)
    monkeypatch.setattr(DatasetLoader, "_check_dataset_integrity_or_raise", lambda self: None)
    data = load_data(passengers)
    assert data.names == ["#Passengers"]
    assert data.to_series()[0].values().ravel().tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(UserError, match="'Passengers' is not a data set of Darts"):
        load_data(passengers.model_copy(update={"name": "Passengers"}))
