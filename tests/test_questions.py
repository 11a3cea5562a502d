"""The questions of copier.yml: whatever is answered renders, or is refused with its reason."""

import json
import keyword
import re
import sys
from dataclasses import fields
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Render, copy, questions
from copier._user_data import Question
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from rendered import (
    DEFAULT_FEATURES,
    FEATURES,
    answers_of,
    asked,
    check,
    choices,
    installed_with,
    metadata,
    requirements,
    run,
)

ASKED = [
    "project_name",
    "package_name",
    "description",
    "user_name",
    "user_email",
    "license",
    "copyright_year",
    "python_min",
    "accelerator",
    "torch_index",
    "model",
    "features",
    "tracker",
    "ci",
    "docker",
    "editor",
]
TEXTS = ["project_name", "package_name", "description", "user_name", "user_email"]
NASTY = [
    'A "quoted" one',
    '"""',
    "it's",
    "back\\slash \\n \\u0041",
    "emoji \N{SNOWMAN} and \N{ROCKET}",
    "{{ 7 * 7 }} {% raw %}",
    "# not: a [comment]",
    "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}",
    "x" * 300,
    "${oc.env:HOME} %(x)s",
    "\N{ZERO WIDTH NO-BREAK SPACE}\N{RIGHT-TO-LEFT OVERRIDE}",
    "null",
    "2030-01-01",
]
YAML_VALUES = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
LIKELY = ["aux", "COM1.txt", "class", "json", "torch", "a", "_a", "2fast", "a@b.co", "x.y@z-1.org"]
TEXT = st.one_of(
    st.text(max_size=70),
    st.text(alphabet="abz019_-. @", max_size=12),
    st.sampled_from(NASTY + LIKELY),
)


def test_the_questions_and_their_order() -> None:
    assert asked() == ASKED


@pytest.mark.parametrize("name", ASKED)
def test_every_question_has_a_default_and_two_lines_of_help(name: str) -> None:
    question = questions()[name]
    assert question.get("default") is not None
    assert len(question["help"].strip().splitlines()) == 2


def test_the_features_and_their_default() -> None:
    assert choices(questions()["features"]) == list(FEATURES)
    assert questions()["features"]["default"] == DEFAULT_FEATURES


def test_questions_use_only_what_copier_knows() -> None:
    """Copier ignores an unknown key without a word."""
    known = {item.name for item in fields(Question)}
    for name, question in questions().items():
        assert set(question) <= known, name


def test_nobody_needs_to_trust_the_template() -> None:
    content = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(content)


@pytest.mark.parametrize("question", TEXTS)
@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=TEXT)
@example(text=NASTY[0])
@example(text=NASTY[1])
@example(text=NASTY[3])
@example(text=NASTY[5])
def test_any_text_renders_or_is_refused_with_its_reason(
    question: str, text: str, render: Render
) -> None:
    reason = ""
    try:
        # the features hold no answer that is a text
        project = render(**{question: text}, features=[])
    except ValueError as error:
        reason = str(error)
    if reason:
        assert question in reason
        assert json.dumps(text, ensure_ascii=False) in reason
        return
    check(project)
    assert answers_of(project)[question] == text
    code = sorted((project / "src").rglob("*.py"))
    for path in code:
        compile(path.read_bytes(), path, "exec")
    about = metadata(project)["project"]
    author = about["authors"][0]
    written = {
        "description": about["description"],
        "user_name": author["name"],
        "user_email": author["email"],
        "project_name": (project / "README.md").read_text(encoding="utf-8").split("\n")[0][2:],
    }
    assert written.get(question, text) == text
    package = answers_of(project)["package_name"]
    assert package == text or question != "package_name"
    modules = [".".join(path.relative_to(project / "src").with_suffix("").parts) for path in code]
    assert f"{package}.config" in modules
    # what needs no dependency is imported, under its own name
    light = [package, f"{package}.errors", f"{package}.own"]
    assert set(light[1:]) <= {*modules, *(name.removesuffix(".__init__") for name in modules)}
    run(project, sys.executable, "-c", f"import {', '.join(light)}")


@pytest.mark.parametrize(
    "address",
    ["o'brien@example.org", "ada+x@b-c.co.uk", "jos\xe9@example.com", "ada@\u4f8b\u3048.jp"],
)
def test_addresses_of_all_kinds_are_accepted(address: str, render: Render) -> None:
    project = render(user_email=address)
    check(project)
    assert metadata(project)["project"]["authors"][0]["email"] == address


@pytest.mark.parametrize("text", NASTY)
def test_nasty_texts_are_no_reason_to_refuse(text: str, render: Render) -> None:
    check(render(description=text, user_name=text))


