"""What is written in more than one place is written the same, and nothing is left without use."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from conftest import ROOT, Render, git, listed, questions, releases
from packaging.requirements import Requirement
from packaging.version import Version
from rendered import (
    ANSWERS_FILE,
    FEATURES,
    FORBIDDEN,
    choices,
    files,
    metadata,
    requirements,
)

# spelled in parts, so that this file does not hold them
HOSTS = re.compile("|".join(["py" + r"pi\.org", "python" + "hosted", r"registry\.npm" + "js"]))
NOT_TEXT = (".png",)


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def constraints() -> dict[str, Version]:
    """Return the known-good versions."""
    lines = [line for line in read("constraints.txt").splitlines() if "==" in line]
    return {name: Version(version) for name, version in (line.split("==") for line in lines)}


def test_file_names_and_python_files_of_the_template() -> None:
    for path in listed("template"):
        name = path.relative_to(ROOT).as_posix()
        assert not FORBIDDEN.search(name), name
        assert not path.is_symlink(), name
        if name.endswith((".py", ".py.jinja")):
            text = path.read_text(encoding="utf-8")
            assert "{%" not in text, name
            assert set(re.findall(r"{{.*?}}", text)) <= {"{{ package_name }}"}, name


def test_no_file_names_a_package_registry_or_has_other_line_ends() -> None:
    for path in listed():
        if path.suffix not in NOT_TEXT:
            content = path.read_bytes()
            assert not HOSTS.search(content.decode()), path
            assert b"\r" not in content, path


def test_versions_of_python(render: Render) -> None:
    supported = choices(questions()["python_min"])
    lowest, highest = supported[0], supported[-1]
    for python_min in supported:
        project = render(python_min=python_min, docker=True)
        written = metadata(project)
        after = f"3.{int(highest.split('.')[1]) + 1}"
        assert written["project"]["requires-python"] == f">={python_min},<{after}"
        assert written["tool"]["ruff"]["target-version"] == f"py{python_min.replace('.', '')}"
        both = [python_min, highest] if python_min != highest else [highest]
        ci = workflow(project / ".github/workflows/ci.yml")
        assert ci["jobs"]["tests"]["strategy"]["matrix"]["python-version"] == both
        assert ci["jobs"]["lint"]["steps"][1]["with"]["python-version"] == python_min
        assert f"FROM python:{highest}-slim" in (project / "Dockerfile").read_text()
        gitlab = yaml.safe_load(
            (render(ci="gitlab", python_min=python_min) / ".gitlab-ci.yml").read_text()
        )
        assert gitlab["tests"]["parallel"]["matrix"] == [{"PYTHON_VERSION": both}]
    own = workflow(ROOT / ".github/workflows/ci.yml")
    assert own["jobs"]["tests"]["strategy"]["matrix"]["python-version"] == [lowest, highest]
    assert f'target-version = "py{lowest.replace(".", "")}"' in read("pyproject.toml")
    assert f"Python {lowest} to {highest}" in read("README.md")


def workflow(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def test_the_known_good_versions_are_within_all_bounds(render: Render) -> None:
    known = constraints()
    own = tomllib.loads(read("pyproject.toml"))["dependency-groups"]["render"]
    bounds = [Requirement(item) for item in own]
    for tracker in choices(questions()["tracker"]):
        bounds += requirements(render(tracker=tracker, features=list(FEATURES)))
    for requirement in bounds:
        assert requirement.specifier, f"{requirement}: give it a lower bound"
        assert known[requirement.name.lower()] in requirement.specifier, str(requirement)


def test_versions_of_darts_hydra_and_copier(render: Render) -> None:
    known = constraints()
    bounds = {r.name: r.specifier for r in requirements(render())}
    for name, package in (("Darts", "darts"), ("Hydra", "hydra-core")):
        major, minor = known[package].release[:2]
        assert Version(f"{major}.{minor + 1}") not in bounds[package]
        for readme in ("README.md", "template/README.md.jinja"):
            for written in re.findall(rf"{name} (\d+\.\d+)", read(readme)):
                assert written == f"{major}.{minor}", readme
    for path in listed("template"):
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r'version_base="([^"]+)"', text)) <= {"1.3"}
    oldest = yaml.safe_load(read("copier.yml"))["_min_copier_version"]
    assert Version(oldest) <= known["copier"]


def test_versions_of_ruff(render: Render) -> None:
    hooks = yaml.safe_load((render() / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    revisions = {repo["repo"].rsplit("/")[-1]: repo["rev"] for repo in hooks["repos"]}
    assert revisions["ruff-pre-commit"] == f"v{constraints()['ruff']}"


def test_actions_are_pinned_and_may_do_little(render: Render) -> None:
    project = render()
    paths = [*(project / ".github").rglob("*.yml"), *(ROOT / ".github").rglob("*.yml")]
    pins = set()
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert workflow(path)["permissions"] == {"contents": "read"}
        for used in re.findall(r"uses: (.*)", text):
            if not used.startswith("./"):
                assert re.fullmatch(r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), path
                pins.add(used)
    assert len(paths) >= 2
    assert len({used.split("@")[0] for used in pins}) == len(pins), "one version of each action"


def test_builds_of_torch(render: Render) -> None:
    answers = choices(questions()["torch_index"])
    project = render(docker=True)
    dockerfile = (project / "Dockerfile").read_text()
    readme = (project / "README.md").read_text(encoding="utf-8")
    text = read("template/src/{{ package_name }}/loading/nvidia_driver.py")
    named = re.findall(r'return "(\w+)"|"pypi" if .* else "(\w+)"', text)
    assert {name for pair in named for name in pair if name} <= set(answers)
    for answer in answers:
        assert f"`{answer}`" in readme
        assert answer == "pypi" or answer in dockerfile


def test_every_config_opens_with_its_command() -> None:
    for path in sorted((ROOT / "template" / "conf").rglob("*.yaml*")):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert re.match(r"# (@package \w+|python \w+\.py )", lines[0]), path
        assert any(line.startswith("# python ") for line in lines[:2]), path


def keys(node: Any) -> Iterator[str]:
    """Yield the keys of a config that this project reads itself.

    What has a ``_target_`` goes to a class, which refuses what it does not know.
    """
    if isinstance(node, dict) and "_target_" not in node:
        for key, value in node.items():
            if key != "defaults" and not (isinstance(value, dict) and "_target_" in value):
                yield key
                yield from keys(value)


def test_every_key_of_the_configs_is_used(render: Render) -> None:
    project = render(features=list(FEATURES), tracker="mlflow")
    conf = project / "conf"
    code = "\n".join(
        # without the fields of the settings, which every key has
        re.sub(r"^    \w+: .*$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        for path in (project / "src").rglob("*.py")
    )
    texts = {path: path.read_text(encoding="utf-8") for path in conf.rglob("*.yaml")}
    interpolated = "\n".join(re.findall(r"\$\{(.*?)\}", "\n".join(texts.values())))
    # Hydra, Lightning and Darts refuse what they do not know
    others = ("hydra", "trainer", "model", "callbacks")
    for path, text in texts.items():
        parts_of_a_model = text.startswith("# @package model")
        if path.parent.name not in ("hydra", "trainer", "debug") and not parts_of_a_model:
            content = yaml.safe_load(text)
            for key in keys({k: v for k, v in content.items() if k not in others}):
                used = re.search(rf"""\.{key}\b|["']{key}["']""", code)
                assert used or re.search(rf"\b{key}\b", interpolated), f"{path}: nothing uses {key}"


def test_every_session_that_is_named_exists(render: Render) -> None:
    """Sessions install packages and run for minutes, so the README's are not run by a test."""
    project = render()
    for folder, texts in (
        (ROOT, ["README.md", "CONTRIBUTING.md", "docs/adopting.md", ".github/workflows/ci.yml"]),
        (project, ["README.md", ".github/workflows/ci.yml"]),
    ):
        defined = re.findall(
            r"^def (\w+)\(session", (folder / "noxfile.py").read_text(), re.MULTILINE
        )
        for text in texts:
            content = (folder / text).read_text(encoding="utf-8")
            for sessions in re.findall(r"nox -s ([a-z ]+)", content):
                assert set(sessions.split()) <= set(defined), f"{text}: {sessions}"


def test_the_sessions_know_all_features() -> None:
    written = re.search(r"ALL_FEATURES = \((.*?)\n\)", read("noxfile.py"), re.DOTALL)
    assert written
    named = re.sub(r'["\n]|    ', "", written[1])
    assert yaml.safe_load(named.removeprefix("features=")) == list(FEATURES)


def test_the_readme_quotes_the_benchmark_report() -> None:
    table = read("benchmarks/results/report.md").split("## Medians")[0]
    quoted = read("README.md").split("## How fast it is")[1]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    assert len(lines) > 30
    for line in lines:
        assert line in quoted


def test_the_example_is_what_the_template_renders(render: Render) -> None:
    """`nox -s example` renders it again."""
    rendered = files(render())
    del rendered[ANSWERS_FILE]
    example = {
        path.relative_to(ROOT / "docs/example").as_posix() for path in listed("docs/example")
    }
    assert example == set(rendered)
    for name, content in rendered.items():
        assert (ROOT / "docs/example" / name).read_bytes() == content, f"{name}: nox -s example"


def test_every_release_is_in_the_changelog() -> None:
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading)
    versions = [heading.split("]")[0][1:] for heading in headings[1:]]
    assert versions == sorted(versions, key=Version, reverse=True)
    assert [f"v{version}" for version in reversed(versions)] == list(releases())


