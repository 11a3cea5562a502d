"""Checks: `nox` runs lint, types and tests, `nox -s tests` one of them."""

import re
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")


def groups(*names: str) -> list[str]:
    """Return the requirements of dependency groups."""
    return list(nox.project.dependency_groups(PROJECT, *names))


def install(session: nox.Session, *requirements: str) -> None:
    """Install requirements, in the versions of uv.lock if there is one."""
    if Path("uv.lock").exists():
        locked = Path(session.create_tmp()) / "locked.txt"
        export = ["uv", "export", "--quiet", "--frozen", "--all-groups"]
        export += ["--no-emit-project", "--no-hashes"]
        export += ["--output-file", str(locked)]
        session.run_install(*export, external=True)
        # any build of the locked PyTorch will do: 2.13.0+cu130 becomes 2.13.0
        versions = re.sub(r"\+\w+", "", locked.read_text(encoding="utf-8"))
        locked.write_text(versions, encoding="utf-8")
        requirements = (*requirements, "--constraint", str(locked))
    session.install(*requirements)


@nox.session
def lint(session: nox.Session) -> None:
    """Check format and lint rules; `nox -s lint -- --fix` repairs files."""
    install(session, *groups("lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    install(session, "-e", ".", *groups("lint", "test"))
    session.run("mypy", "src", "tests")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest."""
    install(session, "-e", ".", *groups("test"))
    session.run("pytest", *session.posargs)


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that pyproject.toml allows."""
    session.install("-e", ".", *groups("test"), "--resolution=lowest-direct")
    session.run("pytest", *session.posargs)


@nox.session(venv_backend="uv")
def sbom(session: nox.Session) -> None:
    """Write sbom.json (CycloneDX): what an installed project consists of."""
    install(session, "-e", ".")
    tool = ("uvx", "--from", "cyclonedx-bom>=7", "cyclonedx-py", "environment")
    output = ("--pyproject", "pyproject.toml", "--output-file", "sbom.json")
    session.run(*tool, *output, session.virtualenv.location)
