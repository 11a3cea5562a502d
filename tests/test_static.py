"""Code and workflows are searched for what is unsafe, here and in rendered projects.

ruff's rules of flake8-bandit are part of `nox -s lint`, in every project too. bandit knows more of
pickles, such as `torch.load`; zizmor reads workflows, hadolint the Dockerfile. Their exceptions are
in `pyproject.toml` and `.github/zizmor.yml`, each with its reason. All of them work offline.
"""

import shutil
import sys
import sysconfig
from pathlib import Path

import pytest
from conftest import ROOT, Render, questions
from faults import replaced
from rendered import FEATURES, choices, run

SCRIPTS = Path(sysconfig.get_path("scripts"))
HADOLINT = shutil.which("hadolint") or "hadolint"
WORKFLOW = ".github/workflows/ci.yml"


def bandit(folder: Path, *names: str) -> None:
    """Search code; fail with what is found."""
    settings = ("-c", str(ROOT / "pyproject.toml"))
    run(folder, sys.executable, "-m", "bandit", "--quiet", *settings, "-r", *names)


def zizmor(folder: Path) -> None:
    """Search workflows and pre-commit hooks with every audit; fail with what is found."""
    settings = ("--offline", "--persona=auditor", f"--config={ROOT / '.github/zizmor.yml'}")
    run(folder, str(SCRIPTS / "zizmor"), "--quiet", *settings, ".")


def code_of(project: Path) -> list[str]:
    """Return what bandit searches in a project: all but the tests, which trust their own files."""
    return ["src", *sorted(path.name for path in project.glob("*.py"))]


@pytest.fixture
def project(render: Render) -> Path:
    """Return a project with all features."""
    return render(features=list(FEATURES), tracker="mlflow")


def test_nothing_is_found_in_code(project: Path) -> None:
    bandit(project, *code_of(project))
    bandit(ROOT, "noxfile.py", "benchmarks")


@pytest.mark.parametrize("docker", [False, True])
@pytest.mark.parametrize("python_min", choices(questions()["python_min"]))
def test_nothing_is_found_in_the_workflow_of_a_project(
    python_min: str, docker: bool, render: Render
) -> None:
    """Nor in its settings of Dependabot."""
    zizmor(render(python_min=python_min, docker=docker, torch_index="cu130" if docker else "pypi"))


def test_nothing_is_found_in_the_workflows_of_the_template(tmp_path: Path) -> None:
    """Those that CI uses fit the schema as well; rendered ones are checked in test_render.py."""
    zizmor(ROOT / ".github")
    paths = sorted((ROOT / ".github/workflows").glob("*.yml"))
    schema = ("--builtin-schema", "vendor.github-workflows")
    run(tmp_path, sys.executable, "-m", "check_jsonschema", *schema, *map(str, paths))


@pytest.mark.skipif(sys.platform == "win32", reason="hadolint has no package for Windows")
def test_nothing_is_found_in_the_dockerfile(render: Render) -> None:
    project = render(docker=True)
    run(project, HADOLINT, "Dockerfile")
    path = project / "Dockerfile"
    text = path.read_text(encoding="utf-8")
    path.write_text(replaced("FROM python:3.13-slim\n", "FROM python\n")(text), encoding="utf-8")
    with pytest.raises(AssertionError, match="DL3006"):
        run(project, HADOLINT, "Dockerfile")


# what is found, and by which rules of bandit and of ruff, which does not know torch.load
UNSAFE = {
    "subprocess.run(name, shell=True)": ("B602", "S602"),
    "pickle.load(open(name, 'rb'))": ("B301", "S301"),
    "torch.load(name)": ("B614", None),
    "yaml.load(name, yaml.Loader)": ("B506", "S506"),
    "eval(name)": ("B307", "S307"),
    "open('/tmp/name')": ("B108", None),
}


@pytest.mark.parametrize("line", UNSAFE)
def test_unsafe_code_is_found(line: str, project: Path) -> None:
    by_bandit, by_ruff = UNSAFE[line]
    module = project / "src/my_forecast/planted.py"
    module.write_text(f"import pickle, subprocess, torch, yaml\ndef planted(name):\n    {line}\n")
    with pytest.raises(AssertionError, match=rf"\b{by_bandit}\b"):
        bandit(project, *code_of(project))
    if by_ruff:
        with pytest.raises(AssertionError, match=rf"\b{by_ruff}\b"):
            run(project, sys.executable, "-m", "ruff", "check", "--no-cache", str(module))


TITLE = "- run: echo ${{ github.event.pull_request.title }}\n      - run: uvx nox"
FAULTY_WORKFLOWS = {
    "template-injection": replaced("- run: uvx nox", TITLE),
    "excessive-permissions": replaced("contents: read", "contents: write"),
    "artipacked": replaced("persist-credentials: false", "persist-credentials: true"),
    "dangerous-triggers": replaced("pull_request:", "pull_request_target:"),
    "unpinned-uses": replaced("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5"),
}


@pytest.mark.parametrize("fault", FAULTY_WORKFLOWS)
def test_a_faulty_workflow_is_found(fault: str, render: Render) -> None:
    project = render()
    workflow = project / WORKFLOW
    workflow.write_text(FAULTY_WORKFLOWS[fault](workflow.read_text(encoding="utf-8")))
    with pytest.raises(AssertionError, match=rf"\[{fault}\]"):
        zizmor(project)
