"""The template renders whatever is answered, and its files keep the promises of the design."""

import ast
import itertools
import json
import keyword
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Render, git, questions
from copier._user_data import Question

ASKED = [
    "project_name",
    "package_name",
    "description",
    "user_name",
    "user_email",
    "license",
    "python_min",
    "accelerator",
    "torch_index",
    "model",
    "tracker",
    "ci",
    "docker",
]
NASTY = [
    'A "quoted" one',
    "it's",
    "back\\slash \\n \\u0041",
    "emoji \N{SNOWMAN} and \N{ROCKET}",
    "{{ 7 * 7 }} {% raw %}",
    "# not: a [comment]",
    "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}",
    "x" * 300,
    "${oc.env:HOME} %(x)s",
]
FORBIDDEN = re.compile(r'[<>:"\\|?*\x00-\x1f]')
# spelled in parts, so that this file does not hold them
HOSTS = re.compile("|".join(["py" + r"pi\.org", "python" + "hosted", r"registry\.npm" + "js"]))


def choices(question: dict[str, Any]) -> list[Any]:
    """Return the values that a question with choices accepts."""
    if question["type"] == "bool":
        return [False, True]
    given = question.get("choices", [])
    return list(given.values()) if isinstance(given, dict) else list(given)


def pairs() -> Iterator[dict[str, Any]]:
    """Yield answers in which every pair of choices occurs at least once, greedily few."""
    options = {name: values for name in ASKED if (values := choices(questions()[name]))}
    missing = {
        frozenset([(a, x), (b, y)])
        for a, b in itertools.combinations(options, 2)
        for x in options[a]
        for y in options[b]
    }
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
        yield answers


def files(folder: Path) -> list[Path]:
    """Return all files of a rendered project."""
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def check(project: Path) -> None:
    """Check that every file parses and has a name that every system allows."""
    for path in files(project):
        name = path.relative_to(project).as_posix()
        content = path.read_bytes()
        text = content.decode()
        assert not FORBIDDEN.search(name), name
        assert len(name) < 120, name
        assert b"\r" not in content, name
        assert not content or content.endswith(b"\n"), name
        if path.suffix == ".py":
            ast.parse(text)
        elif path.suffix in (".yaml", ".yml"):
            yaml.safe_load(text)
        elif path.suffix == ".toml":
            tomllib.loads(text)
        elif path.suffix == ".json":
            json.loads(text)
        left = re.sub(r"\$\{\{.*?\}\}", "", text)
        if name != ".copier-answers.yml":
            assert "{%" not in left, name
            assert "{{" not in left, name


def test_the_questions_and_their_order() -> None:
    assert [name for name, q in questions().items() if q.get("when") is not False] == ASKED


@pytest.mark.parametrize("name", ASKED)
def test_every_question_has_a_default_and_two_lines_of_help(name: str) -> None:
    question = questions()[name]
    assert question.get("default") is not None
    assert len(question["help"].strip().splitlines()) == 2


def test_questions_use_only_what_copier_knows() -> None:
    """Copier ignores an unknown key without a word."""
    known = {item.name for item in fields(Question)}
    for name, question in questions().items():
        assert set(question) <= known, name


def test_nobody_needs_to_trust_the_template() -> None:
    content = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert not {"_tasks", "_migrations", "_jinja_extensions"} & set(content)


def test_the_default_project(render: Render) -> None:
    project = render()
    check(project)
    names = {path.relative_to(project).as_posix() for path in files(project)}
    assert {
        ".copier-answers.yml",
        ".gitattributes",
        ".github/workflows/ci.yml",
        ".gitignore",
        "LICENSE",
        "README.md",
        "conf/train.yaml",
        "doctor.py",
        "evaluate.py",
        "noxfile.py",
        "predict.py",
        "pyproject.toml",
        "src/my_forecast/windows.py",
        "tests/test_windows.py",
        "train.py",
    } <= names
    assert not {"Dockerfile", ".gitlab-ci.yml", "conf/logger/mlflow.yaml"} & names


def test_every_pair_of_choices_renders(render: Render) -> None:
    for answers in pairs():
        project = render(**answers)
        check(project)
        assert (project / "Dockerfile").exists() == answers["docker"]
        assert (project / ".dockerignore").exists() == answers["docker"]
        assert (project / ".github").exists() == (answers["ci"] == "github")
        assert (project / ".gitlab-ci.yml").exists() == (answers["ci"] == "gitlab")
        for tracker in ("mlflow", "tensorboard"):
            chosen = answers["tracker"] == tracker
            assert (project / f"conf/logger/{tracker}.yaml").exists() == chosen
        metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
        indexes = metadata["tool"].get("uv", {}).get("index", [])
        assert len(indexes) == (answers["torch_index"] != "pypi")
        train = yaml.safe_load((project / "conf/train.yaml").read_text(encoding="utf-8"))
        for group, answer in (
            ("model", "model"),
            ("trainer", "accelerator"),
            ("logger", "tracker"),
        ):
            assert {group: answers[answer]} in train["defaults"]


