"""Every combination of answers renders the files it should, and each of them is valid."""

import hashlib
import json
import re
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Render, copy, git, questions
from rendered import (
    FEATURES,
    NO_DEFAULT_AND_ALL,
    check,
    check_no_jinja,
    choices,
    files,
    instructions,
    metadata,
    pairs,
    run,
    sets_of_features,
    tree,
)
from validate_pyproject.api import Validator

# answers that every render test begins with
PLAIN = {"ci": "github", "docker": False, "tracker": "csv"}
# schemas that check-jsonschema has on board, with the arguments that each needs, by file
SCHEMAS = {
    "github": {
        ".github/workflows/ci.yml": ["vendor.github-workflows"],
        ".github/dependabot.yml": ["vendor.dependabot"],
    },
    "gitlab": {".gitlab-ci.yml": ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]},
}
# files in which ruff has found nothing: name, content, settings of ruff
CHECKED: set[tuple[str, bytes, str]] = set()


def tool(project: Path, *command: str) -> None:
    """Run a Python tool in a project; it must find nothing."""
    run(project, sys.executable, "-m", *command)


def check_style(project: Path) -> None:
    """Format and lint every Python file, once for the same content and settings of ruff."""
    settings = repr(metadata(project)["tool"]["ruff"])
    code = {(name, text, settings) for name, text in files(project).items() if name[-3:] == ".py"}
    if new := sorted(name for name, _, _ in code - CHECKED):
        tool(project, "ruff", "format", "--check", "--no-cache", *new)
        tool(project, "ruff", "check", "--no-cache", *new)
        CHECKED.update(code)


def names(answers: dict[str, Any]) -> str:
    """Return an id of a test: all answers, and the number of features."""
    return "-".join(str(len(a) if isinstance(a, list) else a) for a in answers.values())


@pytest.mark.parametrize("answers", pairs(), ids=names)
def test_every_pair_of_choices(
    answers: dict[str, Any], render: Render, files_of_template: Path, tmp_path: Path
) -> None:
    project = render(**answers)
    content = files(project)
    assert set(content) == tree(answers)
    assert content == files(copy(files_of_template, tmp_path / "again", None, **answers))
    check(project)
    check_no_jinja(project)
    check_style(project)
    Validator()(metadata(project))
    private = "Private :: Do Not Upload" in metadata(project)["project"]["classifiers"]
    assert private == (answers["license"] == "proprietary")
    indexes = metadata(project)["tool"].get("uv", {}).get("index", [])
    assert len(indexes) == (answers["torch_index"] != "pypi")
    train = yaml.safe_load(content["conf/train.yaml"])
    for group, answer in (("model", "model"), ("trainer", "accelerator"), ("logger", "tracker")):
        assert {group: answers[answer]} in train["defaults"]
    evaluate = yaml.safe_load(content["conf/evaluate.yaml"])
    after_run = {"after_run": "report" if "report" in answers["features"] else None}
    assert after_run in train["defaults"]
    assert after_run in evaluate["defaults"]


@pytest.mark.parametrize("features", sets_of_features(), ids="-".join)
def test_every_set_of_features(features: list[str], render: Render) -> None:
    """None, each alone, every pair, all: exactly their files, each of them valid."""
    answers = {**PLAIN, "features": features}
    project = render(**answers)
    assert set(files(project)) == tree(answers)
    check(project)
    check_no_jinja(project)
    check_style(project)
    Validator()(metadata(project))


def test_a_feature_has_all_its_files(render: Render) -> None:
    project = render(features=list(FEATURES))
    for feature, starts in FEATURES.items():
        for start in starts:
            name = start.format(package="my_forecast")
            assert any(written.startswith(name) for written in files(project)), f"{feature}: {name}"


