"""The commands as a user runs them: what they print and write."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.project import FAST, PROJECT, Finished

Run = Callable[..., Finished]
# fails every attempt to reach another machine, in the process and in its workers
NO_NETWORK = """
import socket
connect = socket.socket.connect
def refuse(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        raise OSError(f"network is forbidden: {address}")
    return connect(self, address)
socket.socket.connect = refuse
"""


@dataclass
class Offline:
    """Runs entry points as processes of their own, in one working directory, without a network."""

    workdir: Path
    environment: dict[str, str]

    def __call__(self, script: str, *overrides: str) -> str:
        """Run `python <script> <overrides>` and return what it printed; fail if it fails."""
        result = subprocess.run(
            [sys.executable, str(PROJECT / script), *overrides],
            cwd=self.workdir,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        assert result.returncode == 0, result.stdout
        assert "Traceback" not in result.stdout
        return result.stdout

    def saved_in(self, printed: str) -> Path:
        """Return the folder that an entry point says it saved its results in."""
        folder = re.search(r"^Saved in (.*)$", printed, re.MULTILINE)
        assert folder is not None, printed
        return self.workdir / folder[1]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """Return the runner of entry points; `sitecustomize` is imported by every Python process."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "sitecustomize.py").write_text(NO_NETWORK)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    environment.pop("HYDRA_FULL_ERROR", None)
    return Offline(tmp_path_factory.mktemp("work"), environment)


@pytest.fixture(scope="module")
def trained(python: Offline) -> str:
    """Train on the embedded data for a moment, and return what was printed."""
    short = ["trainer.max_epochs=1", "trainer.accelerator=cpu"]
    return python("train.py", "data=co2", "model=tide", "horizon=26", *short)


def test_train_prints_the_metrics_and_the_folder(trained: str, python: Offline) -> None:
    assert re.search(r"^model +\d", trained, re.MULTILINE)
    assert re.search(r"^seasonal naive +\d", trained, re.MULTILINE)
    assert (python.saved_in(trained) / "metrics.json").is_file()
    assert "Epoch 0" in trained


def test_evaluate_repeats_the_metrics_of_the_training(trained: str, python: Offline) -> None:
    printed = python("evaluate.py", "run=latest", "accelerator=cpu")
    table = re.compile(r"^(?:model|seasonal|skill)(?!.*validation).*$", re.MULTILINE)
    assert table.findall(printed) == table.findall(trained)
    folder = python.saved_in(printed)
    steps = pd.read_csv(folder / "metrics_by_step.csv")
    assert len(steps) == 26
    scores = json.loads((folder / "metrics.json").read_text())
    assert steps["model_mae"].mean() == pytest.approx(scores["test"]["model"]["mae"])
    assert (folder / "metrics_by_step.png").stat().st_size > 0


def test_series_that_end_early_are_named_and_forecasts_replaced(run: Run, workdir: Path) -> None:
    """One of two series ends five days before the other."""
    rows = [
        f"{name},{day},{day % 7}" for name, days in (("a", 60), ("b", 55)) for day in range(days)
    ]
    (workdir / "long.csv").write_text("\n".join(["unique_id,ds,y", *rows]))
    for together, first in ((False, 55), (True, 60)):
        options = [f"data.end_together={together}", "data.fill=zero"]
        assert run("train", *LONG_FILE, *options).code == 0
        done = run("predict", "run=latest", "output=f.csv", "overwrite=true")
        assert done.code == 0, done.out + done.err
        table = pd.read_csv("f.csv").groupby("unique_id")["ds"].first()
        assert table.to_dict() == {"a": 60, "b": first}
        said = "1 of 2 series end before 59, the first of them at 54" in done.out + done.err
        assert said != together
    assert run("predict", "run=latest", "output=f.csv").code == 1


@pytest.mark.usefixtures("trained")
def test_predict_continues_the_data(python: Offline) -> None:
    python("predict.py", "run=latest", "horizon=30", "output=forecast.csv", "accelerator=cpu")
    python("predict.py", "run=latest", "horizon=30", "output=f.parquet", "accelerator=cpu")
    workdir = python.workdir
    table = pd.read_csv(workdir / "forecast.csv", parse_dates=["time"])
    assert list(table.columns) == ["time", "co2"]
    expected = pd.date_range("2002-01-05", periods=30, freq="W-SAT")
    assert table["time"].tolist() == expected.tolist()
    assert table["co2"].between(360, 385).all()
    pd.testing.assert_frame_equal(
        pd.read_parquet(workdir / "f.parquet"), table, check_dtype=False, check_freq=False
    )
    assert (workdir / "forecast.png").stat().st_size > 0


def test_doctor_explains_the_plan_and_leaves_nothing_behind(python: Offline) -> None:
    workdir = python.workdir
    before = sorted(workdir.rglob("*"))
    printed = python("doctor.py", "trainer.accelerator=cpu")
    for label in ("system", "usable CPUs", "start method", "torch", "CUDA devices", "num_workers"):
        assert re.search(rf"^ *{label} +\S", printed, re.MULTILINE), label
    assert sorted(workdir.rglob("*")) == before


def test_training_with_spawned_workers(python: Offline) -> None:
    printed = python(
        "train.py",
        *FAST,
        "dataloader.num_workers=2",
        "dataloader.multiprocessing_context=spawn",
    )
    assert "dataloader.multiprocessing_context = spawn: set in the config" in printed


LONG_FILE = [
    "model=tide",
    "data=csv",
    "data.path=long.csv",
    "horizon=3",
    "model.input_chunk_length=6",
    "trainer.max_epochs=1",
]


def write_long_file(path: Path, ids: str, days: int) -> None:
    """Write series that differ by 100 from one to the next."""
    rows = [f"{id_},{day},{ord(id_) * 100 + day % 7}" for id_ in ids for day in range(days)]
    path.write_text("\n".join(["unique_id,ds,y", *rows]))


def test_newer_data_is_forecast_with_the_scaler_of_its_series(run: Run, workdir: Path) -> None:
    write_long_file(workdir / "long.csv", "ab", 60)
    assert run("train", *LONG_FILE).code == 0
    write_long_file(workdir / "newer.csv", "ba", 70)
    finished = run("predict", "run=latest", "output=f.csv", "data_path=newer.csv")
    assert finished.code == 0, finished.err
    table = pd.read_csv(workdir / "f.csv")
    assert table["unique_id"].tolist() == ["a"] * 3 + ["b"] * 3
    assert table["ds"].tolist() == [70, 71, 72] * 2
    assert (table["y"] // 100).tolist() == [97] * 3 + [98] * 3

    write_long_file(workdir / "other.csv", "bc", 70)
    finished = run("evaluate", "run=latest", "data_path=other.csv")
    assert finished.code == 1
    printed = finished.out + finished.err
    assert "no scaler for 1 series of the data: c." in printed
    assert "data.scaler_fit=global" in printed


def test_some_of_the_series_of_a_run_are_forecast_as_all_of_them(run: Run, workdir: Path) -> None:
    write_long_file(workdir / "long.csv", "abc", 60)
    for fit in ("series", "global"):
        assert run("train", *LONG_FILE, f"data.scaler_fit={fit}").code == 0
        assert run("predict", "run=latest", f"output={fit}.csv").code == 0
        write_long_file(workdir / "some.csv", "ca", 60)
        done = run("predict", "run=latest", f"output={fit}_some.csv", "data_path=some.csv")
        assert done.code == 0, done.out + done.err
        assert ("The data lacks 1 of 3 series: b." in done.out + done.err) == (fit == "series")
        every = pd.read_csv(f"{fit}.csv").set_index(["unique_id", "ds"])["y"]
        some = pd.read_csv(f"{fit}_some.csv").set_index(["unique_id", "ds"])["y"]
        assert len(some) == 6
        np.testing.assert_allclose(some, every[some.index], rtol=1e-5)
    # with one scaler for all series, new ones as well
    write_long_file(workdir / "new.csv", "az", 60)
    assert run("predict", "run=latest", "output=z.csv", "data_path=new.csv").code == 0
    assert set(pd.read_csv("z.csv")["unique_id"]) == {"a", "z"}


def test_quantiles_reach_metrics_tables_and_pictures(run: Run, workdir: Path) -> None:
    write_long_file(workdir / "long.csv", "ab", 60)
    assert run("train", *LONG_FILE, "likelihood=quantile").code == 0
    trained = json.loads(next(workdir.glob("outputs/train/*/*/metrics.json")).read_text())
    scores = trained["test_quantiles"]
    assert set(scores) == {"mql", "coverage_80", "width_80"}
    assert 0 <= scores["coverage_80"] <= 1
    finished = run("evaluate", "run=latest", "accelerator=cpu")
    assert re.search(
        r"^quantiles: mql .*coverage_80 \d+\.\d%, width_80 \d", finished.out, re.MULTILINE
    )
    evaluated = json.loads(next(workdir.glob("outputs/evaluate/*/*/metrics.json")).read_text())
    assert evaluated == {key: trained[key] for key in trained if key != "validation"}
    # farther than the model predicts at once: from samples, which repeat
    tables = []
    for number, horizon in enumerate([3, 5, 5]):
        file = f"{number}.csv"
        assert run("predict", "run=latest", f"output={file}", f"horizon={horizon}").code == 0
        table = pd.read_csv(workdir / file)
        tables.append(table)
        assert list(table) == ["unique_id", "ds", "y", "y_q0.1", "y_q0.9"]
        assert len(table) == 2 * horizon
        assert (table["y_q0.1"] <= table["y"]).all()
        assert (table["y"] <= table["y_q0.9"]).all()
    pd.testing.assert_frame_equal(*tables[1:], check_exact=True)
    finished = run("predict", "run=latest", "output=r.csv", "quantiles=[0.05,0.5,0.95]")
    assert "quantiles: the model did not learn 0.05" in finished.out + finished.err


@pytest.mark.parametrize("likelihood", ["none", "quantile"])
def test_an_ensemble_averages_its_runs(likelihood: str, run: Run, workdir: Path) -> None:
    write_long_file(workdir / "long.csv", "ab", 60)
    write_long_file(workdir / "other.csv", "ab", 50)
    names = ["one", "two", "three"]
    for seed, name in enumerate(names):
        part = [f"seed={seed}", f"likelihood={likelihood}", f"hydra.run.dir={name}"]
        assert run("train", *LONG_FILE, *part).code == 0
        assert run("predict", f"run={name}", f"output={name}.csv").code == 0
    tables = [pd.read_csv(workdir / f"{name}.csv").iloc[:, 2:] for name in names]
    values = np.stack([table.to_numpy() for table in tables])
    assert values.std(axis=0).min() > 0
    for average in ("mean", "median"):
        file = f"{average}.csv"
        members = ["run=[one,two,three]", f"ensemble={average}", f"output={file}"]
        assert run("predict", *members).code == 0
        found = pd.read_csv(workdir / file)
        assert list(found)[2:] == list(tables[0])
        expected = getattr(np, average)(values, axis=0)
        np.testing.assert_allclose(found.iloc[:, 2:].to_numpy(), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["data.path=other.csv"], "'two' forecasts other data than 'one'"),
        (["likelihood=quantile"], r"different columns, \['series', .*'y'\] and \[.*'y_q0.9'\]"),
    ],
)
def test_runs_that_differ_are_not_averaged(
    change: list[str], message: str, run: Run, workdir: Path
) -> None:
    write_long_file(workdir / "long.csv", "ab", 60)
    write_long_file(workdir / "other.csv", "ab", 50)
    assert run("train", *LONG_FILE, "hydra.run.dir=one").code == 0
    assert run("train", *LONG_FILE, *change, "hydra.run.dir=two").code == 0
    finished = run("predict", "run=[one,two]", "output=f.csv")
    assert finished.code == 1
    assert re.search(message, finished.out + finished.err)


