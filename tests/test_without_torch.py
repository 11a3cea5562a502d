"""What a project does without torch, so that every Python can be tested: see `nox -s pythons`."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Render
from rendered import FEATURES, environment, run

pytestmark = pytest.mark.run

# torch cannot be imported, even where it is installed
HIDE = """
import sys
from importlib.machinery import PathFinder
class WithoutTorch(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        hidden = name in ("torch", "pytorch_lightning")
        return None if hidden else super().find_spec(name, path, target)
sys.meta_path[sys.meta_path.index(PathFinder)] = WithoutTorch
"""
MAIN = """
import runpy
script, *sys.argv = sys.argv[1], *sys.argv[1:]
if script.endswith(".py"):
    runpy.run_path(script, run_name="__main__")
else:
    runpy.run_module(script, run_name="__main__")
"""
SOURCE = [
    *("data.path=sales.csv", "data.time_column=date", "data.target_columns=[units]"),
    "data=csv",
]
READ = """
from my_forecast.data import fingerprint, load_data
from my_forecast.large_data import StoredPanel
settings = dict(season_length=7, validation_size=5, test_size=5, fill="linear", scaler="standard")
panel = load_data(StoredPanel(path="store", **settings))
print(len(panel.times), panel.to_series()[0].values().sum(), len(fingerprint(panel)))
"""
RUN = """
import sys
from pathlib import Path
from my_forecast.runs.folder import finish_run, write_config, write_json, write_text
for name, mae in (("one", 2.0), ("two", 1.0)):
    folder = Path(name)
    (folder / "bundle").mkdir(parents=True)
    write_config(folder, {"paths": {"output_dir": name}, "seed": int(mae)})
    write_config(folder / "bundle", {"paths": {"output_dir": name}, "seed": int(mae)})
    scores = {"model": {"mae": mae}, "baseline": {"mae": 3.0}}
    write_json(folder / "metrics.json", {"test": scores, "test_standardised": scores})
    write_json(folder / "record.json", {"seconds": {"fit": 1.0}, "data_fingerprint": "x"})
    write_text(folder / "data_fingerprint.txt", "x")
    write_text(folder / "bundle" / "SHA256SUMS", "")
    finish_run(folder)
"""


@pytest.fixture
def project(render: Render) -> Path:
    """Return a project with all features."""
    return render(features=list(FEATURES))


def light(project: Path, *command: str) -> str:
    """Run a script or module of the project without torch."""
    return run(project, sys.executable, "-c", HIDE + MAIN, *command)


def test_help_and_config_are_printed(project: Path) -> None:
    for name in ("train", "evaluate", "predict", "doctor", "prepare"):
        assert "--cfg job" in light(project, f"{name}.py", "--help")
    assert "horizon: 52" in light(project, "train.py", "--cfg", "job", "horizon=52")


def test_data_goes_into_a_store_and_comes_out(project: Path) -> None:
    rows = [f"2024-01-{day:02},{day}" for day in range(1, 31)]
    (project / "sales.csv").write_text("\n".join(["date,units", *rows, ""]))
    assert "Saved 1 series" in light(project, "prepare.py", *SOURCE, "store=store")
    assert run(project, sys.executable, "-c", HIDE + READ).split() == ["30", "465.0", "64"]


def test_runs_are_compared(project: Path) -> None:
    """Python 3.13 refuses some patterns that 3.11 took."""
    run(project, sys.executable, "-c", RUN)
    for pattern in (["."], ["one", "two"], ["*"], [str(project / "*")]):
        command = [sys.executable, "-c", HIDE + MAIN, "my_forecast.compare", *pattern]
        done = subprocess.run(
            command, cwd=project, env=environment(project), capture_output=True, text=True
        )
        if pattern == ["."]:
            assert "Error: no finished run" in done.stderr, done.stderr
        else:
            assert done.returncode == 0, done.stderr
            assert done.stdout.index("two") < done.stdout.index("one"), done.stdout
