"""The licences of what a project needs; `nox -s licences` writes docs/licences.md."""

import json
import os
import re
import sys

import pytest
from conftest import ROOT, Render, questions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rendered import FEATURES, choices, dependencies, installed_with, run

PAGE = ROOT / "docs/licences.md"
HEAD = """# Licences of what a project needs

The direct dependencies of a project with all features and trackers. `nox -s licences` writes this
page from the metadata of the installed packages. A test also looks at all that they need in turn,
and fails where the licence is of the GPL family, or unknown.

| package | licence |
|---|---|
"""
# those whose metadata does not name the licence; the file in the package does
IN_A_FILE = {"huey": "MIT License", "skops": "MIT License"}
# of PyTorch's builds for CUDA; NVIDIA's licence allows to use them, not to change them
OF_CUDA = re.compile("(nvidia|cuda)-")


def objection(name: str, licence: str) -> str | None:
    """Return why a project should not need a package, or None."""
    if re.search("GPL|GNU", licence):
        return f"{name} has a licence of the GPL family: {licence}"
    if licence in ("", "UNKNOWN", "OSI Approved") and not OF_CUDA.match(name):
        return f"{name} does not name its licence: read it, and add it to IN_A_FILE"
    return None


@pytest.fixture
def direct(render: Render) -> list[Requirement]:
    """Return what a project asks for, with all features and each tracker."""
    trackers = choices(questions()["tracker"])
    projects = [render(features=list(FEATURES), tracker=tracker) for tracker in trackers]
    return [Requirement(one) for one in sorted(set().union(*map(dependencies, projects)))]


@pytest.fixture
def licences() -> dict[str, str]:
    """Return the licence of every installed package."""
    tool = ("piplicenses", "--format=json", "--from=mixed", "--with-system")
    found = json.loads(run(ROOT, sys.executable, "-m", *tool))
    named: dict[str, str] = {canonicalize_name(one["Name"]): one["License"] for one in found}
    return {**named, **IN_A_FILE}


@pytest.mark.parametrize("licence", ["GNU Affero GPL v3", "AGPL-3.0-only", "LGPLv2+", "UNKNOWN"])
def test_a_licence_that_binds_or_is_unknown_is_seen(licence: str) -> None:
    assert objection("name", licence)
    assert not objection("name", "MPL-2.0 AND MIT")


@pytest.mark.run
def test_no_licence_of_what_a_project_needs_binds_it_or_is_unknown(
    direct: list[Requirement], licences: dict[str, str]
) -> None:
    names = installed_with(direct)
    assert {"darts", "torch", "numba"} <= names
    objections = [text for name in sorted(names) if (text := objection(name, licences[name]))]
    assert not objections, "\n".join(objections)


@pytest.mark.run
def test_the_page_lists_the_licence_of_every_direct_dependency(
    direct: list[Requirement], licences: dict[str, str]
) -> None:
    names = sorted({canonicalize_name(one.name) for one in direct})
    page = HEAD + "".join(f"| {name} | {licences[name]} |\n" for name in names)
    if os.environ.get("LICENCES") == "write":
        PAGE.write_text(page, encoding="utf-8", newline="\n")
    assert PAGE.read_text(encoding="utf-8") == page, "nox -s licences"
