"""Every combination of answers renders the files it should, and each of them is valid."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Render, copy, questions
from rendered import check, check_no_jinja, choices, files, metadata, pairs, run, tree
from validate_pyproject.api import Validator

# answers that every render test begins with
PLAIN = {"ci": "github", "docker": False, "tracker": "csv"}
# schemas that check-jsonschema has on board, with the arguments that each needs
SCHEMAS = {
    "github": (
        ["vendor.github-workflows"],
        [f".github/workflows/{name}.yml" for name in ("ci", "tests", "weekly")],
    ),
    "gitlab": (["vendor.gitlab-ci", "--data-transform", "gitlab-ci"], [".gitlab-ci.yml"]),
}
# what ruff has found nothing in
CHECKED: set[str] = set()


def tool(project: Path, *command: str) -> None:
    """Run a Python tool in a project; it must find nothing."""
    run(project, sys.executable, "-m", *command)


def check_style(project: Path) -> None:
    """Format and lint; once where the code and the settings of ruff are the same."""
    settings = metadata(project)["tool"]["ruff"]
    code = [(name, text) for name, text in files(project).items() if name.endswith(".py")]
    key = repr((code, settings))
    if key not in CHECKED:
        tool(project, "ruff", "format", "--check", "--no-cache", ".")
        tool(project, "ruff", "check", "--no-cache", ".")
        CHECKED.add(key)


@pytest.mark.parametrize(
    "answers", pairs(), ids=lambda answers: "-".join(map(str, answers.values()))
)
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