def test_a_fresh_process_forecasts_what_the_training_process_does(run: Run, workdir: Path) -> None:
    """After a training with every tracker that is installed, callbacks and a likelihood."""
    write_long_file(workdir / "long.csv", "ab", 60)
    trackers = [f"logger={path.stem}" for path in sorted((PROJECT / "conf/logger").glob("*.yaml"))]
    for number, tracker in enumerate(trackers):
        part = [tracker, "likelihood=laplace", f"hydra.run.dir=run{number}"]
        assert run("train", *LONG_FILE, *part).code == 0
        assert run("predict", f"run=run{number}", f"output=here{number}.csv").code == 0
        command = ["predict.py", f"run=run{number}", f"output=there{number}.csv", "accelerator=cpu"]
        subprocess.run(
            [sys.executable, str(PROJECT / command[0]), *command[1:]],
            cwd=workdir,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
        )
        here, there = (workdir / f"{name}{number}.csv" for name in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()
        assert "y_q0.9" in here.read_text(encoding="utf-8").splitlines()[0]


def test_a_point_model_gets_calibrated_intervals(run: Run, workdir: Path) -> None:
    write_long_file(workdir / "long.csv", "ab", 60)
    assert run("train", *LONG_FILE).code == 0
    finished = run("evaluate", "run=latest", "intervals=conformal")
    assert re.search(
        r"^quantiles: mql .*coverage_80 \d+\.\d%, width_80 \d", finished.out, re.MULTILINE
    )
    assert run("predict", "run=latest", "output=f.csv", "intervals=conformal").code == 0
    assert run("predict", "run=latest", "output=g.csv").code == 0
    table, point = pd.read_csv(workdir / "f.csv"), pd.read_csv(workdir / "g.csv")
    assert list(table) == ["unique_id", "ds", "y", "y_q0.1", "y_q0.9"]
    pd.testing.assert_series_equal(table["y"], point["y"])
    assert (table["y_q0.1"] < table["y"]).all()
    finished = run("evaluate", "run=latest", "intervals=conformal", "backtest=retrain")
    assert "intervals calibrate the model of the run" in finished.out + finished.err


def test_static_covariates_are_encoded_as_in_the_training(run: Run, workdir: Path) -> None:
    def write(name: str, days: int, regions: dict[str, str]) -> None:
        rows = [
            f"{id_},{day},{ord(id_) * 100 + day % 7},{region},{day % 3}"
            for id_, region in regions.items()
            for day in range(days)
        ]
        (workdir / name).write_text("\n".join(["unique_id,ds,y,region,w", *rows]))

    write("long.csv", 60, {"a": "north", "b": "south"})
    write("newer.csv", 70, {"b": "south", "a": "north"})
    write("moved.csv", 70, {"a": "north", "b": "west"})
    columns = ["data.static_covariates_columns=[region]", "data.sample_weight_column=w"]
    trained = run("train", *LONG_FILE, *columns)
    assert trained.code == 0, trained.err
    # columns of weights are for the training; both forecasts are made by the saved encoder
    assert run("evaluate", "run=latest").code == 0
    metrics = [
        next(workdir.glob(f"outputs/{task}/*/*/metrics_by_series.csv"))
        for task in ("train", "evaluate")
    ]
    assert metrics[0].read_text() == metrics[1].read_text()
    assert run("predict", "run=latest", "output=f.csv", "data_path=newer.csv").code == 0
    finished = run("predict", "run=latest", "output=g.csv", "data_path=moved.csv")
    assert finished.code == 1
    known = "static covariate 'region' is 'west', not among 'north', 'south' of the training."
    assert f"b: {known}" in finished.out + finished.err
    for encoding in ("onehot", "ordinal"):
        policy = [f"data.static_encoding={encoding}", "data.unknown_static=code"]
        assert run("train", *LONG_FILE, *columns, *policy, "model.dropout=0").code == 0
        output = f"{encoding}.csv"
        finished = run("predict", "run=latest", f"output={output}", "data_path=moved.csv")
        assert finished.code == 0, finished.out + finished.err
        assert f"b: {known} It gets the code of unknown values." in finished.out
        assert (
            run("predict", "run=latest", f"output=known_{output}", "data_path=newer.csv").code == 0
        )
        found, same = (
            pd.read_csv(name).set_index("unique_id")["y"] for name in (output, f"known_{output}")
        )
        assert np.isfinite(found).all()
        assert found["a"].tolist() == pytest.approx(same["a"].tolist(), rel=1e-6)
        assert found["b"].tolist() != same["b"].tolist()


def test_covariates_must_be_known_for_the_forecast(run: Run, workdir: Path) -> None:
    rows = [f"{day},{day % 7},{day % 2}" for day in range(80)]
    known = [f"{day},,{day % 2}" for day in range(80, 90)]
    (workdir / "x.csv").write_text("\n".join(["ds,y,event", *rows, *known]))
    events = ["data=csv", "data.path=x.csv", "data.future_covariates_columns=[event]"]
    short = ["model=tide", "horizon=3", "model.input_chunk_length=6", "trainer.max_epochs=1"]
    assert run("train", *events, *short).code == 0
    assert run("predict", "run=latest", "horizon=10", "output=f.csv").code == 0
    finished = run("predict", "run=latest", "horizon=11", "output=g.csv")
    assert "the future covariates end at 89" in finished.out + finished.err
    assert "needs them until 90" in finished.out + finished.err
    # with a shorter horizon the model still reads 3 steps of covariates
    assert run("evaluate", "run=latest", "horizon=1").code == 0
    (workdir / "y.csv").write_text("\n".join(["ds,y,event", *rows]))
    assert run("evaluate", "run=latest", "horizon=1", "data_path=y.csv").code == 0


def test_the_future_of_covariates_may_be_in_a_file_of_its_own(run: Run, workdir: Path) -> None:
    def rows(ids: str, days: range, known: bool = True) -> list[str]:
        value = "{0}" if known else ""
        return [f"{i},{day},{value.format(day % 7)},{day % 2}" for i in ids for day in days]

    def write(name: str, header: str, lines: list[str]) -> None:
        (workdir / name).write_text("\n".join([header, *lines]))

    whole = "unique_id,ds,y,event"
    write("data.csv", whole, rows("ab", range(80)))
    write("together.csv", whole, rows("ab", range(80)) + rows("ab", range(80, 83), known=False))
    later = [line.replace(",,", ",") for line in rows("ba", range(80, 83), known=False)]
    head = "unique_id,ds,event"
    write("later.csv", head, later)
    write("overlap.csv", head, ["a,79,1", *later])
    write("gap.csv", head, [line for line in later if ",80," not in line])
    write("lacking.csv", head, [line.replace("b", "c") for line in later])
    columns = ["data=csv", "data.path=data.csv", "data.future_covariates_columns=[event]"]
    short = ["model=tide", "horizon=3", "model.input_chunk_length=6", "trainer.max_epochs=1"]
    assert run("train", *columns, *short).code == 0
    assert run("predict", "run=latest", "output=f.csv", "data_path=together.csv").code == 0
    finished = run("predict", "run=latest", "output=g.csv", "future_path=later.csv")
    assert finished.code == 0, finished.err
    assert (workdir / "g.csv").read_text() == (workdir / "f.csv").read_text()
    for name, message in {
        "overlap": "1 duplicate time .*79.* a: 1",
        "gap": "irregular step.*79 to 81.*a: 1, b: 1",
        "lacking": "2 problems\n- no rows in lacking.csv .*b.*\n- rows only in lacking.csv .*c",
        "gone": "future_path: no file 'gone.csv'",
    }.items():
        finished = run("predict", "run=latest", "output=h.csv", f"future_path={name}.csv")
        assert finished.code == 1
        assert re.search(message, finished.out + finished.err), finished.out
