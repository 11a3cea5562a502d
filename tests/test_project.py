"""The rendered project as its user has it: its own checks, its README, its trackers."""

import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from zipfile import ZipFile

import pytest
from conftest import ROOT, Render
from rendered import (
    DEFAULT_FEATURES,
    FEATURES,
    NO_DEFAULT_AND_ALL,
    blocks,
    files,
    instructions,
    run,
    tree,
)

pytestmark = pytest.mark.run

# installing is what the sessions of noxfile.py do; `nox` in the project runs what is tested below
NOT_RUN = ("uv sync", "python -m pip install", "nox", "python -m nox", "copier")
# makes the README's training commands short without changing what they show
SHORT = ["trainer.max_epochs=1", "stride=26"]


@pytest.mark.parametrize("features", NO_DEFAULT_AND_ALL)
def test_its_own_tests_pass(features: str, render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    """With answers that are as unlike the defaults as may be."""
    monkeypatch.setenv("KILLS", "20")
    project = render(
        project_name="Ünïcödé's {{ forecasts }} \N{ROCKET}",
        package_name="zz_9_",
        description='A "quoted" one: \\n, \N{HEBREW LETTER SHIN}',
        user_name="# it's [not] a comment",
        accelerator="cpu",
        model="rnn",
        features=NO_DEFAULT_AND_ALL[features],
        tracker="tensorboard",
        ci="gitlab",
        docker=True,
    )
    run(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


@pytest.mark.parametrize("features", NO_DEFAULT_AND_ALL)
def test_its_own_checks_pass(features: str, render: Render) -> None:
    project = render(features=NO_DEFAULT_AND_ALL[features])
    for command in ("ruff format --check .", "ruff check .", "mypy src tests"):
        run(project, sys.executable, "-m", *command.split())


def test_settings_of_the_machine_are_picked_up(render: Render) -> None:
    project = render()
    assert "num_workers: auto" in run(project, sys.executable, "train.py", "--cfg", "job")
    local = "# @package _global_\ndataloader:\n  num_workers: 3\n"
    (project / "conf/local/default.yaml").write_text(local)
    assert "num_workers: 3" in run(project, sys.executable, "train.py", "--cfg", "job")


def test_measured_loader_settings_go_before_auto_alone(render: Render) -> None:
    project = render()
    (project / "conf/local/dataloader.yaml").write_text("num_workers: 3\n")
    for override, expected in (
        ("seed=0", 3),
        ("dataloader=auto", 3),
        ("dataloader.num_workers=1", 1),
    ):
        printed = run(project, sys.executable, "train.py", "--cfg", "job", override)
        assert f"num_workers: {expected}\n" in printed


def commands(readme: Path) -> list[str]:
    """Return the commands of a README that are run in a project."""
    lines = [line for block in blocks(readme, "console") for line in block.splitlines()]
    return [line for line in lines if not line.startswith(NOT_RUN)]


def test_every_command_of_both_readmes_runs(render: Render) -> None:
    project = render(features=list(FEATURES))
    (project / "sales.csv").write_text(daily_sales())
    (project / "newer.csv").write_text(daily_sales("2025-01-01"))
    (project / "ETTh1.csv").write_text(transformer_hours())
    to_parquet = "frame.assign(date=pandas.to_datetime(frame['date'])).to_parquet('sales.parquet')"
    to_excel = "frame.to_excel('sales.xlsx', sheet_name='Sales', index=False, engine='xlsxwriter')"
    read = "frame = pandas.read_csv('sales.csv')"
    code = f"import pandas; {read}; {to_parquet}; {to_excel}"
    run(project, sys.executable, "-c", code)
    own = (project / "README.md", project / "AGENTS.md")
    pages = (*own, ROOT / "README.md", ROOT / "docs/security.md")
    listed = dict.fromkeys(command for page in pages for command in commands(page))
    assert len(listed) >= 12
    for command in listed:
        words = shlex.split(command)
        assert words[0] == "python"
        short = SHORT if words[1] == "train.py" else []
        if words[2:] and words[2].startswith("resume="):
            folder = words[2].removeprefix("resume=")
            run(project, sys.executable, "train.py", *SHORT, f"hydra.run.dir={folder}")
            (project / folder / "record.json").unlink()
            short = []
        run(project, sys.executable, *words[1:], *short)


def added_by_the_page_about_extending() -> dict[str, str]:
    """Return the files of docs/extending.md by their names."""
    found = {}
    for diff in blocks(ROOT / "docs/extending.md", "diff"):
        for part in re.split(r"^\+\+\+ b/", diff, flags=re.MULTILINE)[1:]:
            name, *lines = part.splitlines()
            assert all(line.startswith("+") for line in lines), name
            found[name] = "".join(f"{line[1:]}\n" for line in lines)
    return found


def test_what_the_page_about_extending_adds_works(render: Render) -> None:
    """Without an edit of a file that the template has, and with runs that load again."""
    project = render(features=[])
    answers = {"ci": "github", "docker": True, "tracker": "mlflow", "features": list(FEATURES)}
    everything = tree(answers)
    added = added_by_the_page_about_extending()
    assert len(added) == 20
    for name, text in added.items():
        assert name not in everything
        assert name.startswith(("src/my_forecast/own/", "tests/own/", "conf/"))
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    for command in (
        "ruff format --check .",
        "ruff check .",
        "mypy src tests",
        "pytest -q tests/own",
    ):
        run(project, sys.executable, "-m", *command.split())
    with closing(sqlite3.connect(project / "sales.db")) as database:
        database.execute("CREATE TABLE sales (day TEXT, shop TEXT, units REAL)")
        lines = daily_sales().splitlines()[1:]
        rows = [(*line.split(","), shop) for line in lines for shop in ("north", "south")]
        database.executemany("INSERT INTO sales (day, units, shop) VALUES (?, ?, ?)", rows)
        database.commit()
    printed = ""
    for command in commands(ROOT / "docs/extending.md"):
        words = shlex.split(command)[1:]
        printed += run(project, sys.executable, *words, *(SHORT if words[0] == "train.py" else []))
    assert re.search(r"\d+ parameters", printed)
    assert (project / "maxabs.csv").is_file()
    (notice,) = project.glob("outputs/train/*/*/notice.txt")
    assert "forecasts of 12 steps: MAE" in notice.read_text(encoding="utf-8")
    scores = [json.loads(path.read_text()) for path in project.glob("outputs/*/*/*/metrics.json")]
    assert sum("bias" in found["test"]["model"] for found in scores) == 3


def test_the_page_about_python_runs(render: Render) -> None:
    project = render()
    run(project, sys.executable, "train.py", *SHORT, "trainer.accelerator=cpu")
    code = blocks(ROOT / "docs/python.md", "python")
    assert len(code) == 5
    (project / "page.py").write_text("\n".join(code), encoding="utf-8")
    printed = run(project, sys.executable, "page.py")
    assert "2002-01-05" in printed
    assert "(16, 26, 1)" in printed


def daily_sales(first: str = "2023-01-01") -> str:
    """Return two years of daily sales with a weekly season, as the README names them."""
    days = [date.fromisoformat(first) + timedelta(days=number) for number in range(731)]
    return "\n".join(["date,units", *(f"{day},{100 + 10 * day.weekday()}" for day in days)])


def transformer_hours() -> str:
    """Return as many hours of as many channels as the public data set ETTh1 has."""
    start = datetime(2016, 7, 1)
    lines = ["date,HUFL,HULL,MUFL,MULL,LUFL,LULL,OT"]
    for hour in range(17_420):
        values = ",".join(str(channel + hour % 24) for channel in range(7))
        lines.append(f"{start + timedelta(hours=hour)},{values}")
    return "\n".join(lines)


def test_the_wheel_has_all_files_of_the_package(render: Render, tmp_path: Path) -> None:
    """Among them py.typed, without which type checkers ignore the package's types."""
    project = render()
    run(project, shutil.which("uv") or "uv", "build", "--quiet", "--wheel", f"-o={tmp_path}")
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(ZipFile(wheel).namelist())
    source = {name.removeprefix("src/") for name in files(project) if name.startswith("src/my")}
    assert "my_forecast/py.typed" in source
    assert source <= packed


# keeps what root can read and no more, wherever the interpreter is
READ_ONLY = "-all,+dac_read_search"


@pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root can become another user"
)
@pytest.mark.parametrize("uid", [1000, 54321], ids=["mounted", "unknown"])
def test_any_user_can_work_in_the_container(uid: int, render: Render) -> None:
    """With the files, permissions and environment of the Dockerfile, if not in its image."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        app, home = Path(folder) / "app", Path(folder) / "home"
        shutil.copytree(render(docker=True), app)
        home.mkdir()
        home.chmod(0o1777)
        lines = instructions(app)
        (make,) = [line.removeprefix("RUN ") for line in lines if line.startswith("RUN mkdir")]
        subprocess.run(["sh", "-c", make], cwd=app, check=True)
        if uid == 1000:  # a folder of the user, mounted
            (app / "outputs").chmod(0o755)
            os.chown(app / "outputs", uid, uid)
        (variables,) = [line for line in lines if line.startswith("ENV PATH=")]
        declared = dict(item.split("=") for item in variables.split()[1:])
        del declared["PATH"]
        assert declared == {"PYTHONPATH": "/app/src", "HOME": "/tmp", "USER": "app"}
        declared |= {"PYTHONPATH": str(app / "src"), "HOME": str(home)}
        command = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        command += [f"--{caps}={READ_ONLY}" for caps in ("inh-caps", "ambient-caps")]
        command += [f"--bounding-set={READ_ONLY}", sys.executable]
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        revision = {"GIT_REVISION": "0a1b2c"}
        for arguments in (
            ["train.py", *SHORT, "trainer=cpu", "hydra.run.dir=outputs/train/a/b"],
            ["predict.py", "run=latest", "output=forecast.csv"],
            ["predict.py", "run=latest", "output=outputs/forecast.csv"],
        ):
            done = subprocess.run(
                [*command, *arguments],
                cwd=app,
                env={**kept, **declared, **revision},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            assert done.returncode == 0, done.stdout
        assert (app / "forecast.csv").stat().st_uid == uid
        record = json.loads((app / "outputs/train/a/b/record.json").read_text(encoding="utf-8"))
        assert record["git"] == {"revision": "0a1b2c", "dirty": False}


FAST = ["data=synthetic", "data.n_series=3", "trainer.max_epochs=2", "trainer.accelerator=cpu"]
# what a tracker was told of the only run
READ_MLFLOW = """
import json, mlflow
mlflow.set_tracking_uri("sqlite:///mlruns.db")
client = mlflow.MlflowClient()
(run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
files = [item.path for item in client.list_artifacts(run.info.run_id)]
files += [item.path for item in client.list_artifacts(run.info.run_id, "bundle")]
losses = [metric.step for metric in client.get_metric_history(run.info.run_id, "val_loss")]
print(json.dumps([run.info.status, run.data.params, run.data.metrics, files, losses]))
"""
READ_TENSORBOARD = """
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1])
events.Reload()
print(events.Tags()["images"], events.Tags()["scalars"])
"""


def test_mlflow_gets_settings_metrics_pictures_and_the_model(render: Render) -> None:
    project = render(tracker="mlflow")
    run(project, sys.executable, "train.py", *FAST, "hydra.run.dir=outputs/train/a/b")
    (project / "outputs/train/a/b/record.json").unlink()
    # a resumed run goes on in the same run of MLflow
    run(project, sys.executable, "train.py", "resume=outputs/train/a/b")
    run(project, sys.executable, "predict.py", "run=latest", "output=forecast.csv")
    printed = run(project, sys.executable, "-c", READ_MLFLOW).splitlines()[-1]
    status, params, metrics, files, losses = json.loads(printed)
    scores = json.loads((project / "outputs/train/a/b/metrics.json").read_text())["test"]
    assert status == "FINISHED"
    assert params["data.n_series"] == "3"
    assert metrics["test/model/mae"] == pytest.approx(scores["model"]["mae"])
    assert {"forecast.png", "config.yaml", "record.json", "bundle/model.pt.ckpt"} <= set(files)
    assert len(losses) == 2


def test_tensorboard_gets_metrics_and_pictures(render: Render) -> None:
    project = render(tracker="tensorboard")
    run(project, sys.executable, "train.py", *FAST, "hydra.run.dir=outputs/train/a/b")
    run(project, sys.executable, "predict.py", "run=latest", "output=forecast.csv")
    folder = "outputs/train/a/b/tensorboard"
    printed = run(project, sys.executable, "-c", READ_TENSORBOARD, folder)
    assert "forecast" in printed
    assert "test/model/mae" in printed
    assert "val_loss" in printed


def test_the_default_run_beats_the_baseline_clearly(render: Render) -> None:
    """A third of the baseline's error is the promise; five seeds reach less than that."""
    project = render()
    run(project, sys.executable, "train.py", "trainer.accelerator=cpu", "hydra.run.dir=outputs/a")
    scores = json.loads((project / "outputs/a/metrics.json").read_text())["test"]
    assert scores["model"]["mae"] < scores["baseline"]["mae"] / 2


