"""The fast windows are Darts' windows, and they survive every way to start a worker."""

import multiprocessing
import pickle
import subprocess
import sys
from dataclasses import dataclass, fields, replace
from itertools import product
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from darts import TimeSeries, concatenate
from darts.models import NLinearModel, RNNModel
from darts.utils.data import (
    HorizonBasedTorchTrainingDataset,
    SequentialTorchTrainingDataset,
    ShiftedTorchTrainingDataset,
    TorchTrainingDataset,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from my_forecast.data import IN_MEMORY, Panel, Scalers, Split
from my_forecast.data.sources import Co2
from my_forecast.errors import UserError
from my_forecast.large_data.mapped import MappedArrays
from my_forecast.loading.epoch_order import EpochOrder, GatheredBatches, ResumableLoader
from my_forecast.loading.windows import WindowBatch, WindowDataset, collate_windows
from my_forecast.modeling import fit
from my_forecast.modeling.fit import darts_datasets
from torch.utils.data import DataLoader

from engine.project import PROJECT

START = pd.Timestamp("2020-01-06")


def make_series(
    length: int,
    components: int = 1,
    start: int = 0,
    freq: str = "D",
    static: int = 0,
    seed: int = 0,
) -> TimeSeries:
    """Return random float32 series that starts ``start`` steps after START.

    ``static`` is the number of its rows of static covariates: 0, 1 or one for each component.
    """
    random = np.random.default_rng([length, components, start, seed])
    index = pd.date_range(START, periods=2, freq=freq)
    begin = index[0] + start * index.freq
    values = random.standard_normal((length, components)).astype(np.float32)
    series = TimeSeries(pd.date_range(begin, periods=length, freq=freq), values)
    if static:
        covariates = pd.DataFrame({"size": random.standard_normal(static), "age": 1.0})
        series = series.with_static_covariates(covariates).astype(np.float32)
    return series


@dataclass(frozen=True)
class Example:
    """The same windows twice: of Darts, and what those of the project are made from.

    Attributes:
        darts: Darts' dataset of all series.
        shape: Darts' dataset of the longest series.
        panel: all series.
        max_samples_per_ts: of both datasets.
    """

    darts: ShiftedTorchTrainingDataset
    shape: ShiftedTorchTrainingDataset
    panel: Panel
    max_samples_per_ts: int | None

    def windows(self, sampling: str = "darts") -> WindowDataset:
        """Return the windows of the project, made as a training makes them."""
        assert WindowDataset.supports(self.darts)
        assert WindowDataset.supports(self.shape)
        panel = fit._weighted(self.panel, self.shape)
        return WindowDataset(self.shape, panel, self.max_samples_per_ts, sampling)


@st.composite
def examples(draw: st.DrawFn) -> Example:
    """Draw any Darts dataset that a model may build, on series of different times."""
    input_length, output_length = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    shifted = draw(st.booleans())
    first_shift = max(1, input_length - output_length) if shifted else input_length
    shift = first_shift + draw(st.integers(0, 4))
    span = shift + output_length
    lengths = draw(st.lists(st.integers(span, span + 25), min_size=1, max_size=4))
    starts = [draw(st.integers(5, 15)) for _ in lengths]
    # steps of a later part, which follow the training part of each series
    later = draw(st.integers(0, 4))
    components = draw(st.integers(1, 3))
    static = draw(st.sampled_from([0, 1, components]))
    freq = draw(st.sampled_from(["D", "h", "W-SUN", "MS"]))

    def group(width: int, early: int, late: int, seed: int, static: int = 0) -> list[TimeSeries]:
        return [
            make_series(n + early + late, width, start - early, freq, static, seed + number)
            for number, (n, start) in enumerate(zip(lengths, starts, strict=True))
        ]

    def covariates(seed: int) -> list[TimeSeries] | None:
        if not draw(st.booleans()):
            return None
        early, late = draw(st.integers(0, 5)), draw(st.integers(0, 5))
        return group(draw(st.integers(1, 3)), early, late, seed)

    weight: Any = draw(st.sampled_from([None, "linear", "exponential", "series"]))
    if weight == "series":
        weight = group(draw(st.sampled_from([1, components])), 0, 0, 30)
    whole = group(components, 0, later, 0, static)
    roles: dict[str, Any] = {
        "past_covariates": covariates(10),
        "future_covariates": covariates(20),
        "sample_weight": weight,
    }
    longest = int(np.argmax(lengths))
    known = {name: group for name, group in roles.items() if not isinstance(group, str)}
    panel = Panel.from_series(whole, [str(number) for number in range(len(whole))], **known)
    panel = replace(panel, targets=panel.targets.between(0, panel.targets.stop - later))
    most = draw(st.none() | st.integers(1, 10))
    arguments: dict[str, Any] = {
        "input_chunk_length": input_length,
        "output_chunk_length": output_length,
        "stride": draw(st.integers(1, 4)),
        "max_samples_per_ts": most,
        "use_static_covariates": static > 0,
    }

    def dataset(**series: Any) -> ShiftedTorchTrainingDataset:
        if shifted:
            return ShiftedTorchTrainingDataset(shift=shift, **series, **arguments)
        own_shift = shift - input_length
        return SequentialTorchTrainingDataset(output_chunk_shift=own_shift, **series, **arguments)

    targets = [series[: len(series) - later] for series in whole]
    one = {
        name: group[longest : longest + 1] if isinstance(group, list) else group
        for name, group in roles.items()
    }
    return Example(
        darts=dataset(series=targets, **roles),
        shape=dataset(series=targets[longest : longest + 1], **one),
        panel=panel,
        max_samples_per_ts=most,
    )


@settings(max_examples=150)
@given(example=examples())
def test_windows_equal_those_of_darts(example: Example) -> None:
    dataset, windows = example.darts, example.windows()
    assert len(windows) == len(dataset)
    batch = windows.__getitems__(list(range(len(dataset))))
    for number in range(len(dataset)):
        expected, sample = dataset[number], windows[number]
        for item in fields(expected):
            want = getattr(expected, item.name)
            gathered, single = getattr(batch, item.name), getattr(sample, item.name)
            if want is None:
                assert gathered is None
                assert single is None
            else:
                np.testing.assert_array_equal(gathered[number].numpy(), want.astype(np.float32))
                np.testing.assert_array_equal(single, want.astype(np.float32))


@settings(max_examples=50)
@given(example=examples())
def test_uniform_sampling_has_each_window_of_darts_once(example: Example) -> None:
    dataset, windows = example.darts, example.windows("uniform")

    def content(sample: Any) -> bytes:
        values = [getattr(sample, item.name) for item in fields(sample)]
        return b"|".join(b"" if v is None else v.astype(np.float32).tobytes() for v in values)

    expected = {content(dataset[number]) for number in range(len(dataset))}
    uniform = [content(windows[number]) for number in range(len(windows))]
    assert set(uniform) == expected
    assert len(uniform) == len(expected)


def test_a_model_builds_the_datasets_that_the_windows_are_made_from() -> None:
    """Guards the one private name of Darts that the project uses."""
    panel = Panel.from_series([make_series(60)], ["a"])
    split = Split(train_end=np.array([40]), test_start=np.array([60]))
    co2 = Co2(season_length=7, validation_size=0.3, test_size=0, fill="linear", scaler="none")
    for model, shift in [
        (NLinearModel(8, 4), 8),
        (RNNModel(8, training_length=12), 1),
    ]:
        look_back = model.min_train_series_length - model.output_chunk_length
        targets = split.train(panel.targets), split.validation(panel.targets, look_back)
        parts = [replace(panel, targets=part) for part in targets]
        train, validation = darts_datasets(model, co2, parts)
        assert validation is not None
        for dataset, part in zip((train, validation), parts, strict=True):
            assert WindowDataset.supports(dataset)
            windows = WindowDataset(dataset, part)
            assert windows.shift == shift
            assert len(windows) == len(dataset)
        assert len(train) == 40 - model.min_train_series_length + 1
        assert len(validation) == 20 + look_back - model.min_train_series_length + 1


def test_datasets_beyond_the_windows_are_left_to_darts() -> None:
    series = make_series(30)
    stochastic = concatenate([series, series], axis="sample")
    uncovered: list[TorchTrainingDataset] = [
        SequentialTorchTrainingDataset([series], input_chunk_length=(3, 6), output_chunk_length=2),
        SequentialTorchTrainingDataset([stochastic], input_chunk_length=3, output_chunk_length=2),
        HorizonBasedTorchTrainingDataset([series], output_chunk_length=2),
    ]
    for dataset in uncovered:
        assert not WindowDataset.supports(dataset)
        batch = collate_windows([dataset[0], dataset[1]])
        assert batch.past_target.shape[0] == 2
    beyond_its_end = ShiftedTorchTrainingDataset([series], input_chunk_length=6, shift=1)
    assert not WindowDataset.supports(beyond_its_end)


def test_short_series_are_named_when_the_dataset_is_built() -> None:
    series = [make_series(20), make_series(5)]
    with pytest.raises(UserError, match=r"1 of 2 series .* 9 steps.*: b \(5\)"):
        WindowDataset(shape_of(series[:1]), Panel.from_series(series, ["a", "b"]))


@pytest.mark.parametrize(
    ("start", "length", "missing"), [(3, 17, "3 steps .* 0 after"), (0, 15, "0 steps .* 5 after")]
)
def test_covariates_that_do_not_cover_the_windows_are_refused(
    start: int, length: int, missing: str
) -> None:
    series, covariates = [make_series(20)], [make_series(length, start=start)]
    panel = Panel.from_series(series, future_covariates=covariates)
    shape = shape_of(series, future_covariates=covariates)
    with pytest.raises(UserError, match=f"future_covariates of series 0.* {missing}"):
        WindowDataset(shape, panel)


def test_values_become_float32() -> None:
    series = [make_series(20).astype(np.float64)]
    windows = WindowDataset(shape_of(series), Panel.from_series(series))
    assert windows[0].past_target.dtype == np.float32


def shape_of(series: list[TimeSeries], **roles: Any) -> SequentialTorchTrainingDataset:
    """Return Darts' dataset of windows of six and three steps."""
    return SequentialTorchTrainingDataset(
        series, input_chunk_length=6, output_chunk_length=3, **roles
    )


def every_role(device: str = "cpu") -> WindowDataset:
    """Return windows of two series with every role."""
    series = [make_series(40, static=1), make_series(30, static=1)]
    covariates = [make_series(40, 2), make_series(30, 2)]
    roles = {"past_covariates": covariates, "future_covariates": covariates}
    panel = Panel.from_series(series, **roles)
    longest = {name: group[:1] for name, group in roles.items()}
    shape = shape_of(series[:1], sample_weight="linear", **longest)
    return WindowDataset(shape, fit._weighted(panel, shape), device=device)


def test_pickled_windows_are_the_same() -> None:
    windows = every_role()
    copy = pickle.loads(pickle.dumps(windows))
    for item in fields(WindowBatch):
        torch.testing.assert_close(
            getattr(copy.__getitems__([0, 3]), item.name),
            getattr(windows.__getitems__([0, 3]), item.name),
        )


@pytest.mark.parametrize("context", multiprocessing.get_all_start_methods())
def test_workers_deliver_the_same_batches(context: str) -> None:
    windows = every_role()
    loader = DataLoader(
        windows,
        batch_size=16,
        num_workers=2,
        multiprocessing_context=context,
        collate_fn=collate_windows,
    )
    batches = list(loader)
    assert all(isinstance(batch, WindowBatch) for batch in batches)
    expected = windows.__getitems__(range(len(windows)))
    for item in fields(WindowBatch):
        gathered = torch.cat([getattr(batch, item.name) for batch in batches])
        torch.testing.assert_close(gathered, getattr(expected, item.name), rtol=0, atol=0)


def flat_example(folder: Path | None = None, rows: int = 3000) -> WindowDataset:
    """Return windows of series that are parts of one array, in a file if a folder is given."""
    names = [str(number) for number in range(10)]
    series = [make_series(rows // 10, start=number) for number in range(10)]
    data = Panel.from_series(series, names)
    storage = IN_MEMORY if folder is None else MappedArrays(folder)
    scaled = Scalers(names, None, None, None).transform(data, storage)
    return WindowDataset(shape_of(series[:1]), scaled)


def test_parts_of_one_array_are_not_copied() -> None:
    data = Panel.from_series([make_series(100)], ["a"])
    scaled = Scalers(["a"], None, None, None).transform(data)
    split = Split(train_end=np.array([60]), test_start=np.array([80]))
    train, validation = (
        WindowDataset(shape_of(data.to_series()), replace(scaled, targets=part))
        for part in (split.train(scaled.targets), split.validation(scaled.targets, 6))
    )
    series = data.to_series()[0].values()
    address = scaled.targets.values.ctypes.data
    for windows, start, length in ((train, 0, 60), (validation, 54, 26)):
        assert windows._roles["targets"].values.data_ptr() == address
        assert len(windows) == length - 8
        np.testing.assert_array_equal(
            windows[len(windows) - 1].past_target, series[start : start + 6].astype(np.float32)
        )


@pytest.mark.parametrize("rows", [3_000, 300_000])
def test_what_a_worker_is_sent_is_small_whatever_the_data(rows: int, tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        windows = flat_example(folder, rows)
        assert len(ForkingPickler.dumps(windows)) < 4096


def test_values_in_a_file_are_sent_as_its_path(tmp_path: Path) -> None:
    windows = flat_example(tmp_path, 300_000)
    pickled = pickle.dumps(windows)
    assert len(pickled) < 4096
    np.testing.assert_array_equal(
        pickle.loads(pickled).__getitems__([0, 9]).past_target,
        windows.__getitems__([0, 9]).past_target,
    )


def test_windows_are_gathered_on_the_device_of_the_values() -> None:
    batch = every_role("meta").__getitems__([0, 3])
    for item in fields(batch):
        assert getattr(batch, item.name).device.type == "meta", item.name


@pytest.mark.parametrize("epoch", [0, 3])
def test_the_order_depends_on_seed_and_epoch_alone(epoch: int) -> None:
    def order(seed: int) -> list[int]:
        shuffled = EpochOrder(10, 4, seed)
        shuffled.set_epoch(epoch)
        batches = list(shuffled)
        assert [len(batch) for batch in batches] == [4, 4, 2]
        torch.rand(1)
        again: list[int] = np.concatenate(list(shuffled)).tolist()
        assert np.concatenate(batches).tolist() == again
        return again

    assert order(0) == order(0) != order(1)
    assert sorted(order(0)) == list(range(10))


def test_no_two_pairs_of_seed_and_epoch_have_the_same_order() -> None:
    orders = set()
    for seed, epoch in product(range(10), range(10)):
        shuffled = EpochOrder(100, 100, seed)
        shuffled.set_epoch(epoch)
        orders.add(next(iter(shuffled)).tobytes())
    assert len(orders) == 100


@pytest.mark.parametrize("seed", [None, 0])
@pytest.mark.parametrize("workers", [None, 0, 1])
def test_a_loader_can_be_iterated_again(workers: int | None, seed: int | None) -> None:
    series = make_series(40)
    shape = SequentialTorchTrainingDataset(series, input_chunk_length=4, output_chunk_length=2)
    windows = WindowDataset(shape, Panel.from_series(series))
    order = EpochOrder(len(windows), 8, seed)
    if workers is None:
        batches: Any = GatheredBatches(windows, order)
    else:
        kept = {"num_workers": workers, "persistent_workers": workers > 0}
        batches = ResumableLoader(windows, batch_sampler=order, collate_fn=collate_windows, **kept)
    first, again = ([batch.past_target for batch in batches] for _ in range(2))
    assert len(first) == len(batches) == 5
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))


@settings(max_examples=40)
@given(example=examples(), batch_size=st.integers(1, 40), shuffled=st.booleans())
def test_batches_without_a_data_loader_are_those_of_one(
    example: Example, batch_size: int, shuffled: bool
) -> None:
    windows = example.windows()
    order = EpochOrder(len(windows), batch_size, seed=3 if shuffled else None)
    arguments: dict[str, Any] = {"batch_sampler": order} if shuffled else {"batch_size": batch_size}
    expected = list(DataLoader(windows, collate_fn=collate_windows, **arguments))
    batches = GatheredBatches(windows, order)
    assert len(batches) == len(expected)
    for batch, other in zip(batches, expected, strict=True):
        for item in fields(WindowBatch):
            gathered, loaded = getattr(batch, item.name), getattr(other, item.name)
            assert (gathered is None) == (loaded is None)
            assert gathered is None or torch.equal(gathered, loaded)


def test_what_a_spawned_worker_imports_is_light() -> None:
    code = f"import sys, {WindowDataset.__module__}; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"pytorch_lightning", "darts.models", "sklearn", "matplotlib", "scipy", "hydra"}
    assert "darts.utils.data" in imported
    assert not heavy & set(imported)


PROBE = """import sys
from pathlib import Path


def report(worker):
    Path("modules.txt").write_text(" ".join(sys.modules))
"""
SCRIPT = """
import probe


def main():
    import sys

    import pandas as pd
    from darts import TimeSeries
    from darts.models import NLinearModel
    from darts.utils.data import SequentialTorchTrainingDataset
    from torch.utils.data import DataLoader

    from PACKAGE.data import Panel
    from PACKAGE.loading.windows import WindowDataset, collate_windows

    index = pd.date_range("2024-01-01", periods=30)
    series = TimeSeries(index, index.day.to_numpy())
    loader = DataLoader(
        WindowDataset(SequentialTorchTrainingDataset(series), Panel.from_series(series)),
        num_workers=1,
        multiprocessing_context=sys.argv[1],
        worker_init_fn=probe.report,
        collate_fn=collate_windows,
    )
    assert len(list(loader)) == 18


if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    "context", sorted({"spawn", "forkserver"} & {*multiprocessing.get_all_start_methods()})
)
def test_a_worker_of_train_py_imports_no_models(context: str, tmp_path: Path) -> None:
    """The script starts as train.py does, imports models in its main function, and has a worker."""
    head = (PROJECT / "train.py").read_text(encoding="utf-8").split("@hydra.main")[0]
    script = head + SCRIPT.replace("PACKAGE", WindowDataset.__module__.split(".")[0])
    (tmp_path / "script.py").write_text(script, encoding="utf-8")
    (tmp_path / "probe.py").write_text(PROBE, encoding="utf-8")
    subprocess.run([sys.executable, "script.py", context], cwd=tmp_path, check=True)
    imported = (tmp_path / "modules.txt").read_text().split()
    assert WindowDataset.__module__ in imported
    assert not {"pytorch_lightning", "darts.models", "sklearn", "matplotlib"} & set(imported)


def test_the_loader_pins_every_tensor_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a GPU nothing can be pinned for real, so the calls are counted."""
    from torch.utils.data._utils.pin_memory import pin_memory

    pinned = []

    def record(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append(tensor.shape)
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "pin_memory", record)
    batch = every_role().__getitems__([0, 1])
    result = pin_memory(batch)
    assert isinstance(result, WindowBatch)
    assert len(pinned) == len(fields(WindowBatch))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_pinned_batch_reaches_the_gpu() -> None:
    batch = every_role().__getitems__([0, 1]).pin_memory()
    assert batch.past_target.is_pinned()
    assert batch.to("cuda").future_target.device.type == "cuda"


def test_lightning_moves_a_batch_by_its_own_method(monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning_fabric.utilities.apply_func import move_data_to_device

    moved = []
    original = WindowBatch.to
    monkeypatch.setattr(
        WindowBatch, "to", lambda self, device: moved.append(device) or original(self, device)
    )
    batch = move_data_to_device(every_role().__getitems__([0, 1]), torch.device("meta"))
    assert moved == [torch.device("meta")]
    assert batch.future_target.device.type == "meta"