@pytest.mark.parametrize("text", NASTY)
def test_any_text_renders_files_that_parse(text: str, render: Render) -> None:
    project = render(description=text, user_name=text)
    for path in files(project):
        if path.suffix == ".toml":
            metadata = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
            assert metadata["description"] == text
            assert metadata["authors"][0]["name"] == text
        elif path.suffix in (".yaml", ".yml"):
            yaml.safe_load(path.read_text(encoding="utf-8"))
    assert text in (project / "README.md").read_text(encoding="utf-8")
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers["description"] == text


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
        ("con_", "con"),
    ],
)
def test_a_package_name_is_made_of_any_project_name(
    project_name: str, package: str, render: Render
) -> None:
    if package == "con":
        with pytest.raises(ValueError, match="device on Windows"):
            render(project_name=project_name)
        return
    project = render(project_name=project_name)
    assert (project / "src" / package / "windows.py").is_file()
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
        ("package_name", "aux"),
        ("package_name", "x" * 61),
        ("description", "two\nlines"),
        ("user_name", "  "),
        ("user_name", "tab\there"),
        ("user_email", "nobody"),
        ("user_email", "a@b"),
        ("user_email", 'a"b@example.com'),
        ("license", "WTFPL"),
        ("python_min", "3.9"),
    ],
)
def test_a_bad_answer_is_refused_by_its_name(question: str, value: str, render: Render) -> None:
    with pytest.raises(ValueError, match=question) as error:
        render(**{question: value})
    if question not in ("license", "python_min"):
        assert json.dumps(value, ensure_ascii=False) in str(error.value)


def test_every_reserved_name_is_known() -> None:
    reserved = set(questions()["reserved_names"]["default"].split())
    public = {name for name in sys.stdlib_module_names if not name.startswith("_")}
    assert public | {word for word in keyword.kwlist if word.islower()} <= reserved


def test_the_settings_file_of_copier_prefills_the_author(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "settings.yml"
    path.write_text("defaults:\n  user_name: Ada Lovelace\n  user_email: ada@example.org\n")
    monkeypatch.setenv("COPIER_SETTINGS_PATH", str(path))
    metadata = tomllib.loads((render() / "pyproject.toml").read_text(encoding="utf-8"))
    author = {"name": "Ada Lovelace", "email": "ada@example.org"}
    assert metadata["project"]["authors"] == [author]


def test_a_second_render_is_the_same_to_the_byte(render: Render) -> None:
    first, second = render(tracker="mlflow"), render(tracker="mlflow")
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in files(folder)}
        for folder in (first, second)
    ]
    assert contents[0] == contents[1]


def test_every_license_is_complete(render: Render) -> None:
    for license_ in choices(questions()["license"]):
        text = (render(license=license_) / "LICENSE").read_text(encoding="utf-8")
        assert len(text) > 100
        if license_ not in ("Apache-2.0", "GPL-3.0-or-later"):
            assert "Forecast Team" in text


@pytest.mark.parametrize("answers", [{}, {"package_name": "a"}, {"package_name": "z" * 60}])
def test_a_rendered_project_is_formatted_and_linted(
    answers: dict[str, str], render: Render
) -> None:
    """Whatever the length of the package's name and its place in the alphabet."""
    project = render(**answers)
    for command in (["format", "--check"], ["check"]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."],
            cwd=project,
            capture_output=True,
            text=True,
        )
        assert result.returncode == 0, result.stdout + result.stderr


def test_file_names_and_python_files_of_the_template() -> None:
    listed = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "template")
    for name in listed.splitlines():
        path = ROOT / name
        assert not FORBIDDEN.search(name), name
        assert not path.is_symlink(), name
        if name.endswith((".py", ".py.jinja")):
            text = path.read_text(encoding="utf-8")
            assert "{%" not in text, name
            assert set(re.findall(r"{{.*?}}", text)) <= {"{{ package_name }}"}, name


def test_no_file_names_a_package_registry() -> None:
    for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").splitlines():
        path = ROOT / name
        if path.is_file() and path.suffix != ".png":
            assert not HOSTS.search(path.read_text(encoding="utf-8")), name


def test_every_config_opens_with_its_command_and_explains_every_key() -> None:
    for path in sorted((ROOT / "template" / "conf").rglob("*.yaml*")):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert re.match(r"# (@package _global_|python \w+\.py )", lines[0]), path
        assert any(line.startswith("# python ") for line in lines[:2]), path
        for above, line in itertools.pairwise(lines):
            if re.match(r" *[\w{ }]+:", line) and line != "defaults:":
                assert above.strip().startswith("#"), f"{path}: {line}"


def test_the_readme_quotes_the_benchmark_report() -> None:
    report = (ROOT / "benchmarks/results/report.md").read_text(encoding="utf-8")
    table = report.split("## Medians")[0]
    quoted = (ROOT / "README.md").read_text(encoding="utf-8").split("## How fast it is")[1]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(lines) > 30
    for line in lines:
        assert line in quoted
