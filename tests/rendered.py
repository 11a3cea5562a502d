"""What is asked of a rendered project, whatever was answered."""

import ast
import itertools
import json
import os
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import requires
from pathlib import Path, PurePosixPath
from textwrap import dedent
from typing import Any

import yaml
from conftest import ROOT, listed, questions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# every feature, and how the names of its files begin; copier.yml says the same in its own words
FEATURES = {
    "report": ["src/{package}/report/", "tests/test_report.py", "conf/after_run/report.yaml"],
    "compare": ["src/{package}/compare/", "tests/test_compare.py"],
    "models": [
        "conf/model/block_rnn.yaml",
        "conf/model/naive_",
        "conf/model/nbeats.yaml",
        "conf/model/rnn.yaml",
        "conf/model/tcn.yaml",
        "conf/model/transformer.yaml",
    ],
    "training": [
        "src/{package}/training/",
        "conf/debug/",
        "conf/likelihood/gaussian.yaml",
        "conf/likelihood/laplace.yaml",
        "conf/likelihood/negative_binomial.yaml",
        "conf/likelihood/poisson.yaml",
        "conf/loss/",
        "conf/lr_scheduler/",
        "conf/optimizer/",
    ],
    "intervals": [
        "src/{package}/intervals/",
        "tests/test_intervals.py",
        "conf/intervals/conformal.yaml",
    ],
    "retraining": [
        "src/{package}/retraining/",
        "tests/test_retraining.py",
        "conf/backtest/retrain.yaml",
    ],
    "exact_resume": [
        "src/{package}/exact_resume/",
        "tests/test_exact_resume.py",
        "conf/callbacks/exact_resume.yaml",
    ],
    "pretrained": [
        "src/{package}/pretrained/",
        "tests/test_pretrained.py",
        "conf/model/chronos2.yaml",
        "conf/model/timesfm2p5.yaml",
    ],
    "large_data": [
        "src/{package}/large_data/",
        "tests/test_large_data.py",
        "conf/data/store.yaml",
        "conf/prepare.yaml",
        "conf/storage/mmap.yaml",
        "conf/writer/parts.yaml",
        "prepare.py",
    ],
    "datasets": [
        "src/{package}/datasets/",
        "tests/test_datasets.py",
        "conf/data/darts_dataset.yaml",
        "conf/data/statsmodels.yaml",
        "conf/data/etth1.yaml",
        "conf/experiment/etth1_",
        "conf/experiment/common/etth1.yaml",
    ],
    "loader_lab": [
        "src/{package}/loader_lab/",
        "tests/test_loader_lab.py",
        "conf/measure/loaders.yaml",
    ],
    "calendar": [
        "src/{package}/calendar/",
        "tests/test_calendar.py",
        "conf/covariates/calendar.yaml",
    ],
    "excel": [
        "src/{package}/excel/",
        "tests/test_excel.py",
        "conf/data/excel.yaml",
    ],
}
# others are config options alone
FEATURES_WITH_A_FOLDER = [name for name, some in FEATURES.items() if some[0].startswith("src/")]
DEFAULT_FEATURES = ["report", "compare"]
NO_DEFAULT_AND_ALL = {"none": [], "default": DEFAULT_FEATURES, "all": list(FEATURES)}
# not allowed in a file name on Windows
FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f]')
# its devices, with any suffix
RESERVED = re.compile(r"con|conin\$|conout\$|prn|aux|nul|(com|lpt)[0-9¹²³]", re.IGNORECASE)
# characters of a path within a project: Windows allows 259 from the drive on
LONGEST = 120
ANSWERS_FILE = ".copier-answers.yml"


def asked() -> list[str]:
    """Return the names of the questions that are asked, in their order."""
    return [name for name, question in questions().items() if question.get("when") is not False]


def choices(question: dict[str, Any]) -> list[Any]:
    """Return the values that a question with choices accepts."""
    if question["type"] == "bool":
        return [False, True]
    given = question.get("choices", [])
    return list(given.values()) if isinstance(given, dict) else list(given)


def pairs() -> list[dict[str, Any]]:
    """Return answers in which every pair of choices occurs at least once, greedily few."""
    options = {name: values for name in asked() if (values := choices(questions()[name]))}
    options["features"] = list(map(tuple, NO_DEFAULT_AND_ALL.values()))
    missing = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(options, 2)
        for x in options[a]
        for y in options[b]
    }
    found = []
    while missing:
        answers = dict(min(missing, key=lambda pair: sorted(map(str, pair))))
        for name in options:
            if name not in answers:
                answers[name] = max(
                    options[name],
                    key=lambda value, name=name: sum(  # type: ignore[misc]
                        frozenset([(name, value), other]) in missing for other in answers.items()
                    ),
                )
        missing -= {frozenset(pair) for pair in itertools.combinations(answers.items(), 2)}
        found.append({name: answers[name] for name in options})
    return [{**answers, "features": list(answers["features"])} for answers in found]


def sets_of_features() -> list[list[str]]:
    """Return no feature, every single one, every pair, and all of them."""
    few = [list(some) for n in (0, 1, 2) for some in itertools.combinations(FEATURES, n)]
    return [*few, list(FEATURES)]


