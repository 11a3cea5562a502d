"""The command line: help, errors as short messages, folders of runs."""

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from conftest import copy, git
from hydra.core.global_hydra import GlobalHydra
from my_forecast import cli
from my_forecast.cli import run_dir
from my_forecast.config import TrainConfig, check_config
from my_forecast.errors import UserError
from my_forecast.runs.folder import write_config
from my_forecast.runs.record import git_state
from omegaconf import DictConfig

from engine.project import FAST, PROJECT, Finished

Config = Callable[..., DictConfig]
Run = Callable[..., Finished]


def test_help_lists_every_group_with_its_options(run: Run) -> None:
    finished = run("train", "--help")
    assert finished.code == 0
    assert finished.out.startswith("Train a model")
    for path in (PROJECT / "conf").glob("*/*.yaml"):
        line = next(line for line in finished.out.splitlines() if path.parent.name in line.split())
        assert path.stem in line.replace(",", "").split()


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"]])
@pytest.mark.parametrize("name", ["train", "evaluate", "predict", "doctor"])
def test_help_needs_no_heavy_imports(name: str, arguments: list[str]) -> None:
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'torch', 'darts', 'pytorch_lightning', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    command = [sys.executable, "-c", code, str(PROJECT / f"{name}.py"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert ("task: " if "job" in arguments else "Groups, set with") in result.stdout


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("train", ["nonsense=1"], "Could not override 'nonsense'"),
        (
            "train",
            ["dataloader.num_worker=1"],
            "num_worker: unknown .* mean dataloader.num_workers",
        ),
        ("train", ["trainer.epochs=3"], "trainer.epochs: .* Did you mean trainer.max_epochs"),
        ("train", ["model.hidden=3"], "model.hidden: .* Did you mean model.hidden_size"),
        ("evaluate", ["run=.", "strid=3"], "strid: unknown key. Did you mean stride"),
        ("train", ["model.num_stacks=2"], "model.num_stacks belongs to .*model=nhits"),
        ("train", ["model=nonsense"], "Could not find 'model/nonsense'.*dlinear"),
        ("train", ["data.path=st\xe4dte.csv"], "Write \"data.path='st\xe4dte.csv'\""),
        ("train", ["data.path=a(1).csv"], r"Write \"data.path='a\(1\).csv'\""),
        ("train", ["model=3"], "Config group override must be a string or a list"),
        ("train", ["horizon=soon"], "horizon: 'soon' must be a whole number"),
        ("train", ["horizon=0"], "horizon: 0 must be at least 1"),
        ("train", ["trainer.max_epochs=many"], "trainer.max_epochs: 'many' must be a whole"),
        ("train", ["model.input_chunk_length=1.5"], "model.input_chunk_length: 1.5 must be"),
        ("train", ["data.test_size=1.5"], "data.test_size: 1.5 must be a fraction"),
        ("train", ["data.test_size=big"], "data.test_size: 'big' must be a number"),
        (
            "train",
            ["data.fill=guess"],
            "data.fill: 'guess' must be forbid, linear, seasonal or zero",
        ),
        ("train", ["data.scaler=tall"], "data.scaler: 'tall' must be one of standard, minmax"),
        ("train", ["+data.colour=red"], "data.colour: unknown key"),
        ("train", ["model.batch_size=0"], "model.batch_size: 0 must be at least 1"),
        (
            "train",
            ["dataloader.num_workers=-1"],
            "dataloader.num_workers: -1 must be at least 0 or auto",
        ),
        (
            "train",
            ["dataloader.num_workers=0", "dataloader.prefetch_factor=4"],
            "dataloader.prefetch_factor: 4 requires workers.*num_workers=2",
        ),
        ("train", ["model.input_chunk_length=3000"], "co2, 2284 steps: .* remain for training"),
        ("train", ["data=csv"], "data.path: a value is missing"),
        (
            "train",
            ["data=csv", "data.path=x.csv", "data.target_columns=[]"],
            r"data.target_columns: \[\] must be a list with at least one",
        ),
        (
            "train",
            ["data=csv", "data.path=x.csv", "data.target_columns=[a,a]"],
            r"data.target_columns: \['a', 'a'\] names a column twice",
        ),
        ("train", ["data=csv", "data.path=[]"], r"data.path: \[\] must be text or a list"),
        (
            "train",
            ["data=csv", "data.path=x.csv", "data.series_column=true"],
            "data.series_column: True must be text or a list",
        ),
        (
            "train",
            ["data=csv", "data.path=x.csv", "data.duplicates=sum"],
            "data.duplicates: 'sum' must be refuse, first, last or mean",
        ),
        (
            "train",
            ["data=csv", "data.path=x.csv", "data.decimal=point"],
            "data.decimal: 'point' must be .*1 character",
        ),
        ("train", ["data=csv", "data.path=gone.csv"], "data.path: no file 'gone.csv'"),
        ("train", ["data.calendar=[hour]"], "data.calendar: unknown key. It is now covariates=cal"),
        ("train", ["+data.calendar=[hour]"], "data.calendar: unknown key. It is now covariates=c"),
        ("evaluate", ["run=.", "conformal=true"], "conformal: unknown key. It is now intervals="),
        ("train", ["save_every_n_epochs=-1"], "save_every_n_epochs: -1 must be at least 0"),
        ("train", ["finetune=gone"], "finetune: there is no folder 'gone'"),
        ("evaluate", [], "run: a value is missing"),
        ("evaluate", ["run=latest"], "'outputs' holds no finished run"),
        ("evaluate", ["run=gone"], "run: there is no folder 'gone'"),
        ("evaluate", ["run=."], "run: '.' has no record.json"),
        ("predict", ["run=[]", "output=f.csv"], r"run: \[\] must be a list with at least one"),
        (
            "predict",
            ["run=.", "output=f.csv", "ensemble=sum"],
            "ensemble: 'sum' must be mean or median",
        ),
        ("predict", ["run=.", "output=f.txt"], "output: 'f.txt' must end in .csv or .parquet"),
        ("predict", ["run=.", "output=no/f.csv"], "output: there is no folder 'no'"),
        ("predict", ["run=.", "output=old.csv"], "output: 'old.csv' already exists"),
    ],
)
def test_bad_input_ends_in_a_short_message(
    name: str, overrides: list[str], message: str, run: Run, workdir: Path
) -> None:
    (workdir / "old.csv").write_text("mine")
    # messages depend on data and model
    known = ["data=co2", "model=tide"] if name == "train" else []
    finished = run(name, *known, *overrides)
    printed = finished.out + finished.err
    assert finished.code == 1
    assert "Traceback" not in printed
    error = printed[printed.index("Error: ") :].strip().splitlines()
    assert re.search(message, error[0]), printed
    assert len(error) <= 2, printed
    assert (workdir / "old.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("overrides", "corrected"),
    [
        (["trainer.epochs=3", "seed=1"], "trainer.max_epochs=3 seed=1"),
        (["data.path=a b.parquet"], "data=parquet 'data.path=a b.parquet'"),
        (["data=csv", "data.target_column=[a,b]"], "data=csv 'data.target_columns=[a,b]'"),
    ],
)
def test_the_message_about_an_unknown_key_has_the_corrected_command(
    overrides: list[str], corrected: str, run: Run
) -> None:
    finished = run("train", *overrides)
    last = (finished.out + finished.err).strip().splitlines()[-1]
    assert re.fullmatch(rf"Try: python \S*train.py {re.escape(corrected)}", last)


