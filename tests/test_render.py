"""Every combination of answers renders the files it should, and each of them is valid."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Render, copy, questions
from rendered import (
    FEATURES,
    NO_DEFAULT_AND_ALL,
    check,
    check_no_jinja,
    choices,
    files,
    metadata,
    pairs,
    run,
    sets_of_features,
    tree,
)
from validate_pyproject.api import Validator

# answers that every render test begins with
PLAIN = {"ci": "github", "docker": False, "tracker": "csv"}
# schemas that check-jsonschema has on board, with the arguments that each needs
SCHEMAS = {
    "github": (["vendor.github-workflows"], [".github/workflows/ci.yml"]),
    "gitlab": (["vendor.gitlab-ci", "--data-transform", "gitlab-ci"], [".gitlab-ci.yml"]),
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


@pytest.mark.parametrize("python_min", choices(questions()["python_min"]))
@pytest.mark.parametrize("ci", list(SCHEMAS))
def test_pipelines_fit_their_published_schemas(ci: str, python_min: str, render: Render) -> None:
    schema, pipelines = SCHEMAS[ci]
    project = render(ci=ci, python_min=python_min)
    tool(project, "check_jsonschema", *pipelines, "--builtin-schema", *schema)


def test_the_hooks_are_valid(render: Render) -> None:
    tool(render(), "pre_commit", "validate-config")


@pytest.mark.parametrize("package_name", ["a", "z" * 60])
def test_any_package_name_leaves_the_project_formatted(package_name: str, render: Render) -> None:
    """Whatever its length and its place in the alphabet."""
    project = render(package_name=package_name)
    check_style(project)
    assert set(files(project)) == tree({**PLAIN, "package_name": package_name})


def test_every_license_is_complete(render: Render) -> None:
    for license_ in choices(questions()["license"]):
        text = (render(license=license_) / "LICENSE").read_text(encoding="utf-8")
        assert len(text) > 100
        if license_ not in ("Apache-2.0", "GPL-3.0-or-later"):
            assert "Forecast Team" in text
