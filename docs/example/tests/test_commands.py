"""The commands as a user runs them: what they print, write and refuse."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from my_forecast import (
    load_run,
)
from my_forecast.config import (
    TrainConfig,
    check_config,
)

from conftest import FAST, FAST_SALES, NO_REPORT, PROJECT, Finished, compose_config, sales

Run = Callable[..., Finished]


def test_train_evaluate_and_predict(run: Run, workdir: Path) -> None:
    trained = run("train", *FAST)
    assert trained.code == 0, trained.err
    [folder] = workdir.glob("outputs/train/*/*")
    assert f"Saved in {folder.relative_to(workdir)}" in trained.out
    assert {path.name for path in folder.iterdir()} >= {
        *("config.yaml", "record.json", "train.log", "bundle", "forecasts.parquet"),
        *("metrics.json", "metrics_by_step.csv", "metrics_by_series.csv", "forecast.png"),
    }
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert all(choice["reason"] for choice in record["dataloader"].values())
    config = check_config(folder / "config.yaml", TrainConfig)
    composed = compose_config(folder, *FAST)
    composed.paths.output_dir = str(folder)
    assert config == check_config(composed, TrainConfig)

    evaluated = run("evaluate", "run=latest", "accelerator=cpu")
    table = re.compile(r"^(?:model|seasonal|skill)(?!.*validation).*$", re.MULTILINE)
    assert evaluated.code == 0, evaluated.err
    assert table.findall(evaluated.out) == table.findall(trained.out)

    predicted = run("predict", "run=latest", "output=forecast.csv", "horizon=7")
    assert predicted.code == 0, predicted.err
    forecast = pd.read_csv("forecast.csv", parse_dates=["time"])
    assert list(forecast) == ["series", "time", "value"]
    assert forecast.groupby("series").size().tolist() == [7, 7, 7]
    assert Path("forecast.png").stat().st_size > 0


@pytest.mark.usefixtures("no_plots")
def test_the_bundle_keeps_the_best_weights_and_not_the_last(run: Run, workdir: Path) -> None:
    """A learning rate that ruins the model makes the first epoch the best one."""
    harmful = ["trainer.max_epochs=3", "model.optimizer_kwargs.lr=1", *NO_REPORT]
    assert run("train", *FAST, *harmful, "hydra.run.dir=run").code == 0
    saved, best, last = (
        torch.load(f"run/{name}.ckpt", weights_only=False)["state_dict"]
        for name in ("bundle/model.pt", "checkpoints/best", "checkpoints/last")
    )
    assert all(torch.equal(value, best[name]) for name, value in saved.items())
    assert not all(torch.equal(value, last[name]) for name, value in saved.items())


@pytest.mark.usefixtures("no_plots")
def test_newer_data_is_forecast(run: Run, trained: Path, workdir: Path) -> None:
    newer = sales(days=90)
    newer.iloc[::-1].to_csv("newer.csv", index=False)
    own = [f"run={trained.as_posix()}", "accelerator=cpu"]
    assert run("predict", *own, "data_path=newer.csv", "output=f.csv").code == 0
    table = pd.read_csv("f.csv", parse_dates=["ds"])
    assert table["ds"].min() == pd.Timestamp("2024-01-01") + pd.Timedelta(days=90)
    newer[newer["unique_id"] == "north"].to_csv("other.csv", index=False)
    assert run("predict", *own, "data_path=other.csv", "output=g.csv").code == 0
    assert len(pd.read_csv("g.csv")) == len(table) / 2


def test_covariates_must_be_known_for_the_forecast(run: Run, trained: Path) -> None:
    own = [f"run={trained.as_posix()}", "accelerator=cpu"]
    assert run("predict", *own, "horizon=20", "output=f.csv").code == 0
    finished = run("predict", *own, "horizon=21", "output=g.csv")
    assert finished.code == 1
    assert "future covariates" in finished.out + finished.err
    assert not Path("g.csv").exists()


@pytest.mark.usefixtures("no_plots")
def test_an_ensemble_averages_its_runs(run: Run, trained: Path, workdir: Path) -> None:
    path = f"data.path={trained.parent.as_posix()}/sales.csv"
    assert run("train", *FAST_SALES, path, "seed=1", "hydra.run.dir=second").code == 0
    runs = f"run=[{trained.as_posix()},second]"
    assert run("predict", runs, "output=both.csv", "accelerator=cpu").code == 0
    tables = [pd.DataFrame(load_run(one, "cpu").forecast()) for one in (trained, "second")]
    first, second, both = (one.iloc[:, 2:] for one in (*tables, pd.read_csv("both.csv")))
    np.testing.assert_allclose(both, (first + second) / 2)


def test_doctor_explains_the_plan_and_leaves_nothing_behind(run: Run, workdir: Path) -> None:
    finished = run("doctor", "trainer.accelerator=cpu")
    assert finished.code == 0, finished.err
    for label in ("system", "usable CPUs", "torch", "num_workers"):
        assert re.search(rf"^ *{label} +\S", finished.out, re.MULTILINE), label
    assert not list(workdir.iterdir())


@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "doctor"])
def test_help_lists_the_options(name: str, run: Run) -> None:
    finished = run(name, "--help")
    assert finished.code == 0
    for option in (PROJECT / "conf" / "model").glob("*.yaml"):
        assert option.stem in finished.out


def test_help_needs_no_heavy_imports() -> None:
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'torch', 'darts', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    command = [sys.executable, "-c", code, str(PROJECT / "train.py"), "--help"]
    subprocess.run(command, check=True, cwd=PROJECT)


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("train", ["nonsense=1"], "nonsense"),
        ("train", ["model=nonsense"], r"model/nonsense.*\btide\b"),
        ("train", ["stride=0"], "stride: 0 must be at least 1"),
        ("train", ["+data.colour=red"], r"data\.colour: unknown key"),
        ("train", ["data.fill=guess"], r"data\.fill: 'guess' must be forbid, linear"),
        ("train", ["trainer.accelerator=abacus"], r"trainer\.accelerator: 'abacus' must be"),
        ("train", ["+model.droput=0.1"], r"model\.droput: .*dropout"),
        ("train", [*FAST_SALES, "data.path=gone.csv"], r"data\.path: no file 'gone\.csv'"),
        ("train", FAST_SALES, r"data\.path: a value is missing"),
        ("train", ["resume=gone"], "resume: 'gone'"),
        ("evaluate", [], "run: a value is missing"),
        ("evaluate", ["run=latest"], "Train one first"),
        ("predict", ["run=gone", "output=f.csv"], "run: there is no folder 'gone'"),
        ("predict", ["run=latest", "output=old.csv"], r"output: .*old\.csv"),
    ],
)
def test_a_mistake_is_one_line_without_traceback(
    name: str, overrides: list[str], message: str, run: Run, workdir: Path
) -> None:
    Path("old.csv").write_text("mine", encoding="utf-8")
    finished = run(name, *overrides)
    printed = finished.out + finished.err
    assert finished.code == 1
    assert "Traceback" not in printed
    assert re.search(rf"Error: .*{message}", printed), printed
    assert Path("old.csv").read_text(encoding="utf-8") == "mine"


def test_all_problems_of_a_config_are_reported_together(run: Run, workdir: Path) -> None:
    wrong = ["horizon=0", "dataloader.num_workers=-1", "metrics=[rmsee]"]
    finished = run("train", *FAST, *wrong)
    printed = finished.out + finished.err
    for key in ("horizon: 0", "dataloader.num_workers: -1", "Did you mean rmse?"):
        assert key in printed, key


def test_an_unexpected_error_names_the_log_with_its_traceback(run: Run, workdir: Path) -> None:
    finished = run("train", *FAST, "model.optimizer_kwargs.lr=high")
    assert finished.code == 1
    assert "Traceback" not in finished.out + finished.err
    log = re.search("The traceback is in (.*)", finished.out + finished.err)
    assert log is not None
    assert "Traceback" in Path(log[1].strip()).read_text(encoding="utf-8")


def test_a_multirun_continues_after_a_failed_job(run: Run, workdir: Path) -> None:
    finished = run("train", "-m", *FAST, *NO_REPORT, "horizon=0,5")
    assert finished.code == 1
    assert len(list(workdir.glob("outputs/multirun/*/*/*/metrics.json"))) == 1
