"""Fixtures: the working tree as a released template, rendered without trust."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import copier
import pytest
import yaml

ROOT = Path(__file__).parents[1]
# newer than any real release, so that Copier takes the working tree
TAG = "v9999.0.0"


class Render(Protocol):
    """A function that renders a project with answers and returns its folder."""

    def __call__(self, **answers: Any) -> Path:
        """Render into a new folder."""
        ...


def questions() -> dict[str, dict[str, Any]]:
    """Return the questions of copier.yml in order, computed ones included."""
    content = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    return {name: value for name, value in content.items() if not name.startswith("_")}


def git(folder: Path, *arguments: str) -> str:
    """Run git in ``folder`` as a test author and return what it printed."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository that holds the working tree as one tagged commit."""
    folder = tmp_path_factory.mktemp("template")
    listed = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Working tree")
    git(folder, "tag", TAG)
    return folder


@pytest.fixture
def render(
    template: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Return a function that renders the template; an answer to no question is an error."""
    empty = tmp_path_factory.mktemp("settings") / "settings.yml"
    empty.write_text("{}")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(empty))

    def rendered(**answers: Any) -> Path:
        unknown = set(answers) - set(questions())
        assert not unknown, f"no such questions: {unknown}"
        folder = tmp_path_factory.mktemp("rendered") / "project"
        copier.run_copy(
            str(template),
            folder,
            data=answers,
            vcs_ref=TAG,
            defaults=True,
            unsafe=False,
            quiet=True,
        )
        return folder

    return rendered