def finished_run(folder: Path, config: Config) -> None:
    """Write what a finished run is known by."""
    folder.mkdir()
    write_config(
        folder, check_config(config(f"paths.output_dir={folder.as_posix()}"), TrainConfig).as_dict()
    )
    for name in ("record.json", "SHA256SUMS"):
        (folder / name).write_text("{}")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["resume=gone"], "resume: 'gone' has no config.yaml"),
        (["resume=done", "model=tide"], "resume: the run keeps the config.*Leave out model=tide"),
        (["model=tide", "seed=1", "resume=done"], "Leave out model=tide"),
        (["resume=done"], "resume: the run in '.*done' is finished.*finetune=.*done starts"),
    ],
)
def test_what_cannot_be_resumed_is_refused(
    overrides: list[str], message: str, run: Run, config: Config, workdir: Path
) -> None:
    finished_run(workdir / "done", config)
    finished = run("train", *overrides)
    assert finished.code == 1
    assert re.search(message, finished.out + finished.err)
    assert not (workdir / "gone").exists()


def test_a_run_is_resumed_in_its_folder(run: Run, workdir: Path) -> None:
    assert run("train", *FAST, "hydra.run.dir=run").code == 0
    before = (workdir / "run" / "config.yaml").read_text()
    (workdir / "run" / "record.json").unlink()
    finished = run("train", "resume=run")
    assert finished.code == 0, finished.err
    assert "Resuming in epoch 2, after step" in finished.out
    assert (workdir / "run" / "record.json").is_file()
    assert (workdir / "run" / "config.yaml").read_text() == before
    assert [path.name for path in workdir.iterdir()] == ["run"]


