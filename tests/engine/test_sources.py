"""Series that do not come from files."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from my_forecast.data import (
    Panel,
    fingerprint,
    load_data,
)
from my_forecast.data.sources import Co2, FunctionSource, Synthetic
from my_forecast.errors import UserError

from engine.series import COMMON, series_set


def test_co2_is_the_embedded_series_without_its_gaps() -> None:
    data = load_data(Co2(**COMMON))
    series = data.to_series()[0]
    assert (len(series), series.freq_str) == (2284, "W-SAT")
    assert not np.isnan(series.values()).any()
    assert series.values()[0, 0] == pytest.approx(316.1)


@pytest.mark.parametrize(
    ("returned", "names"),
    [
        (series_set(9, 8), ["series 9", "series 8"]),
        (series_set(9).to_series()[0], ["0"]),
        (series_set(9, 8).to_series(), ["series_0000", "series_0001"]),
    ],
)
def test_series_come_from_a_function(
    returned: Any, names: list[str], workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = FunctionSource(function="my_data.load", **COMMON)
    with pytest.raises(UserError, match=r"cannot import 'my_data\.load'"):
        load_data(settings)
    module = ModuleType("my_data")
    monkeypatch.setattr(module, "load", lambda: returned, raising=False)
    monkeypatch.setitem(sys.modules, "my_data", module)
    assert load_data(settings).names == names
    monkeypatch.setattr(module, "load", lambda: 3)
    with pytest.raises(UserError, match=r"my_data\.load: returned int. Return a Panel"):
        load_data(settings)


def test_infinite_weights_of_a_function_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    [series] = series_set(9).to_series()
    weights = series.with_values(np.full((9, 1), np.inf))
    module = ModuleType("my_data")
    panel = Panel.from_series(series, ["a"], sample_weight=[weights])
    monkeypatch.setattr(module, "load", lambda: panel, raising=False)
    monkeypatch.setitem(sys.modules, "my_data", module)
    with pytest.raises(UserError, match=r"my_data\.load: 9 infinite or too large values"):
        load_data(FunctionSource(function="my_data.load", **COMMON))


def test_synthetic_data_is_the_same_for_the_same_seed() -> None:
    def make(seed: int) -> Panel:
        return load_data(Synthetic(**COMMON, n_series=3, length=50, noise=0.1, seed=seed))

    assert fingerprint(make(1)) == fingerprint(make(1)) != fingerprint(make(2))
    assert make(1).targets.length.tolist() == [50, 50, 50]
