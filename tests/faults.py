"""Plant faults in a copy of the repository, one after the other: the tests must find each.

`nox -s faults` runs this.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conftest import clone

PACKAGE = "template/src/{{ package_name }}"
# what finds the faults of templates: all tests of a file that need no torch, without the one that
# compares the example with the template, which is no merit here
TEMPLATE = ("-m", "not run", "-k", "not example")


@dataclass(frozen=True)
class Fault:
    """A change that the tests must not let through.

    Attributes:
        file: where it is planted.
        plant: makes the changed text of the file.
        found_by: the tests that should find it, as pytest selects them.
        options: of pytest, for these tests.
    """

    name: str
    file: str
    plant: Callable[[str], str]
    found_by: str
    options: tuple[str, ...] = TEMPLATE


def code_fault(name: str, file: str, plant: Callable[[str], str], found_by: str) -> Fault:
    """Return a fault in the code of projects, found by tests that need torch."""
    return Fault(name, f"{PACKAGE}/{file}", plant, found_by, options=())


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
        appended("# of the file\nquoting: minimal\n"),
        "tests/test_consistency.py",
    ),
    code_fault(
        "a file gets its name before it is on the disk",
        "runs/folder.py",
        replaced("        os.fsync(file.fileno())\n    unfinished", "        pass\n    unfinished"),
        "tests/reliability/test_run_files.py::test_a_file_is_on_the_disk_before_it_gets_its_name",
    ),
    code_fault(
        "no lock on the folder of a run",
        "runs/folder.py",
        replaced("        lock.acquire(timeout=0)", "        pass"),
        "tests/reliability/test_processes.py::test_nothing_is_left_of_a_killed_training",
    ),
    code_fault(
        "the rest of an epoch is dropped where a worker ends early",
        "loading/epoch_order.py",
        replaced(
            'raise UserError(f"{name} raised StopIteration with {left} batches left.") from error',
            "return",
        ),
        "tests/reliability/test_processes.py::test_stop_iteration_does_not_cut_an_epoch",
    ),
    code_fault(
        "the error of a worker is lost",
        "cli.py",
        replaced('f"in a DataLoader worker: {cause}"', '"a DataLoader worker failed"'),
        "tests/reliability/test_processes.py::test_the_error_of_a_worker_is_its_cause",
    ),
    code_fault(
        "scalers are unpickled without limits",
        "modeling/bundle.py",
        replaced("= restricted_pickle_load(file)", "= pickle.load(file)"),
        "tests/reliability/test_hostile_files.py::test_a_planted_pickle_in_a_bundle_runs_no_code",
    ),
    code_fault(
        "a resume point is unpickled without limits",
        "modeling/resume.py",
        replaced(
            'load_ckpt_safely(torch.load, path, map_location="cpu")',
            'torch.load(path, map_location="cpu", weights_only=False)',
        ),
        "tests/reliability/test_hostile_files.py::test_a_planted_checkpoint_runs_no_code",
    ),
    code_fault(
        "a run may name any code",
        "run_config.py",
        replaced("if not (known or _in_conf(name)):", "if False:"),
        "tests/reliability/test_hostile_files.py::test_no_planted_code_runs",
    ),
    code_fault(
        "checksums are not compared",
        "runs/folder.py",
        replaced("    if line not in lines:", "    if False:"),
        "tests/reliability/test_run_files.py::test_commands_name_the_damaged_file",
    ),
    code_fault(
        "a training goes on after its loss is NaN",
        "modeling/fit.py",
        replaced('    model.trainer_params["callbacks"].append(FiniteLoss(scaled))\n', ""),
        "tests/reliability/test_numbers.py::test_a_training_that_diverges_stops_at_once",
    ),
    code_fault(
        "workers outlive their training",
        "loading/workers.py",
        replaced("    Thread(target=_end_with_training, daemon=True).start()\n", ""),
        "tests/reliability/test_processes.py::test_nothing_is_left_of_a_killed_training",
    ),
    code_fault(
        "names of series are markup in the report",
        "report/__init__.py",
        replaced("autoescape=True", "autoescape=False"),
        "tests/reliability/test_hostile_files.py::test_names_of_series_are_only_names",
    ),
    code_fault(
        "a gap of the training part is filled from what comes after it",
        "data/gaps.py",
        replaced(
            "_from_neighbours(values, parts, season)", "_from_neighbours(values, 0 * parts, 1)"
        ),
        "tests/engine/test_scaling.py::test_nothing_after_the_training_part_changes_it",
    ),
    code_fault(
        "day and month of a date are swapped",
        "data/files.py",
        replaced(
            'form = self.time_format or "ISO8601"',
            'form = (self.time_format or "ISO8601").replace("%d/%m", "%m/%d")',
        ),
        "tests/engine/test_files.py::test_dates_may_be_written_in_any_way",
    ),
    code_fault(
        "a row with an empty cell is dropped",
        "data/files.py",
        replaced(
            "pl.any_horizontal(cells.is_not_null())", "pl.all_horizontal(cells.is_not_null())"
        ),
        "tests/reliability/test_data_fuzz.py::test_csv_files",
    ),
    code_fault(
        "the hour that comes twice is summer time both times",
        "data/times.py",
        replaced("ambiguous=summer", "ambiguous=summer | True"),
        "tests/engine/test_time_zones.py::test_local_times_are_regular_at_both_changes",
    ),
    code_fault(
        "the last row of a step is the last one in the file",
        "data/builder.py",
        replaced(".fill_nan(None).sort(TICKS)", ".fill_nan(None)"),
        "tests/engine/test_resample.py::test_steps_are_those_of_pandas",
    ),
    code_fault(
        "new days are scored with a scale of their own",
        "evaluation/backtest.py",
        replaced("scale=spec.scale or training_scale(", "scale=training_scale("),
        "tests/engine/test_new_days.py",
    ),
]


def run_tests(folder: Path, options: tuple[str, ...], *tests: str) -> tuple[int, str]:
    """Return the exit status of pytest in a copy of the repository, and its first failure."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        [*command, *options, *tests], cwd=folder, capture_output=True, text=True, env=env
    )
    failed = next((line for line in result.stdout.splitlines() if "FAILED" in line), "")
    return result.returncode, failed


def main() -> int:
    """Return the number of faults that were missed; without a fault, no test may fail."""
    with tempfile.TemporaryDirectory() as name:
        clone(Path(name) / "copy")
        tests = dict.fromkeys(fault.found_by for fault in FAULTS if not fault.options)
        status, failed = run_tests(Path(name) / "copy", (), *tests)
    missed = status
    print(f"{'FAILED' if status else 'passed':7} without a fault: {failed[:150]}", flush=True)
    for fault in FAULTS:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "copy"
            clone(folder)
            path = folder / fault.file
            path.parent.mkdir(parents=True, exist_ok=True)
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            path.write_text(fault.plant(text), encoding="utf-8", newline="")
            status, failed = run_tests(folder, fault.options, fault.found_by)
        found = status == 1
        missed += not found
        print(f"{'found' if found else 'MISSED':7} {fault.name}: {failed[:150]}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