@pytest.mark.parametrize(
    ("project_name", "package"),
    [
        ("Sales 2030", "sales_2030"),
        ("2030 sales", "forecast_2030_sales"),
        ("torch", "torch_forecast"),
        ("import", "import_forecast"),
        ("--", "forecast"),
        ("\N{HEBREW LETTER SHIN}", "forecast"),
        ("Ünïcödé's", "n_c_d_s"),
    ],
)
def test_a_package_name_is_made_of_any_project_name(
    project_name: str, package: str, render: Render
) -> None:
    project = render(project_name=project_name)
    assert (project / "src" / package / "config.py").is_file()
    check(project)


@pytest.mark.parametrize(
    ("question", "value"),
    [
        ("project_name", ""),
        ("project_name", "a/b"),
        ("project_name", "a\\b"),
        ("project_name", "a\nb"),
        ("project_name", "con"),
        ("project_name", "LPT1.txt"),
        ("project_name", "ends."),
        ("project_name", "x" * 61),
        ("package_name", "2fast"),
        ("package_name", "My_Package"),
        ("package_name", "my-package"),
        ("package_name", "ünï"),
        ("package_name", "class"),
        ("package_name", "json"),
        ("package_name", "torch"),
        ("package_name", "tests"),
        ("package_name", "test"),
        ("package_name", "test_sales"),
        ("package_name", "null"),
        ("package_name", "on"),
        ("package_name", "dist"),
        ("package_name", "mlruns"),
        ("package_name", "yaml"),
        # the distribution would be called numpy and scikit-learn
        ("package_name", "numpy_"),
        ("package_name", "scikit__learn"),
        ("package_name", "aux"),
        ("package_name", "x" * 61),
        ("description", "two\nlines"),
        ("user_name", "  "),
        ("user_name", "tab\there"),
        ("user_email", "nobody"),
        ("user_email", "a@b"),
        ("user_email", 'a"b@example.com'),
        # half of a pair of UTF-16, as a terminal with another encoding hands it over
        ("description", "\ud83d"),
        ("user_name", "Ada \udce9"),
        ("project_name", "\udfff"),
        ("license", "WTFPL"),
        ("copyright_year", 26),
        ("python_min", "3.9"),
        ("features", ["report", "no_such_feature"]),
    ],
)
def test_a_bad_answer_is_refused_by_its_name(question: str, value: Any, render: Render) -> None:
    with pytest.raises(ValueError, match=question) as error:
        render(**{question: value})
    if question not in ("license", "copyright_year", "python_min", "features"):
        assert json.dumps(value, ensure_ascii=False) in str(error.value)


def test_a_package_name_that_windows_forbids_is_not_made(render: Render) -> None:
    with pytest.raises(ValueError, match="device on Windows"):
        render(project_name="con_")


def reserved_names() -> set[str]:
    return set(questions()["reserved_names"]["default"].split())


def test_words_of_python_and_yaml_and_names_of_the_project_are_reserved(render: Render) -> None:
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    words = {word for word in keyword.kwlist if word.islower()}
    project = render(features=list(FEATURES), tracker="mlflow")
    modules = {path.stem for folder in (project, project / "tests") for path in folder.glob("*.py")}
    # those of tests are refused by their beginning
    modules = {name for name in modules if not name.startswith("test_")}
    folders = {path.name for path in project.iterdir() if path.is_dir()}
    ignored = re.findall(r"^(\w+)/$", (project / ".gitignore").read_text(), re.MULTILINE)
    named = {name for name in modules | folders | {*ignored} if not name.startswith((".", "_"))}
    assert len(named) > 10
    assert public | words | YAML_VALUES | named <= reserved_names()


@pytest.mark.run
@pytest.mark.parametrize("tracker", ["mlflow", "tensorboard"])
def test_dependencies_are_reserved(tracker: str, render: Render) -> None:
    """By the names of distributions and of modules, with all that they depend on."""
    project = render(features=list(FEATURES), tracker=tracker)
    found = installed_with(requirements(project))
    modules = {
        module
        for module, names in packages_distributions().items()
        if {canonicalize_name(name) for name in names} & found
    }
    names = {name.replace("-", "_") for name in found} | modules
    valid = {name for name in names if re.fullmatch("[a-z][a-z0-9_]*", name)}
    assert {"numpy", "sklearn", "scikit_learn", "yaml", "pyyaml", "hydra", "hydra_core"} <= valid
    assert valid <= reserved_names()


@pytest.mark.run
@pytest.mark.parametrize("name", ["a", "zz_9_", "model_", "my__forecast", "data", "e1", "no_no"])
def test_a_project_starts_with_any_name_that_is_accepted(name: str, render: Render) -> None:
    project = render(package_name=name, tracker="mlflow")
    shown = run(project, sys.executable, "train.py", "--cfg", "job")
    assert yaml.safe_load(shown)["data"]["_target_"] == f"{name}.data.sources.Co2"


def test_the_settings_file_of_copier_prefills_the_author(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.yml"
    path.write_text("defaults:\n  user_name: Ada Lovelace\n  user_email: ada@example.org\n")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(path))
    project = copy(template, tmp_path / "project")
    author = {"name": "Ada Lovelace", "email": "ada@example.org"}
    assert metadata(project)["project"]["authors"] == [author]
