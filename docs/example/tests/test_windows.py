"""Training windows are those of Darts, and a pickle of them returns the same ones."""

import pickle
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries
from darts.models import NLinearModel, RNNModel, TiDEModel
from darts.utils.data import TorchTrainingDataset

from my_forecast.config import (
    TrainConfig,
)
from my_forecast.data import (
    Panel,
    Scalers,
    Split,
)
from my_forecast.data.sources import (
    Synthetic,
)
from my_forecast.loading.epoch_order import (
    EpochOrder,
)
from my_forecast.loading.hardware import (
    detect_hardware,
)
from my_forecast.loading.windows import (
    WindowBatch,
    WindowDataset,
    collate_windows,
)
from my_forecast.modeling.fit import (
    Prepared,
    darts_datasets,
    make_windows,
    supported_covariates,
)

LENGTHS, STARTS = [40, 50, 45], [4, 0, 7]
MODELS = {
    "NLinear": (NLinearModel(8, 4), 8),
    "RNN": (RNNModel(8, training_length=12), 1),
    "TiDE": (TiDEModel(8, 4), 8),
}


def panel() -> Panel:
    """Return series of different times, with every kind of covariates and weights."""
    random = np.random.default_rng(0)

    def group(width: int, ahead: int = 0) -> list[TimeSeries]:
        days = pd.date_range("2024-01-01", periods=70, freq="D")
        times = [days[at : at + n + ahead] for at, n in zip(STARTS, LENGTHS, strict=True)]
        return [TimeSeries(time, random.random((len(time), width), np.float32)) for time in times]

    targets = [
        series.with_static_covariates(pd.DataFrame({"size": np.array([number], np.float32)}))
        for number, series in enumerate(group(2))
    ]
    return Panel.from_series(
        targets, ["a", "b", "c"], group(1, ahead=9), group(2, ahead=9), group(1)
    )


def source(**changes: Any) -> Synthetic:
    """Return a config with the choices of how windows are made."""
    values = {"season_length": 7, "validation_size": 10, "test_size": 5, "fill": "forbid"}
    own = {"scaler": "none", "n_series": 1, "length": 50, "noise": 0, "seed": 0}
    return Synthetic.model_validate({**values, **own, **changes})


def windows_of(name: str, **changes: Any) -> list[WindowDataset]:
    """Return the training and the validation windows of a model, as a run makes them."""
    model, _ = MODELS[name]
    data = supported_covariates(model, panel())
    if "sample_weight" in changes:
        data = replace(data, sample_weight=None)
    test_start = data.targets.stop - 5
    scalers = Scalers(data.names, None, None, None)
    # the values are float32 already
    prepared = Prepared(data, Split(test_start - 10, test_start), scalers, scaled=data)
    config = TrainConfig.model_construct(data=source(**changes))
    found = make_windows(model, config, prepared, detect_hardware("cpu"))
    assert all(isinstance(one, WindowDataset) for one in found)
    return list(found)


def datasets(name: str, **changes: Any) -> tuple[TorchTrainingDataset, TorchTrainingDataset]:
    """Let a model build Darts' datasets of all series, for training and validation."""
    model, _ = MODELS[name]
    data = supported_covariates(model, panel())
    roles = {role: data.to_series(role) for role in data.roles}
    targets, weights = roles.pop("targets"), roles.pop("sample_weight")
    if "sample_weight" not in changes:
        roles["sample_weight"] = weights
    look_back = model.min_train_series_length - model.output_chunk_length
    train = Panel.from_series([one[:-15] for one in targets], data.names, **roles)
    roles.pop("sample_weight", None)
    last = [one[-15 - look_back : -5] for one in targets]
    parts = [train, Panel.from_series(last, data.names, **roles)]
    training, validation = darts_datasets(model, source(**changes), parts)
    assert validation is not None
    return training, validation


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"window_stride": 3, "max_samples_per_ts": 4},
        {"sample_weight": "linear"},
        {"sample_weight": "exponential"},
    ],
)
def test_windows_are_those_of_darts(name: str, changes: dict[str, Any]) -> None:
    """Guards the private method of Darts that the project calls, too."""
    pairs = zip(datasets(name, **changes), windows_of(name, **changes), strict=True)
    for dataset, windows in pairs:
        assert WindowDataset.supports(dataset)
        assert windows.shift == MODELS[name][1]
        assert len(windows) == len(dataset)
        batch = windows.__getitems__(range(len(windows)))
        for number in range(len(dataset)):
            expected = dataset[number]
            for item in fields(expected):
                want, found = getattr(expected, item.name), getattr(batch, item.name)
                assert (want is None) == (found is None), item.name
                if want is not None:
                    want = want.astype(np.float32)
                    np.testing.assert_array_equal(found[number].numpy(), want, item.name)


def test_uniform_sampling_has_each_window_once() -> None:
    windows, _ = windows_of("TiDE", sampling="uniform")
    assert len(windows) == sum(length - 15 - 12 + 1 for length in LENGTHS)
    batch = windows.__getitems__(range(len(windows)))
    assert len(torch.unique(batch.past_target, dim=0)) == len(windows)


def test_pickled_windows_are_the_same() -> None:
    """Spawned workers receive the windows as a pickle, and return their batches as one."""
    windows = windows_of("TiDE")[0]
    copy = pickle.loads(pickle.dumps(windows))
    batch = windows.__getitems__(range(len(windows)))
    other = pickle.loads(pickle.dumps(collate_windows(copy.__getitems__(range(len(copy))))))
    assert isinstance(other, WindowBatch)
    for name, tensor in batch.tensors().items():
        assert torch.equal(tensor, getattr(other, name)), name


def test_the_order_of_windows_depends_on_seed_and_epoch_only() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        shuffled = EpochOrder(20, 8, seed)
        shuffled.set_epoch(epoch)
        torch.rand(1)
        return [number for batch in shuffled for number in batch.tolist()]

    assert sorted(order(0, 0)) == list(range(20))
    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
