"""Stores of ``prepare.py``, and forecasts that are written a part at a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from my_forecast.data import Panel, fingerprint, load_data
from my_forecast.data.files import ParquetFiles
from my_forecast.errors import UserError
from my_forecast.large_data import StoredPanel
from my_forecast.large_data.forecast_parts import SERIES, write_parts

from engine.project import Finished
from engine.series import COMMON

Run = Callable[..., Finished]


def sales(path: Path) -> ParquetFiles:
    """Write three series with gaps, static covariates and a covariate, and describe them."""
    random = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=60)
    frame = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": days[number:], "y": random.random(60 - number)})
        for number, name in enumerate("abc")
    )
    frame.loc[frame["ds"] > days[-7], "y"] = np.nan
    frame["event"] = (frame["ds"].dt.day == 1).astype(float)
    frame["region"] = frame["unique_id"].map({"a": "north", "b": "south", "c": "north"})
    kept = pd.concat([frame.sample(frac=0.9, random_state=0), frame.groupby("unique_id").tail(8)])
    kept.drop_duplicates(["unique_id", "ds"]).to_parquet(path, index=False)
    return ParquetFiles(
        **COMMON,
        path=path.as_posix(),
        time_column="ds",
        target_columns=["y"],
        future_covariates_columns=["event"],
        static_covariates_columns=["region"],
        frequency="D",
    )


ARGUMENTS = [
    "data.path=sales.parquet",
    "data.frequency=D",
    "data.future_covariates_columns=[event]",
    "data.static_covariates_columns=[region]",
    "store=store",
]


@pytest.fixture
def store(workdir: Path, run: Run) -> StoredPanel:
    """Return a store of ``sales``."""
    sales(Path("sales.parquet"))
    done = run("prepare", *ARGUMENTS)
    assert done.code == 0, done.err
    return stored()


def stored(**changes: Any) -> StoredPanel:
    """Describe the store."""
    return StoredPanel(**{**COMMON, "path": "store", **changes})


def test_a_store_holds_what_its_source_holds(store: StoredPanel) -> None:
    opened = load_data(store)
    assert fingerprint(opened) == fingerprint(load_data(sales(Path("sales.parquet"))))
    assert isinstance(opened.targets.values, np.memmap)
    assert opened.to_series()[1].freq_str == "D"
    assert not Path("store.unfinished").exists()


def test_a_run_on_a_store_is_a_run_on_its_source(store: StoredPanel, run: Run) -> None:
    fast = [
        *("model=tide", "model.input_chunk_length=10", "horizon=5", "trainer.max_epochs=1"),
        *("trainer.accelerator=cpu", "after_run=[]", "data.validation_size=10"),
        "data.test_size=10",
    ]
    for name, data in (
        ("a", ["data=store", "data.path=store"]),
        ("b", ["data=parquet", *ARGUMENTS[:-1]]),
    ):
        done = run("train", *data, *fast, f"hydra.run.dir={name}")
        assert done.code == 0, done.err
    assert Path("a/metrics.json").read_text() == Path("b/metrics.json").read_text()


def test_a_store_is_not_written_twice(store: StoredPanel, run: Run) -> None:
    done = run("prepare", *ARGUMENTS)
    assert done.code == 1
    assert "store: 'store' already exists" in done.out


def test_what_a_killed_preparation_left_is_not_taken_for_a_store(workdir: Path, run: Run) -> None:
    Path("store.unfinished").mkdir()
    Path("store.unfinished", "2-targets.npy").write_bytes(b"half")
    with pytest.raises(UserError, match=r"'store\.unfinished' is not a complete store"):
        load_data(stored(path="store.unfinished"))
    sales(Path("sales.parquet"))
    assert run("prepare", *ARGUMENTS).code == 0
    assert sorted(load_data(stored()).names) == ["a", "b", "c"]


def test_a_store_older_than_its_source_is_refused(store: StoredPanel) -> None:
    source = sales(Path("sales.parquet"))
    pd.read_parquet(source.path).head(50).to_parquet("sales.parquet")
    with pytest.raises(UserError, match=r"'sales\.parquet' has changed since the store"):
        load_data(store)


def test_a_store_of_many_files_older_than_one_of_them_is_refused(workdir: Path, run: Run) -> None:
    Path("parts").mkdir()
    sales(Path("parts/a.parquet"))
    assert run("prepare", "data.path=parts", *ARGUMENTS[1:]).code == 0
    pd.read_parquet("parts/a.parquet").head(50).to_parquet("parts/a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet' has changed since the store"):
        load_data(stored())


def test_a_damaged_store_is_refused(store: StoredPanel) -> None:
    content = json.loads(Path("store/store.json").read_text())
    path = Path("store", content["files"]["targets"])
    values = np.load(path)
    for changed in (values + 1, values[:-1]):
        np.save(path, changed)
        with pytest.raises(UserError, match="'store' is damaged"):
            load_data(store)
    path.write_bytes(b"")
    with pytest.raises(UserError, match="'store' is damaged"):
        load_data(store)


def test_a_store_of_another_version_is_refused(store: StoredPanel) -> None:
    path = Path("store/store.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 0}))
    with pytest.raises(UserError, match="a store of another version"):
        load_data(store)


def test_a_malformed_description_is_refused(store: StoredPanel) -> None:
    path = Path("store/store.json")
    whole = json.loads(path.read_text())
    for content in ({}, [], {"version": 1}, {"version": 1, "sources": []}):
        path.write_text(json.dumps(content))
        with pytest.raises(UserError, match=r"'store' is not a complete store\. Run prepare"):
            load_data(store)
    for key in whole:
        for wrong in (None, 7, "x", [1]):
            if wrong == whole[key]:
                continue
            path.write_text(json.dumps({**whole, key: wrong}))
            with pytest.raises(UserError, match=r"a complete store|another version|damaged"):
                load_data(store)


def table(numbers: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Return forecasts of some series."""
    return pd.DataFrame({"series": [f"s{number}" for number in numbers], "y": numbers * 1.5})


