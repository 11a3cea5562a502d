"""What is written in more than one place is written the same, and nothing is left without use."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Render, git, listed, modules_of, questions, releases
from faults import FAULTS, Fault
from packaging.requirements import Requirement
from packaging.version import Version
from rendered import (
    ANSWERS_FILE,
    FEATURES,
    LONGEST,
    check_names,
    choices,
    files,
    metadata,
    requirements,
    run,
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


@pytest.mark.parametrize(
    "names",
    [
        *(["src/aux.py"], ["com1"], ["a/LPT9.tar.gz", "a/x"], ["nul"], ["conf/con/x.yaml"]),
        *(["a "], ["b."], ["folder./x"], ["what?.md"], ["a:b"], ["a\\b"], ["d" * LONGEST + "/x"]),
        *(["README.md", "readme.MD"], ["Data/x", "data/y"], ["a/Straße", "a/strasse"]),
    ],
)
def test_names_that_some_system_refuses_are_found(names: list[str]) -> None:
    with pytest.raises(AssertionError):
        check_names(names)


def test_file_names_and_python_files_of_the_template(render: Render) -> None:
    template = listed("template")
    # a name with Jinja is checked as it is rendered
    check_names([path.relative_to(ROOT).as_posix() for path in template])
    longest = render(features=list(FEATURES), package_name="z" * 60, tracker="mlflow", docker=True)
    for project in (longest, render(features=list(FEATURES), ci="gitlab"), render(features=[])):
        check_names(list(files(project)))
    for path in template:
        name = path.relative_to(ROOT).as_posix()
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
        images = re.findall(r"^FROM python:(.*?)-slim", dockerfile(project), re.MULTILINE)
        assert images == [highest, highest]
        assert (project / ".python-version").read_text() == f"{python_min}\n"
        named = [c.split(" :: ")[-1] for c in written["project"]["classifiers"]]
        assert [c for c in named if "." in c] == supported[supported.index(python_min) :]
        vscode = render(python_min=python_min, editor="vscode")
        container = json.loads((vscode / ".devcontainer/devcontainer.json").read_text())
        assert container["image"].endswith(f":{python_min}")
        gitlab = yaml.safe_load(
            (render(ci="gitlab", python_min=python_min) / ".gitlab-ci.yml").read_text()
        )
        assert gitlab["tests"]["parallel"]["matrix"] == [{"PYTHON_VERSION": both}]
    own = workflow(ROOT / ".github/workflows/ci.yml")
    assert own["jobs"]["tests"]["strategy"]["matrix"]["python-version"] == [lowest, highest]
    assert f'target-version = "py{lowest.replace(".", "")}"' in read("pyproject.toml")
    assert f"Python {lowest} to {highest}" in read("README.md")


def dockerfile(project: Path) -> str:
    return (project / "Dockerfile").read_text(encoding="utf-8")


def workflow(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def test_the_known_good_versions_are_within_all_bounds(render: Render) -> None:
    known = constraints()
    groups = tomllib.loads(read("pyproject.toml"))["dependency-groups"].values()
    bounds = [Requirement(item) for group in groups for item in group]
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
    known = constraints()["ruff"]
    assert revisions["ruff-pre-commit"] == f"v{known}"
    (ruff,) = [r.specifier for r in requirements(render()) if r.name == "ruff"]
    assert known in ruff
    assert Version(f"{known.major}.{known.minor + 1}") not in ruff


def test_versions_of_uv(render: Render) -> None:
    known = constraints()["uv"]
    assert f"/uv:{known.major}.{known.minor} AS uv\n" in dockerfile(render(docker=True))


def test_actions_are_pinned_and_may_do_little(render: Render) -> None:
    project = render()
    folders = (project / ".github/workflows", ROOT / ".github/workflows")
    paths = [path for folder in folders for path in folder.glob("*.yml")]
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
    readme = (project / "README.md").read_text(encoding="utf-8")
    text = read("template/src/{{ package_name }}/loading/nvidia_driver.py")
    named = re.findall(r'return "(\w+)"|"pypi" if .* else "(\w+)"', text)
    assert {name for pair in named for name in pair if name} <= set(answers)
    for answer in answers:
        assert f"`{answer}`" in readme
        assert answer == "pypi" or answer in dockerfile(project)


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


def last(node: ast.AST | None) -> str:
    """Return the last name of a chain of attributes: ``data`` of ``self.config.data``."""
    return getattr(node, "attr", getattr(node, "id", ""))


def with_subclasses(classes: dict[str, ast.ClassDef], *names: str) -> set[str]:
    """Return the names of classes and of all that are derived from them."""
    found = set(names)
    while more := {
        name
        for name, node in classes.items()
        if name not in found and found & {last(base) for base in node.bases}
    }:
        found |= more
    return found


def read_from_configs(modules: list[ast.Module], *roots: str) -> set[str]:
    """Return the keys that are read from objects of some classes, and not from any others.

    Such an object is what is annotated with such a class anywhere, what is assigned from one, and
    ``self`` in such a class.
    """
    nodes = [node for module in modules for node in ast.walk(module)]
    classes = {node.name: node for node in nodes if isinstance(node, ast.ClassDef)}
    configs = with_subclasses(classes, *roots)
    objects, found = set[str](), set[str]()
    for node in nodes:
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation is not None:
            named = {last(part) for part in ast.walk(node.annotation)}
            if configs & named:
                objects.add(node.arg if isinstance(node, ast.arg) else last(node.target))
    for node in nodes:
        if isinstance(node, ast.Assign) and last(node.value) in objects:
            objects |= {last(target) for target in node.targets}
    for node in nodes:
        if isinstance(node, ast.Attribute) and last(node.value) in objects:
            found.add(node.attr)
    for name in configs & set(classes):
        for node in ast.walk(classes[name]):
            if isinstance(node, ast.Attribute) and last(node.value) == "self":
                found.add(node.attr)
    return found


def test_only_reads_of_the_config_count() -> None:
    code = """
