"""What `copier update` promises: it keeps the user's work and brings what is new."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import copier
import pytest
from conftest import ROOT, TAG, copy, git, modules_of, release, releases
from copier import VcsRef
from rendered import (
    DEFAULT_FEATURES,
    FEATURES,
    answers_of,
    dependencies,
    files,
    metadata,
    run,
    tree,
)

NEXT = "v9999.1.0"
ANSWERS: dict[str, Any] = {"docker": True, "project_name": "Sales 2030", "package_name": "sales"}
OWN_FILES = {
    "conf/local/default.yaml": "# @package _global_\nseed: 7\n",
    "conf/experiment/mine.yaml": "# @package _global_\nhorizon: 13\n",
    "src/sales/own/hourly_windows.py": (
        '"""A data set of our own."""\n\nfrom ..loading.windows import WindowDataset\n\n\n'
        'class HourlyWindows(WindowDataset):\n    """Windows that start at full hours."""\n'
    ),
    "src/sales/own/__init__.py": '"""What we wrote."""\n',
    "tests/own/test_hourly_windows.py": (
        '"""Tests of our own."""\n\n'
        "from sales.own.hourly_windows import HourlyWindows\n\n\n"
        "def test_it_is_a_data_set() -> None:\n    assert len(HourlyWindows.__mro__) > 1\n"
    ),
    "uv.lock": "version = 1\n",
}
# file, what the user finds there, what the user makes of it
EDITS = [
    ("pyproject.toml", "keeps what you add.\n", 'keeps what you add.\n  "holidays>=0.50",\n'),
    ("conf/model/tide.yaml", "\ndropout: 0.1\n", "\ndropout: 0.3\n"),
    ("conf/train.yaml", "\nhorizon: 26\n", "\nhorizon: 13\n"),
    ("conf/experiment/synthetic_panel.yaml", "n_series: 40", "n_series: 30"),
    ("README.md", "keeps what you write. -->\n", "keeps what you write. -->\n\n## Our sales\n"),
]
DELETED = "Dockerfile"
# which files a release has moved, and what to do about it
MOVES = ROOT / "docs/updating-to-0.3.md"
# edits in files that 0.3.0 moves or deletes, by the release that has them
EDITS_IN_MOVED_FILES = {
    "v0.1.0": ["src/sales/plots.py", "src/sales/windows.py", "src/sales/commands.py"],
    "v0.2.0": ["src/sales/plots.py", "src/sales/windows.py", "src/sales/retraining.py"],
}
# edits beside lines that 0.3.0 writes in other words, by the release that has them
CONFLICTS = {"v0.1.0": ["conf/model/tide.yaml"], "v0.2.0": ["conf/model/tide.yaml"]}
CONFLICT = re.compile(
    r"<<<<<<< before updating\n(.*?)=======\n.*?>>>>>>> after updating\n", re.DOTALL
)
# those of a project on the way to 0.3.0: all that 0.2.0 could do
ALL_FEATURES = {"features": list(FEATURES)}
# what the next version of the template changes, near the user's edits and away from them
NEWS = [
    ("template/pyproject.toml.jinja", '"tqdm>=4.66",', '"tqdm>=4.67",\n  "rich>=13",'),
    ("template/pyproject.toml.jinja", '"torch>=2.6",', '"torch>=2.7",'),
    ("template/conf/model/tide.yaml", "# python train.py", "# News.\n# python train.py"),
    ("template/conf/experiment/synthetic_panel.yaml", "# python train.py", "# News.\n# python"),
    ("template/conf/experiment/common/etth1.yaml", "# python train.py", "# News.\n# python"),
    ("template/Dockerfile.jinja", "FROM python:3.13-slim", "FROM python:3.13-slim-trixie"),
    ("template/README.md.jinja", "## Develop", "## News\n\n## Develop"),
    ("template/src/{{ package_name }}/own/__init__.py", '"""Modules', '"""News: modules'),
    ("template/src/{{ package_name }}/modeling/fit.py", '"""Prepare data', '"""News: prepare data'),
    ("template/train.py.jinja", "so its imports are", "News: its imports are"),
]


@pytest.fixture(scope="session")
def next_template(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clone of the template that has a release after the working tree."""
    folder = tmp_path_factory.mktemp("next")
    git(template, "clone", "--quiet", str(template), str(folder))
    for name, old, new in NEWS:
        edit(folder / name, old, new)
    release(folder, NEXT)
    return folder