@pytest.mark.parametrize("features", NO_DEFAULT_AND_ALL)
def test_options_of_features_are_named_to_whoever_asks_for_them(
    features: str, render: Render
) -> None:
    """In features.toml, from which the project says how to add what is not there."""
    answers = {**PLAIN, "features": NO_DEFAULT_AND_ALL[features]}
    project = render(**answers)
    text = (project / "src/my_forecast/features.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    assert content["features"] == answers["features"]
    options = {
        path.removeprefix("conf/").removesuffix(".yaml"): path
        for path in tree({**PLAIN, "features": list(FEATURES)}) - tree(answers)
        if path.startswith("conf/") and "/common/" not in path
    }
    assert set(content["missing"]) == set(options)
    for option, feature in content["missing"].items():
        assert options[option].startswith(tuple(FEATURES[feature]))


def test_the_model_that_was_chosen_is_there_whatever_feature_it_is_of(render: Render) -> None:
    for model in choices(questions()["model"]):
        project = render(model=model, features=[])
        assert (project / f"conf/model/{model}.yaml").is_file()
        text = (project / "src/my_forecast/features.toml").read_text(encoding="utf-8")
        assert f"model/{model}" not in tomllib.loads(text)["missing"]


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("python_min", choices(questions()["python_min"]))
@pytest.mark.parametrize("ci", list(SCHEMAS))
def test_pipelines_fit_their_published_schemas(
    ci: str, python_min: str, docker: bool, render: Render
) -> None:
    index = "cu130" if docker else "pypi"
    project = render(ci=ci, python_min=python_min, docker=docker, torch_index=index)
    for name, schema in SCHEMAS[ci].items():
        tool(project, "check_jsonschema", name, "--builtin-schema", *schema)


@pytest.mark.parametrize("index", choices(questions()["torch_index"]))
@pytest.mark.parametrize("ci", list(SCHEMAS))
def test_pipelines_install_the_build_of_torch_for_cpus(ci: str, index: str, render: Render) -> None:
    """UV_TORCH_BACKEND counts where no index is named, so that of the project is hidden."""
    name = next(iter(SCHEMAS[ci]))
    pipeline = yaml.safe_load((render(ci=ci, torch_index=index) / name).read_text("utf-8"))
    variables = pipeline["env" if ci == "github" else "variables"]
    assert variables["UV_TORCH_BACKEND"] == "cpu"
    assert ("UV_NO_SOURCES" in variables) == (index != "pypi")


@pytest.mark.parametrize("docker", [False, True])
def test_pipelines_keep_a_cache_and_build_the_image(docker: bool, render: Render) -> None:
    github = yaml.safe_load(
        (render(docker=docker) / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    )
    gitlab = yaml.safe_load(
        (render(docker=docker, ci="gitlab") / ".gitlab-ci.yml").read_text(encoding="utf-8")
    )
    assert ("docker" in github["jobs"]) == ("docker" in gitlab) == docker
    for name in ("lint", "tests", "lowest"):
        (cached,) = [s for s in github["jobs"][name]["steps"] if "setup-uv@" in s.get("uses", "")]
        assert cached["with"]["enable-cache"] is True
    assert gitlab["variables"]["UV_CACHE_DIR"] == "$CI_PROJECT_DIR/.uv-cache"
    assert gitlab["default"]["cache"]["paths"] == [".uv-cache"]
    sources = [rule["if"] for rule in gitlab["workflow"]["rules"]]
    assert sources == [
        '$CI_PIPELINE_SOURCE == "merge_request_event"',
        "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH",
    ]


@pytest.mark.parametrize("docker", [False, True])
def test_dependabot_moves_all_that_is_pinned(docker: bool, render: Render) -> None:
    text = (render(docker=docker) / ".github/dependabot.yml").read_text(encoding="utf-8")
    updates = {update["package-ecosystem"]: update for update in yaml.safe_load(text)["updates"]}
    assert set(updates) == {"github-actions", "uv"} | ({"docker"} if docker else set())
    assert updates["uv"]["versioning-strategy"] == "lockfile-only"


def test_the_image_installs_dependencies_before_it_gets_the_sources(render: Render) -> None:
    project = render(docker=True)
    lines = instructions(project)
    (install,) = [n for n, line in enumerate(lines) if "uv pip install" in line]
    before = [line for line in lines[:install] if line.startswith("COPY")]
    assert before == ["COPY --from=uv /uv /bin/uv", "COPY pyproject.toml uv.loc[k] ./"]
    assert "--mount=type=cache,target=/var/cache/uv" in lines[install]
    assert "UV_CACHE_DIR=/var/cache/uv" in "\n".join(lines[:install])
    assert lines.index("COPY src src") > install
    # a new commit changes no layer that copies or installs
    last = lines[lines.index('ARG REVISION=""') :]
    assert not any(line.startswith(("COPY", "RUN")) for line in last)
    ignored = (project / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert {"!pyproject.toml", "!uv.lock", "!*.py", "!conf", "!src"} <= set(ignored)


@pytest.mark.parametrize(
    ("torch_index", "accelerator", "build"),
    [
        ("pypi", "auto", "cpu"),
        ("pypi", "cpu", "cpu"),
        ("pypi", "cuda", "cu130"),
        ("cpu", "auto", "cpu"),
        ("cu126", "cpu", "cu126"),
        ("cu132", "cuda", "cu132"),
    ],
)
def test_the_image_has_the_build_of_torch_that_was_asked_for(
    torch_index: str, accelerator: str, build: str, render: Render
) -> None:
    project = render(docker=True, torch_index=torch_index, accelerator=accelerator)
    assert f"ARG TORCH={build}\n" in (project / "Dockerfile").read_text(encoding="utf-8")
    assert f"Without `TORCH`, PyTorch is the build `{build}`." in (project / "README.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("features", NO_DEFAULT_AND_ALL)
def test_the_page_for_agents_is_short_and_names_what_exists(features: str, render: Render) -> None:
    project = render(features=NO_DEFAULT_AND_ALL[features], docker=True, ci="gitlab")
    text = (project / "AGENTS.md").read_text(encoding="utf-8")
    assert text.count("\n") <= 60
    code = re.findall(r"`([^`\n]+)`", text.split("## Where")[1])
    paths = {one for one in code if "/" in one or one.endswith((".py", ".md", ".toml", ".yml"))}
    assert len(paths) > 15
    for path in paths - {"outputs/", "config.py"}:
        assert (project / path).exists(), path
    assert (project / "src/my_forecast/config.py").exists()
    assert "\noutputs/\n" in (project / ".gitignore").read_text(encoding="utf-8")


def test_the_settings_of_the_editor_start_what_exists(render: Render) -> None:
    project = render(editor="vscode")
    launch = json.loads((project / ".vscode/launch.json").read_text(encoding="utf-8"))
    assert len(launch["configurations"]) == 3
    for configuration in launch["configurations"]:
        program = configuration["program"].removeprefix("${workspaceFolder}/")
        assert (project / program).is_file()


def test_the_hooks_are_valid(render: Render) -> None:
    tool(render(), "pre_commit", "validate-config")


@pytest.mark.parametrize("package_name", ["a", "z" * 60])
def test_any_package_name_leaves_the_project_formatted(package_name: str, render: Render) -> None:
    """Whatever its length and its place in the alphabet."""
    project = render(package_name=package_name)
    check_style(project)
    assert set(files(project)) == tree({**PLAIN, "package_name": package_name})


@pytest.mark.parametrize("length", [79, 88, 120])
def test_a_line_length_of_the_users_own_leaves_the_project_formatted(
    length: int, render: Render
) -> None:
    project = render(features=list(FEATURES))
    path = project / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    assert "\nline-length = 100\n" in text
    path.write_text(text.replace("line-length = 100", f"line-length = {length}"), encoding="utf-8")
    check_style(project)
    (project / "mine.py").write_text('"""A module."""\n\nNUMBERS = [' + "1, " * 30 + "1]\n")
    if length < 100:
        with pytest.raises(AssertionError, match=r"mine\.py"):
            tool(project, "ruff", "format", "--check", "--no-cache", ".")


# lines that the .gitignore files of many repositories have
IGNORED = [
    *("data/", "models/", "runs/", "lib/", "build/", "env/", "evaluation", "*.csv"),
    *("src/*/data", "conf/*/", "**/loading/", "compare"),
]


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_users_gitignore_hides_nothing_of_the_project(place: str, render: Render) -> None:
    project = render(features=list(FEATURES))
    rendered = set(files(project))
    path = project / ".gitignore"
    lines = [path.read_text(encoding="utf-8"), "\n".join(IGNORED) + "\n"]
    path.write_text("".join(lines if place == "after" else reversed(lines)), encoding="utf-8")
    for name in ("src/my_forecast/__pycache__/x.pyc", "conf/local/default.yaml", "outputs/x"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    assert set(git(project, "ls-files").splitlines()) == rendered
    assert metadata(project)["tool"]["hatch"]["build"]["ignore-vcs"] is True


# of the texts that the licensors publish
LICENSES = {
    "Apache-2.0": "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30",
    "GPL-3.0-or-later": "3972dc9744f6499f0f9b2dbf76696f2ae7ad8af9b23dde66d6af86c9dfb36986",
}
# how the parts of the others begin or end
PARTS = {
    "MIT": ["MIT License", "Permission is hereby granted", "The above copyright", "SOFTWARE."],
    "BSD-3-Clause": ["1. Redist", "2. Redist", "3. Neither", "THIS SOFTWARE", "SUCH DAMAGE."],
    "proprietary": ["All rights reserved", "No permission is granted"],
}


def test_every_license_is_complete(render: Render) -> None:
    assert {*LICENSES, *PARTS} == set(choices(questions()["license"]))
    for license_, checksum in LICENSES.items():
        content = (render(license=license_) / "LICENSE").read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
    for license_, parts in PARTS.items():
        text = (render(license=license_) / "LICENSE").read_text(encoding="utf-8")
        assert f"Copyright (c) {date.today().year} Forecast Team" in text
        assert all(part in text for part in parts), license_