def failing(numbers: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Return forecasts of the first part, and fail at the second one."""
    if numbers[0] > 0:
        raise KeyboardInterrupt
    return table(numbers)


@pytest.mark.parametrize("name", ["forecast.csv", "forecast.parquet"])
def test_parts_of_a_killed_forecast_are_kept(name: str, workdir: Path) -> None:
    count, asked = 2 * SERIES + 1, list[int]()

    def recorded(numbers: np.ndarray[Any, Any]) -> pd.DataFrame:
        asked.append(int(numbers[0]))
        return table(numbers)

    with pytest.raises(KeyboardInterrupt):
        write_parts(failing, count, Path(name), "inputs")
    assert not Path(name).exists()
    write_parts(recorded, count, Path(name), "inputs")
    assert asked == [SERIES, 2 * SERIES]
    read = pd.read_csv if name.endswith("csv") else pd.read_parquet
    pd.testing.assert_frame_equal(read(name), table(np.arange(count)), check_dtype=False)
    assert [path.name for path in workdir.iterdir()] == [name]


def test_parts_of_another_forecast_are_not_kept(workdir: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_parts(failing, 2 * SERIES, Path("forecast.csv"), "some inputs")
    asked = list[int]()

    def recorded(numbers: np.ndarray[Any, Any]) -> pd.DataFrame:
        asked.append(len(numbers))
        return table(numbers)

    write_parts(recorded, 2 * SERIES, Path("forecast.csv"), "other inputs")
    assert asked == [SERIES, SERIES]


def test_parts_of_series_are_forecast_as_all_together(
    store: StoredPanel, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = load_data(store)
    assert isinstance(panel, Panel)
    train = ["data=store", "data.path=store", "model=tide", "model.input_chunk_length=10"]
    more = ["horizon=5", "trainer.max_epochs=1", "trainer.accelerator=cpu", "after_run=[]"]
    sizes = ["data.validation_size=10", "data.test_size=10", "hydra.run.dir=done"]
    assert run("train", *train, *more, *sizes).code == 0
    assert run("predict", "run=done", "output=all.csv").code == 0
    monkeypatch.setattr("my_forecast.large_data.forecast_parts.SERIES", 1)
    assert run("predict", "run=done", "output=parts.csv", "writer=parts").code == 0
    pd.testing.assert_frame_equal(pd.read_csv("all.csv"), pd.read_csv("parts.csv"))
