"""A table of finished runs: `python -m <package>.compare "outputs/train/*/*" --sort mase`.

Nothing heavy is imported, so that it starts at once.
"""

import argparse
import csv
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from .errors import UserError

# as in record.py, whose imports are heavy
CONFIG, RECORD, METRICS = "config.yaml", "record.json", "metrics.json"
# of these, more is better
HIGHER_IS_BETTER = ("skill", "r2_score")

Cell = str | float | None


@dataclass(frozen=True)
class Run:
    """What a finished run was, and how well it did.

    Attributes:
        name: its folder.
        settings: the configuration by dotted keys, without what every run has for itself.
        scores: metrics of the model on the test part, then ``skill``, and ``seconds`` of the fit.
        others: metrics of the baseline, as ``baseline_mae``, and ``standardised_mae``.
        data: fingerprint of the data.
    """

    name: str
    settings: dict[str, Any]
    scores: dict[str, float | None]
    others: dict[str, float | None]
    data: str


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table and write it as CSV.

    Args:
        arguments: of the command line; None takes those of this process.

    Raises:
        SystemExit: with code 1, when there is nothing to compare.
    """
    parser = argparse.ArgumentParser(description="Compare finished runs of train.py.")
    parser.add_argument("runs", nargs="+", help="folders of runs, or patterns of them")
    parser.add_argument("--sort", help="column to sort by, the best run first; default: a metric")
    parser.add_argument("--csv", type=Path, help="a new file for the table, with more columns")
    wanted = parser.parse_args(arguments)
    try:
        runs, others = find_runs(wanted.runs)
        runs = sort_runs(runs, wanted.sort)
        if wanted.csv is not None:
            write_csv(runs, wanted.csv)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    print(terminal_table(runs))
    if len({run.data for run in runs}) > 1:
        print("The data differs between runs, so their metrics cannot be compared as they are.")
    for folder in others:
        print(f"Left out, not a finished run of train.py: {folder}", file=sys.stderr)


def find_runs(patterns: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Return the finished runs, and the folders that hold none.

    Args:
        patterns: folders, or patterns such as ``outputs/train/*/*`` that a shell left as they are.

    Raises:
        UserError: when there is no run.
    """
    runs, others = [], []
    for pattern in patterns:
        path = Path(pattern)
        matches = Path(path.anchor).glob(path.relative_to(path.anchor).as_posix())
        for folder in [path] if path.exists() else sorted(matches) or [path]:
            if all((folder / file).is_file() for file in (CONFIG, RECORD, METRICS)):
                runs.append(read_run(folder))
            elif folder.is_dir() or not folder.exists():
                others.append(folder.as_posix())
    if not runs:
        raise UserError(
            f"there is no finished run of train.py in {', '.join(patterns)}. Name folders that "
            f"hold {CONFIG}, {RECORD} and {METRICS}, such as 'outputs/train/*/*'."
        )
    return runs, others


def read_run(folder: Path) -> Run:
    """Return what the files of a run say.

    Raises:
        UserError: when one of them was changed to something else.
    """
    try:
        config: Any = OmegaConf.to_container(OmegaConf.load(folder / CONFIG))
        record, metrics = (
            json.loads((folder / name).read_text(encoding="utf-8")) for name in (RECORD, METRICS)
        )
        own_folder = config.pop("paths")["output_dir"]
        test, standardised = metrics["test"], metrics["test_standardised"]
        return Run(
            name=folder.as_posix(),
            settings={
                key: value.replace(own_folder, ".") if isinstance(value, str) else value
                for key, value in _flat(config)
            },
            scores={
                **test["model"],
                **metrics.get("test_quantiles", {}),
                "skill": metrics.get("skill", {}).get("score"),
                "seconds": record["seconds"]["fit"],
            },
            others={
                **{f"baseline_{name}": value for name, value in test["baseline"].items()},
                **{f"standardised_{name}": v for name, v in standardised["model"].items()},
            },
            data=record["data_fingerprint"],
        )
    # whatever is wrong with files that anyone may have edited
    except Exception as error:
        raise UserError(
            f"{folder}: its files are not as train.py wrote them ({type(error).__name__}: {error})."
        ) from error


def sort_runs(runs: list[Run], column: str | None) -> list[Run]:
    """Return the runs, the best first, and last those that have no such value.

    Args:
        runs: at least one.
        column: a metric, ``skill`` or ``seconds``; None for the first metric of the first run.

    Raises:
        UserError: when no run has the column.
    """
    columns = _union([run.scores for run in runs])
    if column is None:
        column = columns[0]
    if column not in columns:
        near = get_close_matches(column, columns, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(columns)}."
        raise UserError(f"--sort: there is no column {column!r}. {hint}")
    sign = -1 if column in HIGHER_IS_BETTER else 1

    def key(run: Run) -> tuple[bool, float]:
        value = run.scores.get(column)
        return value is None, sign * (value or 0)

    return sorted(runs, key=key)


def differing_settings(runs: Sequence[Run]) -> list[str]:
    """Return the keys whose value is not the same in all runs."""
    keys = _union([run.settings for run in runs])
    return [key for key in keys if len({repr(run.settings.get(key)) for run in runs}) > 1]


def terminal_table(runs: Sequence[Run]) -> str:
    """Return a line a run: the settings that differ, and the scores.

    Settings that only some models or data sources have are left out when these differ.
    """
    shown = [key for key in differing_settings(runs) if _comparable(key, runs)]
    scores = _union([run.scores for run in runs])
    names = _short([run.name for run in runs])
    lines = [["run", *shown, *scores]]
    for name, run in zip(names, runs, strict=True):
        settings = [_setting(key, run.settings.get(key, "")) for key in shown]
        lines.append([name, *settings, *(_number(run.scores.get(score)) for score in scores)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    left = 1 + len(shown)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def write_csv(runs: Sequence[Run], path: Path) -> None:
    """Write a row a run with all settings that differ, and all metrics.

    Raises:
        UserError: when the file exists or its folder does not.
    """
    if path.exists():
        raise UserError(f"--csv: '{path}' exists and is not overwritten. Name another.")
    if not path.parent.is_dir():
        raise UserError(f"--csv: there is no folder '{path.parent}'. Create it first.")
    settings = differing_settings(runs)
    numbers = _union([{**run.scores, **run.others} for run in runs])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", *settings, *numbers, "data_fingerprint"])
        for run in runs:
            values = {**run.scores, **run.others}
            row = [run.settings.get(key) for key in settings]
            writer.writerow([run.name, *row, *(values.get(name) for name in numbers), run.data])


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _comparable(key: str, runs: Sequence[Run]) -> bool:
    """Tell whether all runs have the key, or could have it: their models are of one class."""
    group = key.partition(".")[0]
    kinds = {
        (run.settings.get(f"{group}._target_"), run.settings.get(f"{group}.source")) for run in runs
    }
    return len(kinds) == 1 or all(key in run.settings for run in runs)


def _setting(key: str, value: object) -> str:
    # of a class, its own name says enough
    return str(value).rpartition(".")[2] if key.endswith("_target_") else str(value)


def _union(dicts: Sequence[dict[str, Any]]) -> list[str]:
    """Return all keys, in the order in which they first come."""
    return list(dict.fromkeys(key for one in dicts for key in one))


def _short(names: list[str]) -> list[str]:
    """Leave out the folders that all runs lie in."""
    if len(names) == 1:
        return names
    common = os.path.commonpath(names)
    return [Path(os.path.relpath(name, common)).as_posix() for name in names]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


if __name__ == "__main__":
    main()