def test_an_error_of_a_library_is_one_line_and_names_the_log(run: Run, workdir: Path) -> None:
    finished = run("train", *FAST, "model.optimizer_kwargs.lr=high")
    lines = (finished.out + finished.err).split("Error: ", maxsplit=1)[1].strip().splitlines()
    assert finished.code == 1
    assert len(lines) == 2
    assert "'lr': 'high'" in lines[0]
    log = Path(lines[1].removeprefix("The traceback is in "))
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_the_traceback_is_in_the_log(run: Run, workdir: Path) -> None:
    run("train", "data=csv", "data.path=gone.csv")
    log = next(workdir.glob("outputs/train/*/*/train.log")).read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in log
    assert "UserError: data.path: no file" in log


def test_two_runs_in_the_same_second_have_folders_of_their_own(run: Run, workdir: Path) -> None:
    for _ in range(2):
        run("train", "data=csv", "data.path=gone.csv")
    assert len(list(workdir.glob("outputs/train/*/*"))) == 2


def test_a_run_is_not_overwritten(run: Run, workdir: Path) -> None:
    fast = [*FAST, "trainer.max_epochs=1", "hydra.run.dir=mine"]
    assert run("train", *fast).code == 0
    before = (workdir / "mine" / "bundle" / "model.pt.ckpt").read_bytes()
    finished = run("train", *fast, "seed=1")
    assert finished.code == 1
    assert "already holds a run, which is not overwritten" in finished.out + finished.err
    assert (workdir / "mine" / "bundle" / "model.pt.ckpt").read_bytes() == before