def edit(path: Path, old: str, new: str) -> None:
    """Replace the first ``old``, which must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path}: {old}"
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


def start(template: Path, folder: Path, tag: str, **answers: Any) -> Path:
    """Render a version into a new git repository."""
    copy(template, folder, tag, **ANSWERS, **answers)
    git(folder, "init", "--quiet")
    commit(folder)
    return folder


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Work")


def own_files(tag: str) -> dict[str, str]:
    """Return files of a user's own, with the imports that are right in a version."""
    if tag == TAG:
        return OWN_FILES
    old = {
        name.replace("own/", ""): text.replace("..loading.", ".").replace(".own.", ".")
        for name, text in OWN_FILES.items()
    }
    # releases before that folder
    del old["src/sales/__init__.py"]
    return old


def work(project: Path, tag: str = TAG) -> None:
    """Do what users do, and commit it."""
    for name, text in own_files(tag).items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(text)
    for name, old, new in EDITS:
        edit(project / name, old, new)
    (project / DELETED).unlink()
    commit(project)


def update(project: Path, **options: Any) -> None:
    copier.run_update(project, defaults=True, overwrite=True, unsafe=False, quiet=True, **options)


def resolve(project: Path, tag: str) -> None:
    """Check which files conflict after an update from a version, and keep the user's lines."""
    unmerged = git(project, "diff", "--name-only", "--diff-filter=U").split()
    assert unmerged == CONFLICTS.get(tag, [])
    for name in unmerged:
        text, count = CONFLICT.subn(r"\1", (project / name).read_text(encoding="utf-8"))
        assert count == 1
        (project / name).write_text(text, encoding="utf-8", newline="\n")
        git(project, "add", name)


def assert_clean(project: Path) -> None:
    """Check that nothing is left to resolve."""
    assert not list(project.rglob("*.rej"))
    for path in project.rglob("*"):
        if path.is_file() and ".git" not in path.relative_to(project).parts:
            assert not re.search(rb"^(<<<<<<<|>>>>>>>)", path.read_bytes(), re.MULTILINE), path
    assert "U" not in {line[0] for line in git(project, "status", "--porcelain").splitlines()}


def assert_work_is_kept(project: Path, tag: str = TAG) -> None:
    for name, text in own_files(tag).items():
        assert (project / name).read_text() == text
    for name, _, new in EDITS:
        assert new in (project / name).read_text(encoding="utf-8"), name
    assert not (project / DELETED).exists()
    assert "holidays>=0.50" in dependencies(project)


def assert_only_the_own_files_differ(project: Path, **answers: Any) -> None:
    """Check that a project has the files of a render, the user's own, and no others."""
    commit(project)
    expected = tree({**ANSWERS, "ci": "github", "tracker": "csv", **answers})
    tracked = set(git(project, "ls-files").split()) | {"conf/local/default.yaml"}
    assert tracked == expected - {DELETED} | set(OWN_FILES)


