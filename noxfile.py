"""Checks of the template; CONTRIBUTING.md says what each session is for."""

import json
import os
import shutil
import tempfile
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "tests"]

ROOT = Path(__file__).parent
GROUPS = nox.project.load_toml("pyproject.toml")
DEMO = ROOT / "demo"
ALL_FEATURES = (
    "features=[report, compare, models, training, intervals, retraining, exact_resume, pretrained, "
    "large_data, datasets, loader_lab, calendar, excel]"
)
PEERS = ("neuralforecast", "pytorch_forecasting", "gluonts")


def render(session: nox.Session, folder: Path, *answers: str) -> Path:
    """Render the working tree with defaults into a new folder and return it."""
    data = [part for answer in answers for part in ("--data", answer)]
    command = ["copier", "copy", "--quiet", "--defaults", "--vcs-ref=HEAD", *data]
    session.run(*command, str(ROOT), str(folder), env={"PYTHONWARNINGS": "ignore"})
    return folder


def find_links() -> dict[str, str]:
    """Return an environment that offers wheels in a pip find-links folder to uv as well."""
    links = os.environ.get("UV_FIND_LINKS") or os.environ.get("PIP_FIND_LINKS", "")
    return {"UV_FIND_LINKS": ",".join(links.split())} if links else {}


def install(session: nox.Session, *arguments: str, **env: str) -> None:
    """Install known-good versions."""
    session.install("-c", "constraints.txt", *arguments, env={**find_links(), **env})


def install_tools(session: nox.Session) -> None:
    """Install what renders and checks the template."""
    install(session, *nox.project.dependency_groups(GROUPS, "render"))


def install_project(session: nox.Session) -> None:
    """Install the dependencies of all projects; the tests render the projects themselves."""
    with tempfile.TemporaryDirectory() as folder:
        project = render(session, Path(folder) / "my-forecast", "tracker=mlflow", ALL_FEATURES)
        metadata = nox.project.load_toml(project / "pyproject.toml")
        tests = nox.project.dependency_groups(metadata, "test")
    # the tests start many processes, which would compile torch again and again
    compiled = {"UV_COMPILE_BYTECODE": "1"}
    install(session, *metadata["project"]["dependencies"], *tests, "tensorboard", **compiled)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format, lint rules and types of the template repository and of a rendered project."""
    install_tools(session)
    session.run("mypy", "noxfile.py", "tests")
    # not below .nox, where ruff does not look
    with tempfile.TemporaryDirectory() as folder:
        for project in (ROOT, render(session, Path(folder) / "my-forecast")):
            with session.chdir(project):
                session.run("ruff", "format", "--check", "--no-cache", ".")
                session.run("ruff", "check", "--no-cache", ".")


@nox.session
def tests(session: nox.Session) -> None:
    """Run all that CI checks; arguments after `--` go to pytest, `-m "not run"` needs no torch."""
    if not session.posargs:
        for name in ("lint", "demo", "lowest"):
            session.notify(name)
    install_tools(session)
    if "not run" not in session.posargs:
        install_project(session)
    # a process for each CPU, so a thread for each process
    one_thread = {"OMP_NUM_THREADS": "1"}
    session.run(
        "pytest", "--numprocesses=auto", "--dist=worksteal", *session.posargs, env=one_thread
    )


@nox.session
def demo(session: nox.Session) -> None:
    """Render a project, install it, and train, evaluate and predict on real data."""
    install_tools(session)
    number = 1 + sum(1 for _ in DEMO.glob("my-forecast-*"))
    project = render(session, DEMO / f"my-forecast-{number}")
    install(session, "-e", str(project))
    session.chdir(project)
    session.run("python", "train.py")
    session.run("python", "evaluate.py", "run=latest")
    session.run("python", "predict.py", "run=latest", "horizon=26", "output=forecast.csv")
    session.run("python", "doctor.py")
    metrics = next(project.glob("outputs/train/*/*/metrics.json"))
    session.log(f"Metrics, from {metrics.relative_to(ROOT)}")
    for name, values in json.loads(metrics.read_text(encoding="utf-8"))["test"].items():
        session.log(f"  {name:10} MAE {values['mae']:8.4f}   MSE {values['mse']:8.4f}")
    session.log("Plots and reports")
    for path in sorted([*project.rglob("*.png"), *project.glob("outputs/**/report.html")]):
        session.log(f"  {path.relative_to(ROOT)}")


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run a project's tests with the oldest dependencies that its pyproject.toml allows."""
    install(session, "copier", "pytest-xdist")
    with tempfile.TemporaryDirectory() as folder:
        project = render(session, Path(folder) / "my-forecast", ALL_FEATURES)
        metadata = nox.project.load_toml(project / "pyproject.toml")
        # one build of torch for CPUs is at hand; older ones bring gigabytes of CUDA
        known = Path("constraints.txt").read_text(encoding="utf-8").splitlines()
        torch = Path(folder) / "torch.txt"
        torch.write_text(next(line for line in known if line.startswith("torch==")))
        oldest = ("--resolution=lowest-direct", "-c", str(torch))
        tests = nox.project.dependency_groups(metadata, "test")
        session.install(*oldest, "-e", str(project), *tests, env=find_links())
        session.chdir(project)
        session.run("pytest", "--numprocesses=auto", "-p", "no:cacheprovider")


@nox.session
def example(session: nox.Session) -> None:
    """Render docs/example again."""
    install_tools(session)
    folder = ROOT / "docs/example"
    shutil.rmtree(folder, ignore_errors=True)
    render(session, folder)
    # names the commit, which is not yet made
    (folder / ".copier-answers.yml").unlink()


@nox.session
def faults(session: nox.Session) -> None:
    """Plant ten faults, one after the other, and fail if the tests miss one."""
    install_tools(session)
    session.run("python", "tests/faults.py")


@nox.session
def reliability(session: nox.Session) -> None:
    """Attack a rendered project in full, for about half an hour, and write docs/reliability.md."""
    install_tools(session)
    install_project(session)
    full = {"OMP_NUM_THREADS": "1", "RELIABILITY": "full"}
    session.run("pytest", "--numprocesses=auto", "tests/reliability", *session.posargs, env=full)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure side by side and write benchmarks/results; arguments after `--` choose benchmarks.

    Nothing else may run meanwhile. All benchmarks together take about an hour.
    """
    install_tools(session)
    folder = Path(session.create_tmp()) / f"{os.getpid()}"
    project = render(session, folder / "my-forecast", ALL_FEATURES)
    install(session, "-e", str(project), "uv")
    peers = Path(session.create_tmp()) / "peers"
    if not session.posargs or "peers" in session.posargs:
        for peer in PEERS:
            # their requirements contradict each other, and ours
            environment = str(peers / peer)
            session.run("uv", "venv", "--clear", "--python", "3.11", environment)
            requirements = f"benchmarks/peers/{peer}.txt"
            command = ("uv", "pip", "install", "--python", environment, "-r", requirements)
            session.run(*command, env=find_links())
    variables = {"BENCH_PROJECT": str(project), "BENCH_PEERS": str(peers)}
    session.run("python", "benchmarks/run.py", *session.posargs, env=variables)
