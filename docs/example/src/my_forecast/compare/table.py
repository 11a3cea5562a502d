"""A table of finished runs: `python -m <package>.compare "outputs/train/*/*" --sort mase`.

No heavy package is imported, so the command starts at once.
"""

import argparse
import csv
import glob
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ..errors import UserError
from ..runs.folder import CONFIG, METRICS, RECORD, read_json

HIGHER_IS_BETTER = ("skill", "r2_score")


@dataclass(frozen=True)
class FinishedRun:
    """One row of the table.

    Attributes:
        folder: of the run, as named on the command line.
        settings: its config by dotted keys, without paths in its own folder.
        scores: test metrics of the model, ``skill``, and the ``seconds`` that the fit took.
        details: what only the CSV file shows, such as ``baseline_mae`` and ``data_fingerprint``.
    """

    folder: Path
    settings: dict[str, Any]
    scores: dict[str, float | None]
    details: dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it as CSV if asked to; None reads ``sys.argv``."""
    parser = argparse.ArgumentParser(description="Compare finished runs of train.py.")
    parser.add_argument("runs", nargs="+", help="run folders, or patterns that match them")
    parser.add_argument("--sort", help="sort by this column, best first; default: first metric")
    parser.add_argument("--csv", type=Path, help="write the table, with more columns, to this file")
    options = parser.parse_args(arguments)
    try:
        runs = sort_runs(find_runs(options.runs), options.sort)
        if options.csv is not None:
            write_csv(runs, options.csv)
    except UserError as error:
        parser.exit(1, f"Error: {error}\n")
    print(terminal_table(runs))
    if len({run.details["data_fingerprint"] for run in runs}) > 1:
        print("The runs used different data, so their metrics are not comparable.")


def find_runs(patterns: Sequence[str]) -> list[FinishedRun]:
    """Read the finished runs among the folders that match, and report the other folders."""
    runs = []
    for pattern in patterns:
        # unlike Path.glob, it takes absolute patterns
        matches = sorted(glob.glob(pattern))  # noqa: PTH207
        for folder in map(Path, matches or [pattern]):
            if all((folder / name).is_file() for name in (CONFIG, RECORD, METRICS)):
                runs.append(read_run(folder))
            elif not folder.is_file():
                print(f"Skipped {folder.as_posix()}: not a finished run", file=sys.stderr)
    if not runs:
        where = ", ".join(patterns)
        raise UserError(f"no finished run of train.py in {where}. Try 'outputs/train/*/*'.")
    return runs


def read_run(folder: Path) -> FinishedRun:
    """Read the files of a run; raise ``UserError`` if they are not what ``train.py`` writes."""
    try:
        config = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
        record, metrics = read_json(folder / RECORD), read_json(folder / METRICS)
        own_folder, seconds = config["paths"]["output_dir"], record["seconds"]["fit"]
        skill = metrics.get("skill", {}).get("score")
        test, standardised = metrics["test"], metrics["test_standardised"]["model"]
        quantiles = metrics.get("test_quantiles", {})
        return FinishedRun(
            folder=folder,
            settings={k: v for k, v in _flat(config).items() if own_folder not in str(v)},
            scores={**test["model"], **quantiles, "skill": skill, "seconds": seconds},
            details=_flat(test["baseline"], "baseline_")
            | _flat(standardised, "standardised_")
            | {"data_fingerprint": record["data_fingerprint"]},
        )
    # anything may be wrong with files that anyone can edit
    except Exception as error:
        raise UserError(f"{folder}: cannot read this run ({error!r}). Leave it out.") from error


def sort_runs(runs: Sequence[FinishedRun], column: str | None) -> list[FinishedRun]:
    """Return the runs, best first and those without a value last; None: by the first metric."""
    columns = _union(run.scores for run in runs)
    by = column or columns[0]
    if by not in columns:
        raise UserError(f"--sort: unknown column '{by}'. Choose one of {', '.join(columns)}.")
    sign = -1 if by in HIGHER_IS_BETTER else 1
    return sorted(
        runs, key=lambda run: (run.scores.get(by) is None, sign * (run.scores.get(by) or 0))
    )


def differing_settings(runs: Sequence[FinishedRun]) -> list[str]:
    """Return the keys whose values differ between runs."""
    keys = _union(run.settings for run in runs)
    return [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]


def terminal_table(runs: Sequence[FinishedRun]) -> str:
    """Return the table as text, one line per run: the settings that differ, and the scores.

    When runs differ in model or data source, settings that only some of them have are left out.
    """
    keys = [key for key in differing_settings(runs) if _comparable(key, runs)]
    scores = _union(run.scores for run in runs)
    common = os.path.commonpath([run.folder.absolute().parent for run in runs])
    rows = [["run", *keys, *scores]]
    for run in runs:
        name = run.folder.absolute().relative_to(common).as_posix()
        settings = [_shown(key, run.settings.get(key, "")) for key in keys]
        numbers = [run.scores.get(score) for score in scores]
        rows.append([name, *settings, *("" if n is None else f"{n:.4g}" for n in numbers)])
    columns = []
    for number, cells in enumerate(zip(*rows, strict=True)):
        width, is_text = max(map(len, cells)), number <= len(keys)
        columns.append([cell.ljust(width) if is_text else cell.rjust(width) for cell in cells])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def write_csv(runs: Sequence[FinishedRun], path: Path) -> None:
    """Write one row per run to a new file: all settings that differ, all scores and details."""
    scores, details = _union(run.scores for run in runs), _union(run.details for run in runs)
    columns = ["run", *differing_settings(runs), *scores, *details]
    values = [{"run": r.folder.as_posix(), **r.settings, **r.scores, **r.details} for r in runs]
    try:
        with path.open("x", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(values)
    except OSError as error:
        raise UserError(
            f"--csv: cannot create '{path}' ({error.strerror}). Choose another path."
        ) from error


def _comparable(key: str, runs: Sequence[FinishedRun]) -> bool:
    """Return whether all runs have the key, or use the same model and data source."""
    target = f"{key.partition('.')[0]}._target_"
    targets = {run.settings.get(target) for run in runs}
    return len(targets) == 1 or all(key in run.settings for run in runs)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _union(dicts: Iterable[dict[str, Any]]) -> list[str]:
    """Return the keys of all dicts in order of first appearance."""
    return list(dict.fromkeys(key for one in dicts for key in one))


def _shown(key: str, value: object) -> str:
    return str(value).rpartition(".")[2] if key.endswith("_target_") else str(value)