# bytes that the process may have for itself; importing everything takes 650 MB of them,
# and training from mapped files ends with 1.12 GB where it may have 2
LIMIT = 1_250_000_000
# mapped files are not counted
LIMITED = """
import resource, runpy, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
sys.argv = sys.argv[2:]
runpy.run_path("train.py", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits what a process has itself")
def test_data_beyond_the_memory_limit_trains_from_mapped_files(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Arrow's own pool reserves a gigabyte, used or not
    monkeypatch.setenv("ARROW_DEFAULT_MEMORY_POOL", "system")
    project = render(features=[*DEFAULT_FEATURES, "large_data"])
    # 640 MB of values, and as much again once they are scaled
    write = (
        "import numpy as np, pandas as pd\n"
        "values = np.random.default_rng(0).random((100 * 25_000, 64), dtype=np.float32)\n"
        "frame = pd.DataFrame(values, columns=[f'v{n}' for n in range(64)])\n"
        "frame.insert(0, 'ds', np.tile(np.arange(25_000), 100))\n"
        "frame.insert(0, 'unique_id', np.repeat(np.arange(100), 25_000))\n"
        "frame.to_parquet('large.parquet', row_group_size=100_000)\n"
    )
    run(project, sys.executable, "-c", write)
    train = [
        *("data=parquet", "data.path=large.parquet"),
        f"data.target_columns=[{','.join(f'v{n}' for n in range(64))}]",
        *("data.validation_size=40", "data.test_size=20", "data.max_samples_per_ts=20"),
        *("model=nlinear", "model.input_chunk_length=8", "horizon=4", "trainer=cpu"),
        *("trainer.max_epochs=1", "callbacks=[]", "stride=16"),
    ]
    command = [sys.executable, "-c", LIMITED, str(LIMIT), "train.py", *train]
    run(project, *command, "storage=mmap")
    # a thread needs memory, too
    with pytest.raises(AssertionError, match=r"MemoryError|Failed to launch worker thread"):
        run(project, *command, "storage=[]")


def test_every_benchmark_can_be_imported_and_one_runs(render: Render, tmp_path: Path) -> None:
    """All of them take an hour, so `nox -s bench` is not part of the checks."""
    project = render(features=list(FEATURES))
    folder = ROOT / "benchmarks"
    paths = [str(project / "src"), str(folder)]
    kept = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "BENCH_PROJECT": str(project)}
    code = "import run, importlib; [importlib.import_module(name) for name in run.BENCHES]"
    subprocess.run([sys.executable, "-c", code], env=kept, check=True)
    few_steps = (
        "from common import *; import training; training.STEPS['nlinear'] = 5; "
        "windows = window_dataset(darts_dataset(random_series([200] * 3))); "
        "assert training.project_steps('nlinear', windows, []) > 0"
    )
    subprocess.run([sys.executable, "-c", few_steps], env=kept, check=True)
    script = [sys.executable, str(folder / "run.py"), "start"]
    subprocess.run(script, env={**kept, "BENCH_RESULTS": str(tmp_path)}, check=True)
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]["start"]["rows"]
    assert rows[0]["ratio"] > 0
    assert "train.py --help" in (tmp_path / "report.md").read_text()
