"""The table of runs, from the folders that runs leave."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from my_forecast.compare import main
from my_forecast.runs.folder import write_sums

from engine.project import FAST, Finished

Compare = Callable[..., str]


@pytest.fixture
def compare(workdir: Path, capfd: pytest.CaptureFixture[str]) -> Compare:
    """Return a function that runs the command and returns what it printed."""

    def run(*arguments: str, code: int = 0) -> str:
        try:
            main(arguments)
            found: Any = 0
        except SystemExit as stop:
            found = stop.code
        printed = capfd.readouterr()
        assert found == code, printed
        return printed.out + printed.err

    return run


def write_run(
    name: str,
    mae: float | None,
    data: str = "same",
    skill: float = 0.1,
    validation: float | None = None,
    **config: Any,
) -> None:
    """Write the files of a finished run; without a validation metric, as older versions did."""
    folder = Path(name)
    folder.mkdir(parents=True)
    settings = {"paths": {"output_dir": name}, "callbacks": {"dir": f"{name}/c"}, **config}
    # JSON is YAML, too
    (folder / "config.yaml").write_text(json.dumps(settings) + "\n...\n")
    record = {"seconds": {"fit": 1.5}, "data_fingerprint": data}
    (folder / "record.json").write_text(json.dumps(record))
    test = {"model": {"mae": mae, "mse": 2.0}, "baseline": {"mae": 4.0, "mse": 8.0}}
    standardised = {"model": {"mae": 0.5}, "baseline": {"mae": 1.0}}
    metrics = {"test": test, "test_standardised": standardised, "skill": {"score": skill}}
    if validation is not None:
        metrics["validation"] = {"model": {"mae": validation}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    write_sums(folder, ["config.yaml", "record.json", "metrics.json"])


def test_runs_are_sorted_and_show_what_differs(compare: Compare, workdir: Path) -> None:
    write_run("runs/a", 3.0, seed=0, model={"_target_": "darts.models.TiDEModel", "width": 3})
    linear = {"_target_": "darts.models.NLinearModel", "deep": 1}
    write_run("runs/b", 1.0, seed=0, model=linear, loss={"beta": 2})
    write_run("runs/c", None, seed=0, model={"_target_": "darts.models.TiDEModel", "width": 3})
    (workdir / "runs" / "killed").mkdir()
    printed = compare("runs/*", "--csv", "table.csv").splitlines()
    assert [line.split() for line in printed[:4]] == [
        ["run", "model._target_", "loss.beta", "mae", "mse", "skill", "seconds"],
        ["b", "NLinearModel", "2", "1", "2", "0.1", "1.5"],
        ["a", "TiDEModel", "3", "2", "0.1", "1.5"],
        ["c", "TiDEModel", "2", "0.1", "1.5"],
    ]
    assert printed[4:] == ["Skipped runs/killed: not a finished run"]
    with (workdir / "table.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "run": "runs/b",
        "model._target_": "darts.models.NLinearModel",
        **{
            "model.width": "",
            "model.deep": "1",
            "loss.beta": "2",
            "mae": "1.0",
            "mse": "2.0",
            "skill": "0.1",
        },
        **{"seconds": "1.5", "baseline_mae": "4.0", "baseline_mse": "8.0"},
        **{"standardised_mae": "0.5", "data_fingerprint": "same"},
    }


def test_more_skill_is_better(compare: Compare) -> None:
    for name, score in (("a", 0.1), ("b", 0.5)):
        write_run(name, 1.0, skill=score)
    printed = compare("a", "b", "--sort", "skill").splitlines()
    assert [line.split()[0] for line in printed] == ["run", "b", "a"]


def test_the_best_run_of_the_validation_part_comes_first(compare: Compare) -> None:
    """Not the best of the test; runs of an older version of the template have no validation."""
    for name, test, validation in (("a", 1.0, 3.0), ("b", 2.0, 2.0), ("c", 3.0, None)):
        write_run(name, test, validation=validation)
    lines = [line.split() for line in compare("a", "b", "c").splitlines()]
    assert [line[:3] for line in lines] == [
        ["run", "validation_mae", "mae"],
        ["b", "2", "2"],
        ["a", "3", "1"],
        ["c", "3", "2"],
    ]


def test_runs_on_different_data_are_pointed_out(compare: Compare) -> None:
    write_run("a", 1.0)
    write_run("b", 1.0, data="other")
    assert "different data" in compare("a", "b")
    assert "different data" not in compare("a")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone/*"], "no finished run of train.py in gone/*"),
        (["."], "no finished run of train.py in ."),
        (["a", "--sort", "zzz"], "--sort: unknown column 'zzz'. Choose one of mae, mse, skill"),
        (["a", "--csv", "old.csv"], "--csv: cannot create 'old.csv' (File exists)"),
        (["a", "--csv", str(Path("no/t.csv"))], f"--csv: cannot create '{Path('no/t.csv')}' (No"),
        (["broken"], f"'{Path('broken/record.json')}' is damaged or was changed"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    arguments: list[str], message: str, compare: Compare, workdir: Path
) -> None:
    write_run("a", 1.0)
    write_run("broken", 1.0)
    Path("broken/record.json").write_text("{")
    Path("old.csv").write_text("mine")
    assert f"Error: {message}" in compare(*arguments, code=1)
    assert Path("old.csv").read_text() == "mine"


def test_runs_of_train_are_compared(
    compare: Compare, run: Callable[..., Finished], workdir: Path
) -> None:
    fast = [*FAST, "trainer.max_epochs=1"]
    assert run("train", "-m", *fast, "model.hidden_size=4,8").code == 0
    lines = compare("outputs/multirun/*/*/*").splitlines()
    assert lines[0].split() == [
        *(
            "run",
            "model.hidden_size",
            "validation_mae",
            "mae",
            "mse",
            "mase",
            "rmsse",
            "skill",
            "seconds",
        )
    ]
    assert {line.split()[1] for line in lines[1:]} == {"4", "8"}


def test_comparing_needs_no_heavy_imports() -> None:
    code = (
        "import sys, my_forecast.compare\n"
        "heavy = {'torch', 'darts', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