def tree(answers: dict[str, Any]) -> set[str]:
    """Return the files that a project with these answers has, and no others."""
    conditions = {
        ".github/": answers["ci"] == "github",
        ".gitlab-ci.yml": answers["ci"] == "gitlab",
        "Dockerfile": answers["docker"],
        ".dockerignore": answers["docker"],
        ".vscode/": answers.get("editor") == "vscode",
        ".devcontainer/": answers.get("editor") == "vscode",
        "conf/logger/tensorboard.yaml": answers["tracker"] == "tensorboard",
        "conf/logger/mlflow.yaml": answers["tracker"] == "mlflow",
    }
    package = answers.get("package_name", "my_forecast")
    conditions[f"src/{package}/runs/tracking.py"] = answers["tracker"] != "csv"
    for feature, starts in FEATURES.items():
        chosen = feature in answers.get("features", DEFAULT_FEATURES)
        conditions |= {start.format(package=package): chosen for start in starts}
    names = set()
    for path in listed("template"):
        name = path.relative_to(ROOT / "template").as_posix().removesuffix(".jinja")
        name = name.replace("{{ package_name }}", package)
        names.add(name.replace("{{ _copier_conf.answers_file }}", ANSWERS_FILE))
    return {
        name
        for name in names
        if name == f"conf/model/{answers.get('model', 'tide')}.yaml"
        or all(kept or not name.startswith(start) for start, kept in conditions.items())
    }


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files of a rendered project."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def metadata(project: Path) -> dict[str, Any]:
    """Return the content of pyproject.toml."""
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))


def dependencies(project: Path) -> set[str]:
    """Return what the project needs to run."""
    return set(metadata(project)["project"]["dependencies"])


def requirements(project: Path) -> list[Requirement]:
    """Return all that the project asks for, for running it and for working on it."""
    groups = metadata(project)["dependency-groups"].values()
    needed = [item for group in groups for item in group if isinstance(item, str)]
    return [Requirement(item) for item in [*sorted(dependencies(project)), *needed]]


def installed_with(wanted: Iterable[Requirement]) -> set[str]:
    """Return the installed distributions that these need, and those that these need in turn."""
    found, left = set[tuple[str, str]](), list(wanted)
    while left:
        requirement = left.pop()
        for extra in ("", *requirement.extras):
            if (key := (canonicalize_name(requirement.name), extra)) in found:
                continue
            found.add(key)
            for needed in map(Requirement, requires(requirement.name) or []):
                if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                    left.append(needed)
    return {name for name, _ in found}


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of code in a language on a page, also those within lists."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return [dedent(block) for block in found]


def answers_of(project: Path) -> dict[str, Any]:
    """Return the answers that a project was rendered with, and the version it is from."""
    content: dict[str, Any] = yaml.safe_load((project / ANSWERS_FILE).read_text(encoding="utf-8"))
    return content


def check_names(names: Iterable[str]) -> None:
    """Check that Windows and macOS can hold these files, each beside all others."""
    whole = [PurePosixPath(name) for name in names]
    paths = {path.as_posix() for name in whole for path in (name, *name.parents)} - {"."}
    # on both, two names that differ only in their case are one
    assert len({path.casefold() for path in paths}) == len(paths), paths
    for path in paths:
        assert len(path) < LONGEST, path
        for part in path.split("/"):
            assert not FORBIDDEN.search(part), path
            assert not RESERVED.fullmatch(part.split(".")[0].rstrip()), path
            assert part == part.rstrip(". "), path


def check(project: Path) -> None:
    """Check that every file parses and has a name that every system allows."""
    check_names(files(project))
    for name, content in files(project).items():
        text = content.decode()
        assert b"\r" not in content, name
        assert not content or content.endswith(b"\n"), name
        if name.endswith(".py"):
            ast.parse(text)
        elif name.endswith((".yaml", ".yml")):
            yaml.safe_load(text)
        elif name.endswith(".toml"):
            tomllib.loads(text)
        elif name.endswith(".json"):
            json.loads(text)


def check_no_jinja(project: Path) -> None:
    """Check that nothing of the template's language is left.

    GitHub's expressions aside, and the pages that a project fills in itself.
    """
    for name, content in files(project).items():
        if name.endswith(".html"):
            continue
        text = re.sub(r"\$\{\{.*?\}\}", "", content.decode())
        assert "{%" not in text, name
        assert "{{" not in text, name


def instructions(project: Path) -> list[str]:
    """Return the instructions of a project's Dockerfile, continued lines joined, no comments."""
    text = (project / "Dockerfile").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if line and not line.startswith("#")]
    return "\n".join(kept).replace("\\\n", " ").splitlines()


def environment(project: Path) -> dict[str, str]:
    """Return an environment in which the project can be imported."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HYDRA")}
    return {**kept, "PYTHONPATH": str(project / "src")}


def run(project: Path, *command: str) -> str:
    """Run a command in the project and return what it printed; fail if it fails."""
    result = subprocess.run(
        command,
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    assert result.returncode == 0, f"{shlex.join(command)}\n{result.stdout}"
    return result.stdout
