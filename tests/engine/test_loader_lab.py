"""The measurement of doctor.py, with few settings and few steps."""

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from my_forecast.config import LoaderConfig, TrainConfig, check_config
from my_forecast.data import IN_MEMORY
from my_forecast.errors import UserError
from my_forecast.loader_lab import measure
from my_forecast.loader_lab.measure import measure_all, settings_to_measure
from my_forecast.loader_lab.results import Measurement, best, table, write_local
from my_forecast.loading.hardware import detect_hardware
from my_forecast.modeling.build import build_model
from my_forecast.modeling.fit import make_windows, prepare_data
from omegaconf import DictConfig

from engine.project import FAST

POINT = Measurement(
    settings={"num_workers": 0},
    windows_per_second=1000.0,
    first_batch_seconds=0.1,
    restart_seconds=0.1,
    worker_mib=0.0,
    waiting=0.2,
    training_seconds=10.0,
)
TWO = {"num_workers": 2, "multiprocessing_context": "spawn", "persistent_workers": True}


def test_every_way_to_start_workers_is_measured() -> None:
    hardware = replace(detect_hardware("cpu"), usable_cpus=4, start_methods=("fork", "spawn"))
    points = settings_to_measure(hardware)
    assert points[0] == LoaderConfig(num_workers=0)
    assert len({str(point) for point in points}) == len(points) == 1 + 2 * 3 * 2


def test_each_setting_trains_for_real(
    config: Callable[..., DictConfig], workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = multiprocessing.get_all_start_methods()[0]
    worker = LoaderConfig(num_workers=1, multiprocessing_context=method, persistent_workers=False)
    points = [LoaderConfig(num_workers=0), worker]
    monkeypatch.setattr(measure, "settings_to_measure", lambda hardware: points)
    training = check_config(
        config(*FAST, "trainer.max_epochs=40", "model.batch_size=32"), TrainConfig
    )
    hardware, model = detect_hardware("cpu"), build_model(training, workdir)
    train, _ = make_windows(model, training, prepare_data(model, training, IN_MEMORY), hardware)
    alone, helped = measure_all(training, train, hardware, batches=3)
    single = training.model_copy(update={"model": {**training.model, "batch_size": 512}})
    for trained, batches in ((single, 3), (training, 1)):
        with pytest.raises(UserError, match=r"ends after its first batch.* measure\.batches"):
            measure_all(trained, train, hardware, batches)
    assert alone.settings == {"num_workers": 0}
    assert helped.settings == worker.model_dump(include=set(TWO))
    assert alone.worker_mib == 0 < helped.worker_mib
    for point in (alone, helped):
        assert point.windows_per_second > 0
        assert 0 < point.waiting < 1
        # 40 epochs are estimated from 2: they take longer than the batches measured
        assert point.training_seconds > point.first_batch_seconds + 38 * point.restart_seconds


def test_the_fewest_workers_of_equal_settings_are_best() -> None:
    two = replace(POINT, settings=TWO)
    assert best([two, POINT]) == POINT
    assert best([POINT, replace(two, training_seconds=9.9)]) == POINT
    faster = replace(two, training_seconds=5.0)
    assert best([POINT, faster]) == faster
    lines = table([POINT, faster]).splitlines()
    assert [line.endswith("<- best") for line in lines] == [False, False, True]


def test_the_best_settings_are_written_for_later_runs(tmp_path: Path) -> None:
    faster = replace(POINT, settings=TWO)
    path = write_local(faster, tmp_path)
    assert path == tmp_path / "dataloader.yaml"
    assert yaml.safe_load(path.read_text()) == TWO
    assert yaml.safe_load(write_local(POINT, tmp_path).read_text()) == {"num_workers": 0}