class Config: ...
class Own(Config):
    used: int
    def f(self): return self.used
def g(path, settings: Own):
    path.name
    other = settings
    return other.lines + settings.deep.more
class Else:
    def h(self): return self.nothing
"""
    assert read_from_configs([ast.parse(code)], "Config") == {"used", "lines", "deep"}


def test_every_key_of_the_configs_is_used(render: Render) -> None:
    project = render(features=list(FEATURES), tracker="mlflow")
    conf = project / "conf"
    paths = list((project / "src").rglob("*.py"))
    modules = [ast.parse(path.read_text(encoding="utf-8")) for path in paths]
    # apart, because sources have keys such as name, path and days
    of_sources = read_from_configs(modules, "DataConfig", "AnySource")
    of_others = read_from_configs(modules, "CommandConfig", "LoaderConfig", "Paths", "AnyConfig")
    texts = {path: path.read_text(encoding="utf-8") for path in conf.rglob("*.yaml")}
    interpolated = "\n".join(re.findall(r"\$\{(.*?)\}", "\n".join(texts.values())))
    # Hydra, Lightning and Darts refuse what they do not know
    others = ("hydra", "trainer", "model", "callbacks")
    for path, text in texts.items():
        parts_of_a_model = text.startswith("# @package model")
        if path.parent.name not in ("hydra", "trainer", "debug") and not parts_of_a_model:
            content = yaml.safe_load(text)
            for key in keys({k: v for k, v in content.items() if k not in others}):
                in_data = path.relative_to(conf).parts[0] in ("data", "experiment")
                read = of_sources | of_others if in_data else of_others
                assert key in read or re.search(rf"\b{key}\b", interpolated), (
                    f"{path}: nothing uses {key}"
                )


def test_every_session_that_is_named_exists(render: Render) -> None:
    """Sessions install packages and run for minutes, so the README's are not run by a test."""
    project = render()
    for folder, texts in (
        (ROOT, ["README.md", "CONTRIBUTING.md", "docs/adopting.md", "docs/security.md"]),
        (ROOT, [".github/workflows/ci.yml", ".github/workflows/audit.yml"]),
        (project, ["README.md", "AGENTS.md", ".github/workflows/ci.yml"]),
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
    year = re.search(r"\(c\) (\d{4}) ", read("docs/example/LICENSE"))
    assert year
    rendered = files(render(copyright_year=int(year[1])))
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


def public_names(code: str) -> set[str]:
    """Return what another module may import from one, also what it imports itself to that end."""
    found = set()
    for node in ast.parse(code).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
            if "__all__" in found and node.value is not None:
                constants = (one for one in ast.walk(node.value) if isinstance(one, ast.Constant))
                found |= {str(one.value) for one in constants}
    return {name for name in found if not name.startswith("_")}


@pytest.mark.parametrize("tag", releases())
def test_every_module_and_name_that_is_gone_is_listed(tag: str) -> None:
    """An own module that imports one merges cleanly, and fails when it is imported."""
    page = read("docs/updating-to-0.3.md")
    new_places = dict(re.findall(r"^\| `([\w/]+)` \| `([\w/]+)`", page, re.MULTILINE))
    before, now = modules_of(tag), modules_of()
    assert len(before) > 30
    for module, code in before.items():
        if module in now:
            for name in public_names(code) - public_names(now[module]):
                assert re.search(rf"`{name}`.* \| `", page), f"{name} of {module}"
        else:
            new = new_places[module]
            assert {new, f"{new}/__init__"} & set(now), module


@pytest.mark.run
def test_every_promise_is_kept_by_a_test_with_cases(render: Render) -> None:
    """A parametrized test without a case would keep nothing."""
    own, rendered = cases(ROOT), cases(render(features=list(FEATURES)))
    rows = re.findall(
        r"^\| (?!promise|---)(.*) \| (.*) \|$", read("docs/promises.md"), re.MULTILINE
    )
    assert len(rows) > 30
    for promise, kept in rows:
        named = re.findall(r"`(?:(project): )?([\w/]+\.py)::(\w+)`", kept)
        assert named, promise
        for project, file, test in named:
            assert f"tests/{file}::{test}" in (rendered if project else own)


def cases(folder: Path) -> set[str]:
    """Return the tests of a folder that have at least one case, as pytest collects them."""
    command = ("pytest", "--collect-only", "--quiet", "-p", "no:cacheprovider", "tests")
    lines = run(folder, sys.executable, "-m", *command).splitlines()
    return {line.partition("[")[0] for line in lines if "::" in line}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_can_be_planted(fault: Fault) -> None:
    """`nox -s faults` takes long, so it is no part of the checks."""
    path = ROOT / fault.file
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    assert fault.plant(text) != text
    file, _, test = fault.found_by.partition("::")
    assert f"def {test.partition('[')[0]}" in (ROOT / file).read_text(encoding="utf-8")
