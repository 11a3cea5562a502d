"""Plant faults in a copy of the repository, one after the other: the tests must find each.

`nox -s faults` runs this.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conftest import clone


@dataclass(frozen=True)
class Fault:
    """A change that the tests must not let through."""

    name: str
    file: str
    plant: Callable[[str], str]
    # where the tests that should find it are; all that need no torch are run
    found_by: str


def replaced(old: str, new: str) -> Callable[[str], str]:
    """Return a change of ``old``, which must be there, to ``new``."""

    def plant(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return plant


def appended(addition: str) -> Callable[[str], str]:
    return lambda text: text + addition


FAULTS = [
    Fault(
        "a text is written between quotes as it is",
        "template/pyproject.toml.jinja",
        replaced("{{ description | to_json(ensure_ascii=false) }}", '"{{ description }}"'),
        "tests/test_questions.py",
    ),
    Fault(
        "Jinja in a file that is not rendered",
        "template/conf/model/tide.yaml",
        appended("# {{ package_name }}\n"),
        "tests/test_render.py",
    ),
    Fault(
        "a key that Copier does not know",
        "copier.yml",
        replaced("docker:\n  type: bool", "docker:\n  required: true\n  type: bool"),
        "tests/test_questions.py",
    ),
    Fault(
        "a task",
        "copier.yml",
        appended('\n_tasks:\n  - "git init"\n'),
        "tests/test_questions.py",
    ),
    Fault(
        "line ends of Windows",
        "template/train.py.jinja",
        lambda text: text.replace("\n", "\r\n"),
        "tests/test_consistency.py",
    ),
    Fault(
        "broken YAML in one group",
        "template/conf/logger/mlflow.yaml.jinja",
        appended("  key: [\n"),
        "tests/test_render.py",
    ),
    Fault(
        "a conflict on update",
        "template/pyproject.toml.jinja",
        replaced("  # Yours below this line: `copier update` keeps what you add.\n", ""),
        "tests/test_update.py",
    ),
    Fault(
        "a lower bound above the known-good version",
        "template/pyproject.toml.jinja",
        replaced('"psutil>=6.0"', '"psutil>=99.0"'),
        "tests/test_consistency.py",
    ),
    Fault(
        "a file name that Windows forbids",
        'template/docs/"notes".md',
        appended("# Notes\n"),
        "tests/test_consistency.py",
    ),
    Fault(
        "a config key that nothing uses",
        "template/conf/data/csv.yaml.jinja",
        appended("# of the file\nencoding: utf-8\n"),
        "tests/test_consistency.py",
    ),
]


def main() -> int:
    """Return the number of faults that were missed."""
    missed = 0
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "copy"
            clone(folder)
            path = folder / fault.file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            path.write_text(fault.plant(text), encoding="utf-8", newline="")
            # that the example differs from the template is no merit here
            command = ["-m", "pytest", "-q", "-x", "-m", "not run", "-k", "not example"]
            command += ["-p", "no:cacheprovider", fault.found_by]
            result = subprocess.run(
                [sys.executable, *command], cwd=folder, capture_output=True, text=True
            )
        found = result.returncode == 1
        missed += not found
        failed = next((line for line in result.stdout.splitlines() if "FAILED" in line), "")
        print(f"{'found' if found else 'MISSED':7} {fault.name}: {failed[:150]}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
