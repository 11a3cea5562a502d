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
# beside the one that runs all tests
OTHER_PYTHONS = ("3.12", "3.13")
# of a project, what needs a build of torch for each interpreter
NEED_TORCH = ("torch", "pytorch-lightning")
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
    stories = nox.project.dependency_groups(GROUPS, "stories")
    needed = metadata["project"]["dependencies"]
    install(session, *needed, *tests, *stories, "tensorboard", **compiled)


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
def static(session: nox.Session) -> None:
    """Search code, workflows and the Dockerfile for what is unsafe, offline."""
    install_tools(session)
    session.run("pytest", "tests/test_static.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run all that CI checks; arguments after `--` go to pytest, `-m "not run"` needs no torch."""
    if not session.posargs:
        for name in ("lint", "demo", "lowest", "pythons"):
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
    known_good = {"UV_CONSTRAINT": str(ROOT / "constraints.txt"), **find_links()}
    session.run("nox", "--session", "sbom", env=known_good)
    parts = json.loads((project / "sbom.json").read_text(encoding="utf-8"))["components"]
    session.log(f"{len(parts)} packages, from sbom.json")


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


def other_pythons() -> list[tuple[str, str]]:
    """Return version and path of other interpreters: those of pyenv, or the one on the PATH."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = list[tuple[str, str]]()
    for version in OTHER_PYTHONS:
        of_pyenv = map(str, sorted(root.glob(f"versions/{version}.*/bin/python")))
        if paths := [*of_pyenv, *filter(None, [shutil.which(f"python{version}")])]:
            found.append((version, paths[0]))
    return found


@nox.session
def pythons(session: nox.Session) -> None:
    """Run what needs no torch on the other interpreters that this machine has."""
    install(session, "copier", "uv")
    listed, ran = other_pythons(), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        project = render(session, Path(folder) / "my-forecast", ALL_FEATURES)
        needed = nox.project.load_toml(project / "pyproject.toml")["project"]["dependencies"]
        light = [item.replace("[torch]", "") for item in needed if not item.startswith(NEED_TORCH)]
        tools = ("copier", "packaging", "plumbum", "pytest", "pytest-timeout", "pyyaml")
        variables = {**find_links(), "PYTHONPYCACHEPREFIX": str(Path(folder) / "cache")}
        for version, path in listed:
            environment = Path(folder) / version
            python = str(environment / ("Scripts" if os.name == "nt" else "bin") / "python")
            # a shim of pyenv is there for versions that are not set as well
            create = ("uv", "venv", "--quiet", "--python", path, str(environment))
            session.run(*create, success_codes=[0, 1, 2])
            if not (environment / "pyvenv.cfg").is_file():
                continue
            packages = ("--python", python, "-c", "constraints.txt", *light, *tools)
            session.run("uv", "pip", "install", "--quiet", *packages, env=variables)
            code = (str(project), "tests", "benchmarks", "noxfile.py")
            check = ("-W", "error", "-m", "compileall", "-q", "-f", *code)
            session.run(python, *check, env=variables, external=True)
            names = ("tests/test_without_torch.py", "tests/test_architecture.py")
            test = ("-m", "pytest", "-q", "-p", "no:cacheprovider", *names)
            session.run(python, *test, env=variables, external=True)
            ran.append(version)
    session.log(f"Ran on Python {', '.join(ran) or 'none'}")
    if missing := sorted({*OTHER_PYTHONS} - {*ran}):
        session.warn(f"Not tested, because there is no such interpreter: {', '.join(missing)}")
    if listed and not ran:
        session.error("None of the interpreters that were found works.")


@nox.session
def example(session: nox.Session) -> None:
    """Render docs/example again."""
    install_tools(session)
    folder = ROOT / "docs/example"
    shutil.rmtree(folder, ignore_errors=True)
    # a year of its own, so that the example is the same next year
    render(session, folder, "copyright_year=2026")
    # names the commit, which is not yet made
    (folder / ".copier-answers.yml").unlink()


@nox.session
def licences(session: nox.Session) -> None:
    """Write docs/licences.md: the licences of what a project with all features needs."""
    install_tools(session)
    install_project(session)
    session.run("pytest", "tests/test_licences.py", env={"LICENCES": "write"})


@nox.session
def audit(session: nox.Session) -> None:
    """Ask for known vulnerabilities of the known-good versions, and check workflows.

    It needs services on the network: advisories, and the download of actionlint.
    """
    install(session, "copier", *nox.project.dependency_groups(GROUPS, "audit"))
    with tempfile.TemporaryDirectory() as folder:
        rendered = render(session, Path(folder) / "my-forecast") / ".github/workflows"
        paths = [*(ROOT / ".github/workflows").glob("*.yml"), *rendered.glob("*.yml")]
        session.run("actionlint", *map(str, sorted(paths)))
    session.run("pip-audit", "--requirement", "constraints.txt", "--no-deps", "--disable-pip")


@nox.session
def faults(session: nox.Session) -> None:
    """Plant faults in the template, one after the other, and fail if the tests miss one."""
    install_tools(session)
    install_project(session)
    session.run("python", "tests/faults.py")


@nox.session
def reliability(session: nox.Session) -> None:
    """Attack a rendered project in full, for about half an hour, and write docs/reliability.md."""
    install_tools(session)
    install_project(session)
    full = {"OMP_NUM_THREADS": "1", "RELIABILITY": "full"}
    session.run(
        "pytest",
        "--numprocesses=auto",
        "--timeout=3000",
        "tests/reliability",
        *session.posargs,
        env=full,
    )


@nox.session
def stories(session: nox.Session) -> None:
    """Play all stories of users on real data, for some minutes, and write docs/stories.md."""
    install_tools(session)
    install_project(session)
    full = {"OMP_NUM_THREADS": "1", "STORIES": "full"}
    workers = ("--numprocesses=auto", "--dist=worksteal")
    session.run("pytest", *workers, "tests/stories", *session.posargs, env=full)


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
