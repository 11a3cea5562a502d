"""The rendered package: which way imports run, and how large it may become."""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Render
from rendered import FEATURES, FEATURES_WITH_A_FOLDER, files

# a module may import from what stands before it, and from its own folder
ORDER = [
    "errors",
    "unknown_keys",
    "functions",
    "run_config",
    "config",
    "runs",
    "finetune",
    "data",
    "loading",
    "modeling",
    "evaluation",
    "run",
    "cli",
    # of the user; nothing of the engine imports it
    "own",
]
# import from all of the above, but not from each other; nothing imports from them
OUTERMOST = ["commands", *FEATURES_WITH_A_FOLDER]
# ceilings; the aim is 4,500 and 7,000 lines, 2,200 in tests, and 110 files beside the answers of
# Copier. Checksums and the check of what a run may name raised them once by 210 lines; the lock,
# workers that hang, losses that are not finite and numbers out of range by 390; safe loading,
# escaped output, loaders to iterate again and missing input of forecasts by 115; signals to all
# processes at once, and memory, open files and shared memory that run out, by 136; the revision of
# an image by 9; metrics, scalers, windows and losses of a user's own by 121; fonts for names in any
# script, and mapped files that Windows would not delete, by 84; filled values that are not scored
# by 96; workers that a process of multiprocessing leaves by 6; three more baselines, validation
# metrics, the file of all forecasts by 204, with a file; separators that are found, patterns of
# columns and corrected commands by 110, with a file; series that end together or are dropped,
# weights of filled values, clearer plots, some series of a run, workers that are killed while they
# send by 148, and likelihoods of counts by 86. AGENTS.md, Dependabot, .editorconfig,
# .python-version and py.typed raised the number of files by 5, the user's folder
# src/<package>/own by 1. Regular steps from irregular times, time zones, the columns of the source
# in forecasts, plots of several series, fine-tuning that keeps the config of its run, bundles that
# are runs, scores of new days, and unknown categories raised the lines by 789, files by 2
LINES_OF_A_PACKAGE = {"default": 9_185, "all features": 10_364}
LINES_OF_TESTS = 1_414
FILES = 128


@dataclass(frozen=True)
class Import:
    """What one module of the package imports from another part of the package."""

    file: str
    line: int
    part: str
    imported: str
    names: tuple[str, ...]

    def __str__(self) -> str:
        """Return where it stands and what it imports."""
        return f"{self.file}:{self.line} imports {', '.join(self.names)} from {self.imported}"


def imports(package: Path) -> Iterator[Import]:
    """Yield the imports of the package from other parts of itself, wherever they stand."""
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).with_suffix("").parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            start = [*inside[: len(inside) - node.level], *(node.module or "").split(".")]
            names = tuple(alias.name for alias in node.names)
            parts = {start[0]} if start[0] else set(names)
            for part in sorted(parts - {inside[0]}):
                yield Import("/".join(inside), node.lineno, inside[0], part, names)


@pytest.fixture
def package(render: Render) -> Path:
    """Return the package of a project with all features."""
    return render(features=list(FEATURES), tracker="mlflow") / "src/my_forecast"


def test_imports_are_read_as_python_does(tmp_path: Path) -> None:
    """The other tests here would find nothing if this reader did not."""
    code = {
        "errors.py": "from . import config",
        "data/__init__.py": "",
        "data/gaps.py": "def f():\n    from ..modeling.fit import fit\nfrom .scaling import scale",
        "report/__init__.py": "from ..data.gaps import _fill",
    }
    for name, text in code.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = [(item.part, item.imported, item.names) for item in imports(tmp_path)]
    assert found == [
        ("data", "modeling", ("fit",)),
        ("errors", "config", ("config",)),
        ("report", "data", ("_fill",)),
    ]


def test_every_part_of_the_package_has_its_place(package: Path) -> None:
    parts = {path.name.removesuffix(".py") for path in package.iterdir() if path.name[:2] != "__"}
    assert parts - {"features.toml", "py.typed"} == {*ORDER, *OUTERMOST}


def test_imports_run_one_way(package: Path) -> None:
    """No core module imports a feature, and no feature another one."""
    wrong = [
        str(item)
        for item in imports(package)
        if item.part != "__init__"
        and (
            item.imported not in ORDER
            or (item.part in ORDER and ORDER.index(item.imported) >= ORDER.index(item.part))
        )
    ]
    assert not wrong, "\n".join(wrong)


def test_private_names_stay_in_their_folder(package: Path) -> None:
    private = re.compile(r"_(?!_)")
    wrong = [str(item) for item in imports(package) if any(map(private.match, item.names))]
    assert not wrong, "\n".join(wrong)


def test_the_package_imports_itself_relatively(package: Path) -> None:
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert not any(alias.name.startswith("my_forecast") for alias in node.names), path
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert not (node.module or "").startswith("my_forecast"), path


def test_importing_the_package_imports_nothing_heavy(package: Path) -> None:
    """Spawned workers import it."""
    for node in ast.parse((package / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= sys.stdlib_module_names
        elif isinstance(node, ast.ImportFrom):
            assert not node.level
            assert (node.module or "").split(".")[0] in sys.stdlib_module_names


def lines(folder: Path) -> int:
    """Return the lines of all code in a folder, as `wc -l` counts them."""
    return sum(
        path.read_bytes().count(b"\n")
        for path in folder.rglob("*")
        if path.suffix in (".py", ".html")
    )


@pytest.mark.parametrize("size", LINES_OF_A_PACKAGE)
def test_the_package_stays_small(size: str, render: Render) -> None:
    project = render() if size == "default" else render(features=list(FEATURES))
    assert lines(project / "src") <= LINES_OF_A_PACKAGE[size]
    for folder in [path for path in (project / "src").rglob("*") if path.is_dir()]:
        modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(modules) <= 9, folder.name


def test_the_default_project_stays_small(render: Render) -> None:
    project = render()
    assert lines(project / "tests") <= LINES_OF_TESTS
    assert len(files(project)) <= FILES


def test_the_first_batch_is_five_files_away(render: Render) -> None:
    """Those that the README of the project lists under "Read these first"."""
    project = render()
    readme = (project / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\d\. `(.*?)`", readme.split("Read these first")[1], re.MULTILINE)
    assert 1 < len(listed) <= 5
    assert sum((project / name).read_bytes().count(b"\n") for name in listed) <= 900