def moves() -> dict[str, str]:
    """Return where a module of 0.1.0 or 0.2.0 is now, as MOVES says, by its old name."""
    text = MOVES.read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([\w/]+)` \| `([\w/]+)`", text, re.MULTILINE))


@pytest.mark.parametrize("tag", [*releases(), TAG])
def test_an_update_keeps_the_work_and_brings_the_news(
    tag: str, next_template: Path, tmp_path: Path
) -> None:
    project = start(next_template, tmp_path / "project", tag)
    work(project, tag)
    update(project, vcs_ref=NEXT)
    resolve(project, tag)
    assert_clean(project)
    assert_work_is_kept(project, tag)
    assert {"tqdm>=4.67", "rich>=13", "torch>=2.7"} <= dependencies(project)
    for name in ("README.md", "train.py", "conf/model/tide.yaml", "src/sales/modeling/fit.py"):
        assert "News" in (project / name).read_text(encoding="utf-8"), name
    for path in (project / "conf/experiment").rglob("*.yaml"):
        assert "News" not in path.read_text(encoding="utf-8"), path
    kept = answers_of(project)
    assert kept["_commit"] == NEXT
    assert {name: kept[name] for name in ANSWERS} == ANSWERS


@pytest.mark.parametrize("tag", [*releases(), TAG])
def test_an_update_without_work_is_a_fresh_render(
    tag: str, next_template: Path, tmp_path: Path
) -> None:
    project = start(next_template, tmp_path / "project", tag)
    update(project, vcs_ref=NEXT)
    assert_clean(project)
    fresh = start(next_template, tmp_path / "fresh", NEXT)
    # rendered once, then the user's
    once = ":!conf/experiment", ":!src/sales/own"
    commit(project)
    trees = [git(folder, "ls-files", "-s", "--", ".", *once) for folder in (project, fresh)]
    assert trees[0] == trees[1]


@pytest.mark.parametrize("tag", list(EDITS_IN_MOVED_FILES))
def test_edits_in_moved_files_are_kept_by_git_alone(
    tag: str, next_template: Path, tmp_path: Path
) -> None:
    """Copier deletes the old file without a conflict; the steps of MOVES find the edits first."""
    project = start(next_template, tmp_path / "project", tag)
    for name in EDITS_IN_MOVED_FILES[tag]:
        with (project / name).open("a", encoding="utf-8") as file:
            file.write("\n\nOURS = 1\n")
    commit(project)

    options: dict[str, Any] = {"defaults": True, "overwrite": True, "quiet": True}
    copier.run_recopy(project, vcs_ref=VcsRef.CURRENT, **options)
    patch = git(project, "diff", "-R")
    edited = re.findall(r"^\+\+\+ \w/(.*)", patch, re.MULTILINE)
    assert edited == sorted(EDITS_IN_MOVED_FILES[tag])
    assert patch.count("\n+OURS = 1\n") == len(EDITS_IN_MOVED_FILES[tag])
    git(project, "restore", ".")

    update(project, vcs_ref=NEXT, data=ALL_FEATURES)
    assert_clean(project)
    deleted = git(project, "ls-files", "--deleted").split()
    for name in EDITS_IN_MOVED_FILES[tag]:
        assert name in deleted
        assert "OURS = 1" in git(project, "show", f"HEAD:{name}")


# of one-line edits in the modules of a release: how many an update keeps, shows as a conflict, and
# finds in a file that has moved; the number kept may only rise, the conflicts only fall
ENGINE_EDITS = {"v0.1.0": (2, 5, 26), "v0.2.0": (1, 9, 45)}


@pytest.mark.parametrize("tag", releases())
def test_edits_of_the_engine_conflict_no_more_often_than_the_page_says(
    tag: str, tmp_path: Path
) -> None:
    """As `git merge-file` decides, which Copier asks about each file that was edited."""
    found: dict[str, list[str]] = {"kept": [], "conflict": [], "moved": []}
    now = modules_of()
    for module, base in modules_of(tag).items():
        if module not in now:
            found["moved"].append(module)
            continue
        lines = base.splitlines()
        number = next(n for n in range(len(lines) // 2, len(lines)) if lines[n].strip())
        lines[number] += "  # ours"
        names = "ours", "base", "theirs"
        for name, text in zip(names, ("\n".join([*lines, ""]), base, now[module]), strict=True):
            (tmp_path / name).write_text(text, encoding="utf-8", newline="\n")
        merged = subprocess.run(
            ["git", "merge-file", "--quiet", "-p", *names], cwd=tmp_path, capture_output=True
        )
        found["conflict" if merged.returncode else "kept"].append(module)
    kept, conflicts, moved = ENGINE_EDITS[tag]
    assert len(found["kept"]) >= kept, found
    assert len(found["conflict"]) <= conflicts, found
    assert len(found["moved"]) <= moved, found
    row = f"| {tag} | {kept + conflicts + moved} | {kept} | {conflicts} | {moved} |"
    assert row in (ROOT / "docs/updating.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_is_added_and_removed(feature: str, next_template: Path, tmp_path: Path) -> None:
    others = [other for other in DEFAULT_FEATURES if other != feature]
    project = start(next_template, tmp_path / "project", TAG, features=others)
    work(project)
    for features in ([*others, feature], others):
        update(project, vcs_ref=VcsRef.CURRENT, data={"features": features})
        assert_clean(project)
        assert_work_is_kept(project)
        assert_only_the_own_files_differ(project, features=features)
        assert answers_of(project)["_commit"] == TAG
        assert set(answers_of(project)["features"]) == set(features)


def test_files_of_a_users_own_in_the_folder_of_a_feature_outlive_it(
    next_template: Path, tmp_path: Path
) -> None:
    project = start(next_template, tmp_path / "project", TAG)
    (project / "src/sales/report/ours.py").write_text("OURS = 1\n")
    commit(project)
    update(project, vcs_ref=VcsRef.CURRENT, data={"features": []})
    assert [path.name for path in (project / "src/sales/report").iterdir()] == ["ours.py"]


@pytest.mark.run
@pytest.mark.parametrize("before", [[], list(FEATURES)], ids=["add all", "remove all"])
def test_a_project_with_other_features_passes_its_tests(
    before: list[str], next_template: Path, tmp_path: Path
) -> None:
    project = start(next_template, tmp_path / "project", TAG, features=before)
    work(project)
    after = [] if before else list(FEATURES)
    update(project, vcs_ref=VcsRef.CURRENT, data={"features": after})
    run(project, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_an_answer_is_changed_without_an_update(next_template: Path, tmp_path: Path) -> None:
    project = start(next_template, tmp_path / "project", TAG)
    work(project)
    update(project, vcs_ref=VcsRef.CURRENT, data={"tracker": "mlflow", "torch_index": "cu130"})
    assert_clean(project)
    assert_work_is_kept(project)
    assert answers_of(project)["_commit"] == TAG
    assert (project / "conf/logger/mlflow.yaml").exists()
    assert "- logger: mlflow\n" in (project / "conf/train.yaml").read_text()
    assert metadata(project)["tool"]["uv"]["index"][0]["url"].endswith("/cu130")


def test_the_year_of_the_licence_stays(next_template: Path, tmp_path: Path) -> None:
    """A project of a version without the question gets the year of its update."""
    project = start(next_template, tmp_path / "project", TAG, copyright_year=2019)
    update(project, vcs_ref=NEXT)
    assert answers_of(project)["copyright_year"] == 2019
    assert "Copyright (c) 2019 Forecast" in (project / "LICENSE").read_text(encoding="utf-8")
    old = start(next_template, tmp_path / "old", list(releases())[-1])
    update(old, vcs_ref=NEXT)
    assert answers_of(old)["copyright_year"] == date.today().year
    assert f"(c) {date.today().year} " in (old / "LICENSE").read_text(encoding="utf-8")


def test_recopy_gives_up_merges_but_keeps_answers_and_own_files(
    next_template: Path, tmp_path: Path
) -> None:
    project = start(next_template, tmp_path / "project", TAG)
    work(project)
    copier.run_recopy(
        project, vcs_ref=NEXT, defaults=True, overwrite=True, unsafe=False, quiet=True
    )
    assert_clean(project)
    for name, text in OWN_FILES.items():
        assert (project / name).read_text() == text
    assert (project / DELETED).exists()
    assert "\nhorizon: 26\n" in (project / "conf/train.yaml").read_text()
    assert "n_series: 30" in (project / "conf/experiment/synthetic_panel.yaml").read_text()
    assert answers_of(project)["package_name"] == "sales"


def test_lines_that_both_changed_are_shown_as_a_conflict(
    next_template: Path, tmp_path: Path
) -> None:
    """Nothing is lost without a word; `git diff --check` and the pre-commit hook find it."""
    project = start(next_template, tmp_path / "project", TAG)
    edit(project / "pyproject.toml", '"tqdm>=4.66"', '"tqdm>=4.65"')
    commit(project)
    update(project, vcs_ref=NEXT)
    text = (project / "pyproject.toml").read_text(encoding="utf-8")
    assert "<<<<<<<" in text
    assert '"tqdm>=4.65"' in text
    assert '"tqdm>=4.67"' in text
    with pytest.raises(subprocess.CalledProcessError):
        git(project, "diff", "--check")


def dirty(project: Path, template: Path) -> str:
    edit(project / "README.md", "#", "# Our")
    return TAG


def not_in_git(project: Path, template: Path) -> str:
    shutil.rmtree(project / ".git")
    return TAG


def without_answers(project: Path, template: Path) -> str:
    (project / ".copier-answers.yml").unlink()
    commit(project)
    return TAG


def relative(project: Path, template: Path) -> str:
    edit(project / ".copier-answers.yml", f"_src_path: {template}", "_src_path: ../template")
    commit(project)
    return TAG


def shallow(project: Path, template: Path) -> str:
    clone = project.parent / "shallow"
    git(project, "clone", "--quiet", "--depth=1", template.as_uri(), str(clone))
    git(clone, "tag", "--force", NEXT)
    edit(project / ".copier-answers.yml", f"_src_path: {template}", f"_src_path: {clone}")
    commit(project)
    return NEXT


def older(project: Path, template: Path) -> str:
    return next(iter(releases()))


@pytest.mark.parametrize(
    ("message", "prepare"),
    [
        ("Destination repository is dirty", dirty),
        ("Updating is only supported in git-tracked subprojects.", not_in_git),
        ("Template not found", without_answers),
        ("Local template must be a directory.", relative),
        ("Unknown revision", shallow),
        ("You are downgrading", older),
    ],
)
def test_the_page_explains_why_an_update_stops(
    message: str,
    prepare: Callable[[Path, Path], str],
    next_template: Path,
    tmp_path: Path,
) -> None:
    project = start(next_template, tmp_path / "project", TAG)
    wanted = prepare(project, next_template)
    before = files(project)
    with pytest.raises((copier.errors.UserMessageError, TypeError, ValueError)) as stopped:
        update(project, vcs_ref=wanted)
    assert message in str(stopped.value)
    assert f"| `{message}` |" in (ROOT / "docs/updating.md").read_text(encoding="utf-8")
    assert files(project) == before


@pytest.mark.run
def test_an_updated_project_passes_its_checks_and_trains(
    next_template: Path, tmp_path: Path
) -> None:
    tag = next(iter(releases()))
    project = start(next_template, tmp_path / "project", tag)
    work(project, tag)
    update(project, vcs_ref=NEXT)
    resolve(project, tag)
    # what MOVES asks for
    new = moves()["windows"].replace("/", ".")
    edit(project / "src/sales/hourly_windows.py", "from .windows", f"from .{new}")
    tests = "tests/test_commands.py", "tests/test_hourly_windows.py"
    for command in (["ruff", "check", "."], ["pytest", "-q", "-p", "no:cacheprovider", *tests]):
        run(project, sys.executable, "-m", *command)
    run(project, sys.executable, "train.py", "trainer.max_epochs=1", "stride=26")