def test_every_release_is_a_commit_in_the_history_of_this_one() -> None:
    """A shallow clone fails here, with git's words: the update tests need the full history."""
    commits = list(releases().values())
    assert len(commits) >= 2
    for older, newer in zip(commits, [*commits[1:], "HEAD"], strict=True):
        assert re.fullmatch("[0-9a-f]{40}", older)
        git(ROOT, "merge-base", "--is-ancestor", older, newer)
    for tag in git(ROOT, "tag", "--list", "v*").split():
        assert git(ROOT, "rev-parse", f"{tag}^{{commit}}").strip() == releases()[tag]


def test_every_promise_is_kept_by_a_test_that_exists(render: Render) -> None:
    own = {
        path.relative_to(ROOT / "tests").as_posix(): path.read_text(encoding="utf-8")
        for path in (ROOT / "tests").rglob("*.py")
    }
    rendered = {
        path.name: path.read_text(encoding="utf-8")
        for path in (render(features=list(FEATURES)) / "tests").glob("*.py")
    }
    rows = re.findall(
        r"^\| (?!promise|---)(.*) \| (.*) \|$", read("docs/promises.md"), re.MULTILINE
    )
    assert len(rows) > 30
    for promise, kept in rows:
        named = re.findall(r"`(?:(project): )?([\w/]+\.py)::(\w+)`", kept)
        assert named, promise
        for project, file, test in named:
            assert f"def {test}(" in (rendered if project else own)[file], f"{file}::{test}"