def test_a_multirun_goes_on_after_a_failed_job(run: Run, workdir: Path) -> None:
    finished = run("train", "-m", *FAST, "trainer.max_epochs=1", "data.test_size=-1,0.2")
    assert finished.code == 1
    assert len(list(workdir.glob("outputs/multirun/*/*/*/metrics.json"))) == 1


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project without options of features."""
    return copy(
        PROJECT.parent / "files", tmp_path_factory.mktemp("lean"), None, features=["report"]
    )


@pytest.mark.parametrize(
    ("command", "argument", "feature"),
    [
        ("train", "storage=mmap", "large_data"),
        ("train", "callbacks=[default,exact_resume]", "exact_resume"),
        ("train", "covariates=calendar", "calendar"),
        ("train", "model=rnn", "models"),
        ("train", "likelihood=poisson", "training"),
        # of groups that only the feature has
        ("train", "loss=huber", "training"),
        ("doctor", "debug=limit", "training"),
        ("evaluate", "intervals=conformal", "intervals"),
        ("evaluate", "+intervals=conformal", "intervals"),
    ],
)
def test_an_option_of_a_missing_feature_names_the_feature(
    command: str,
    argument: str,
    feature: str,
    lean: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", [str(lean / f"{command}.py"), argument, "run=latest"])
    monkeypatch.setattr(cli, "FEATURES", lean / "src/my_forecast/features.toml")
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    GlobalHydra.instance().clear()
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(sys.argv[0], run_name="__main__")
    assert stop.value.code == 1
    [line] = capfd.readouterr().err.strip().splitlines()
    assert line.startswith(f"Error: {argument} belongs to the feature {feature}.")
    assert f"copier update --vcs-ref=:current: --data 'features=[report, {feature}]'" in line


def test_the_folder_of_a_run_is_new_unless_it_is_resumed(workdir: Path) -> None:
    assert run_dir(None, "new") == "new"
    with pytest.raises(UserError, match=r"resume: 'killed' has no config\.yaml"):
        run_dir("killed", "new")
    (workdir / "killed").mkdir()
    (workdir / "killed" / "config.yaml").write_text("{}")
    assert run_dir("killed", "new") == "killed"


@pytest.mark.parametrize(
    ("encoding", "name", "shown"),
    [("cp1252", "emoji\N{ROCKET}", r"emoji\U0001f680"), ("cp936", "K\xf6ln", r"K\xf6ln")],
)
def test_names_that_the_terminal_cannot_show_are_escaped(
    encoding: str, name: str, shown: str, tmp_path: Path
) -> None:
    data = tmp_path / "sales.csv"
    days = [date(2026, 1, 1) + timedelta(day) for day in range(90)]
    rows = [f"{day},{day.day % 7},{series}\n" for series in (name, "b") for day in days]
    data.write_text("ds,y,unique_id\n" + "".join(rows), encoding="utf-8")
    source = ["data=csv", f"data.path={data}", "data.time_column=ds", "data.target_columns=[y]"]
    small = [item for item in FAST if not item.startswith("data")]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}

    def printed(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True
        )
        text = done.stdout.decode(encoding) + done.stderr.decode(encoding)
        assert done.returncode == 0, text
        return text

    printed(str(PROJECT / "train.py"), *small, *source, "hydra.run.dir=run")
    assert shown in printed(str(PROJECT / "evaluate.py"), "run=run", "stride=1")
    compared = printed("-m", "my_forecast.compare", "run", "--sort=mae")
    assert "mae" in compared
    printed(str(PROJECT / "predict.py"), "run=run", "output=forecast.csv")
    assert name in (tmp_path / "forecast.csv").read_text(encoding="utf-8")


def test_names_of_files_in_git_may_be_in_any_encoding(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "config", "core.quotepath", "false")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "empty")
    (tmp_path / "\u9500\u552e\u6570\u636e.csv").touch()
    code = (
        "import sys; from pathlib import Path; from my_forecast.runs.record import git_state; "
        "print(git_state(Path(sys.argv[1])))"
    )
    plain = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(
        command, env={**os.environ, **plain}, capture_output=True, text=True, check=True
    )
    revision = git(tmp_path, "rev-parse", "HEAD").strip()
    assert done.stdout.strip() == str({"revision": revision, "dirty": True})


@pytest.mark.parametrize(
    ("named", "state"),
    [
        ("", None),
        ("0a1b2c", {"revision": "0a1b2c", "dirty": False}),
        ("0a1b2c-dirty", {"revision": "0a1b2c", "dirty": True}),
    ],
)
def test_an_image_names_the_revision_that_it_was_built_from(
    named: str, state: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_REVISION", named)
    assert git_state(tmp_path) == state
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "empty")
    found = git_state(tmp_path)
    assert found is not None
    assert found["revision"] == git(tmp_path, "rev-parse", "HEAD").strip()
