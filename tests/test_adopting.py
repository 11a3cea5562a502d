"""docs/adopting.md, followed word by word on repositories of three layouts."""

import subprocess
import sys
from pathlib import Path

import pytest
import test_update
from conftest import IDENTITY, ROOT, TAG, Render, copy, git
from rendered import blocks, dependencies, files, run
from test_update import ANSWERS, NEXT, assert_clean, commit, edit, update

next_template = test_update.next_template

PAGE = ROOT / "docs/adopting.md"
# not to the taste of the project's linters
SCRIPT = "import os,sys\nfrom {module} import scale\nprint( scale(21) )\n"
MODULE = "def scale(x): return  x*2\n"
COMMON = {
    "README.md": "Our forecasts.\n",
    ".gitignore": "data/\n*.csv\n",
    ".github/workflows/ci.yml": "on: push\njobs: {}\n",
    "tests/conftest.py": "import os,sys\n",
    "tests/test_scale.py": "def test_it(): assert 1\n",
    "pyproject.toml": '[project]\nname = "demand"\nversion = "1"\n',
}
LAYOUTS = {
    "flat": {"train.py": SCRIPT.format(module="demand"), "demand/__init__.py": MODULE},
    "src": {
        "train.py": "import sys; sys.path.insert(0, 'src')\n" + SCRIPT.format(module="demand.core"),
        "src/demand/__init__.py": "",
        "src/demand/core.py": MODULE,
    },
    "with a conf of its own": {
        "train.py": (
            "import hydra\n\n@hydra.main(config_path='conf', config_name='train', "
            "version_base=None)\ndef main(c): print(c.model.size * 2)\n\nmain()\n"
        ),
        "conf/train.yaml": "defaults: [_self_, model: big]\n",
        "conf/model/big.yaml": "size: 21\n",
        "demand.py": MODULE,
    },
}


def bash(folder: Path, script: str) -> None:
    """Run lines of the page, of which each must work."""
    script = script.replace("git commit", f"git {' '.join(IDENTITY)} commit")
    subprocess.run(["bash", "-e", "-c", script], cwd=folder, check=True, capture_output=True)


@pytest.fixture(params=LAYOUTS)
def adopted(
    request: pytest.FixtureRequest, next_template: Path, tmp_path: Path
) -> tuple[Path, dict[str, str]]:
    """Return a repository to which the steps of the page were applied, and what was in it."""
    project, before = tmp_path / "project", {**COMMON, **LAYOUTS[request.param]}
    ignored = {"data/sales.csv": "y\n1\n"}
    for name, text in {**before, **ignored}.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, encoding="utf-8")
    git(project, "init", "--quiet", "--initial-branch=main")
    commit(project)
    switch, move, render = blocks(PAGE, "console")
    bash(project, switch + move)
    assert render.strip() == "copier copy <this repository> ."
    assert (project / "data/sales.csv").is_file()
    (project / "data").rename(project / "legacy/data")
    copy(next_template, project, TAG, **ANSWERS)
    return project, before


def test_nothing_is_lost_and_updates_work(
    adopted: tuple[Path, dict[str, str]], render: Render
) -> None:
    project, before = adopted
    for name, text in before.items():
        assert (project / "legacy" / name).read_text(encoding="utf-8") == text
    rendered = {name for name in files(project) if not name.startswith((".git/", "legacy/"))}
    assert rendered == set(files(render(**ANSWERS)))
    # the data is hidden as before, and nothing else is
    shown = git(project, "ls-files", "--others", "--exclude-standard").split()
    assert set(shown) == rendered
    history = git(project, "log", "--follow", "--format=%s", "legacy/train.py")
    assert len(history.splitlines()) == 2
    edit(project / "pyproject.toml", "what you add.\n", 'what you add.\n  "holidays>=0.50",\n')
    commit(project)
    update(project, vcs_ref=NEXT)
    assert_clean(project)
    assert {"holidays>=0.50", "tqdm>=4.67"} <= dependencies(project)
    assert (project / "legacy/train.py").read_text(encoding="utf-8") == before["train.py"]


@pytest.mark.run
def test_the_checks_pass_and_old_scripts_run(adopted: tuple[Path, dict[str, str]]) -> None:
    project, _ = adopted
    for command in ("ruff format --check .", "ruff check .", "pytest -q --collect-only"):
        printed = run(project, sys.executable, "-m", *command.split())
        assert "legacy" not in printed
    assert run(project / "legacy", sys.executable, "train.py").strip() == "42"
