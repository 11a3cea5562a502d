"""Fixtures: the working tree as a released template, rendered without trust."""

import shutil
import signal
import subprocess
import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import copier
import pytest
import yaml
from plumbum import local

ROOT = Path(__file__).parents[1]
# newer than any real release, so that Copier takes the working tree
TAG = "v9999.0.0"
# arguments of git that make a test author
IDENTITY = ("-c", "user.name=Test", "-c", "user.email=test@example.com")

# a shell starts background jobs, and CI may start everything, with Ctrl-C ignored; tests press it
signal.signal(signal.SIGINT, signal.default_int_handler)


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
    command = ["git", *IDENTITY, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def releases() -> dict[str, str]:
    """Return the commit of every release by its tag, oldest first."""
    content = tomllib.loads((ROOT / "tests/releases.toml").read_text(encoding="utf-8"))
    return {f"v{version}": commit for version, commit in content.items()}


def modules_of(tag: str | None = None) -> dict[str, str]:
    """Return the code of the package by its modules, in a release or in the working tree."""
    folder = "template/src/{{ package_name }}/"
    if tag is None:
        paths = [path for path in listed(folder) if ".py" in path.suffixes]
        code = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}
    else:
        commit = releases()[tag]
        names = git(ROOT, "ls-tree", "-r", "--name-only", commit, folder).splitlines()
        code = {
            name: git(ROOT, "show", f"{commit}:{name}")
            for name in names
            if name.endswith((".py", ".py.jinja"))
        }
    return {name.removeprefix(folder).partition(".py")[0]: text for name, text in code.items()}


def listed(folder: str = ".") -> list[Path]:
    """Return the files of the repository, or of a folder of it, that are not ignored."""
    names = git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder)
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def clone(folder: Path) -> None:
    """Clone the repository, tag its releases, and put the files of the working tree into it."""
    git(ROOT, "clone", "--quiet", str(ROOT), str(folder))
    for tag, commit in releases().items():
        git(folder, "tag", "--force", tag, commit)
    git(folder, "rm", "--quiet", "-r", ".")
    for path in listed():
        copied = folder / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)
    git(folder, "add", "--all")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone with all releases, in which the working tree is the newest one."""
    folder = tmp_path_factory.mktemp("template")
    clone(folder)
    release(folder, TAG)
    return folder


def release(folder: Path, tag: str) -> None:
    """Commit everything in a clone of the template and tag it."""
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", tag)
    git(folder, "tag", tag)


@pytest.fixture(autouse=True)
def no_copier_settings(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers come from the tests, not from the settings of whoever runs them."""
    empty = tmp_path_factory.mktemp("settings") / "settings.yml"
    empty.write_text("{}")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(empty))


@pytest.fixture(scope="session")
def files_of_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the template without its history, from which rendering takes half the time."""
    folder = tmp_path_factory.mktemp("files") / "template"
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns(".git"))
    return folder


@pytest.fixture(scope="session")
def rendered_once() -> dict[str, Path]:
    """Return what was rendered before, by its answers; it is only copied."""
    return {}


@pytest.fixture
def render(
    files_of_template: Path,
    rendered_once: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Render:
    """Return a function that renders the template; an answer to no question is an error."""

    def rendered(**answers: Any) -> Path:
        key = repr(sorted(answers.items()))
        if key not in rendered_once:
            once = tmp_path_factory.mktemp("once")
            rendered_once[key] = copy(files_of_template, once, None, **answers)
        folder = tmp_path_factory.mktemp("rendered") / "project"
        shutil.copytree(rendered_once[key], folder)
        return folder

    return rendered


def copy(template: Path, folder: Path, tag: str | None = TAG, **answers: Any) -> Path:
    """Run `copier copy` without trust and without questions; without a tag, also without git."""
    unknown = set(answers) - set(questions())
    assert not unknown, f"no such questions: {unknown}"
    # Copier asks git about every file if it finds one
    with local.env(PATH="") if tag is None else nullcontext():
        copier.run_copy(
            str(template),
            folder,
            data=answers,
            vcs_ref=tag,
            defaults=True,
            overwrite=True,
            unsafe=False,
            quiet=True,
        )
    return folder
