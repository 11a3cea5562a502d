"""Checks of this project: `nox` runs lint, types and tests, `nox -s tests` one of them."""

import nox

nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")


def groups(*names: str) -> list[str]:
    """Return the requirements of dependency groups."""
    return list(nox.project.dependency_groups(PROJECT, *names))


@nox.session
def lint(session: nox.Session) -> None:
    """Check format and lint rules; `nox -s lint -- --fix` repairs what can be repaired."""
    session.install(*groups("lint"))
    fix = "--fix" in session.posargs
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types."""
    session.install("-e", ".", *groups("lint"))
    session.run("mypy", "src")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after `--` go to pytest."""
    session.install("-e", ".", *groups("test"))
    session.run("pytest", *session.posargs)


@nox.session(venv_backend="uv")
def lowest(session: nox.Session) -> None:
    """Run the tests with the oldest versions that pyproject.toml allows."""
    session.install("-e", ".", *groups("test"), "--resolution=lowest-direct")
    session.run("pytest", *session.posargs)
