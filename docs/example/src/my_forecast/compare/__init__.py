"""A table of finished runs: `python -m <package>.compare "outputs/train/*/*"`.

Neither torch nor Darts is imported, so the command starts at once.
"""

import argparse
import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from ..errors import UserError, escape_unknown_characters
from ..run_config import read_yaml
from ..runs.folder import CONFIG, METRICS, RECORD, SUMS, checked, read_json

HIGHER_IS_BETTER = ("skill", "r2_score")
# settings with the folder of the run, scores, and details that only the CSV file shows
FinishedRun: TypeAlias = tuple[dict[str, str], dict[str, float | None], dict[str, Any]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and write it as CSV if asked to; None reads ``sys.argv``."""
    parser = argparse.ArgumentParser(description="Compare finished runs of train.py.")
    parser.add_argument("runs", nargs="+", help="run folders, or patterns that match them")
    parser.add_argument(
        "--sort", help="sort by this column, best first; default: the validation metric"
    )
    parser.add_argument("--csv", type=Path, help="write the table, with more columns, to this file")
    options = parser.parse_args(arguments)
    escape_unknown_characters()
    try:
        settings, scores, details = (
            pl.from_dicts(part, infer_schema_length=None)
            for part in zip(*find_runs(options.runs), strict=True)
        )
        # a metric that no run has is left out
        scores = scores[[column.name for column in scores if column.null_count() < len(column)]]
        by = options.sort or scores.columns[0]
        if by not in scores.columns:
            known = ", ".join(scores.columns)
            raise UserError(f"--sort: unknown column '{by}'. Choose one of {known}.")
        table = pl.concat([settings, scores, details], how="horizontal")
        # runs without a value come last
        table = table.sort(by, descending=by in HIGHER_IS_BETTER, nulls_last=True)
        differing = [key for key in settings.columns[1:] if _differs(settings, key)]
        if options.csv is not None:
            columns = ["run", *differing, *scores.columns, *details.columns]
            write_csv(table.select(columns), options.csv)
    except UserError as error:
        parser.exit(1, f"Error: {error}\n")
    keys = [key for key in differing if _comparable(settings, key)]
    print(as_text(table.select("run", *keys, *scores.columns)))
    if _differs(details, "data_fingerprint"):
        print("The runs used different data, so their metrics are not comparable.")


def find_runs(patterns: Sequence[str]) -> list[FinishedRun]:
    """Read the finished runs among the folders that match, and report the other folders."""
    runs = []
    for pattern in patterns:
        # unlike Path.glob, it takes absolute patterns
        matches = sorted(glob.glob(pattern))  # noqa: PTH207
        for folder in map(Path, matches or [pattern]):
            if all((folder / name).is_file() for name in (RECORD, SUMS)):
                runs.append(read_run(folder))
            elif not folder.is_file():
                print(f"Skipped {folder.as_posix()}: not a finished run", file=sys.stderr)
    if not runs:
        where = ", ".join(patterns)
        raise UserError(f"no finished run of train.py in {where}. Try 'outputs/train/*/*'.")
    return runs


def read_run(folder: Path) -> FinishedRun:
    """Read the files of a run; raise ``UserError`` if they are not what ``train.py`` writes.

    The settings are the config by dotted keys, without paths in the folder of the run. The scores
    are the first metric on the validation part, the test metrics of the model, ``skill``, and the
    ``seconds`` that the fit took. The first one sorts the table: a choice of the best run by a test
    metric would make that metric too good.
    """
    config = read_yaml(checked(folder, CONFIG))
    record, metrics = (read_json(checked(folder, name)) for name in (RECORD, METRICS))
    try:
        own_folder, test = config["paths"]["output_dir"], metrics["test"]
        settings = {key: str(value) for key, value in _flat(config).items()}
        validation = metrics.get("validation", {}).get("model", {})
        first = next(iter(test["model"]))
        return (
            {"run": folder.as_posix()}
            | {key: value for key, value in settings.items() if own_folder not in value},
            {f"validation_{first}": validation.get(first)}
            | test["model"]
            | metrics.get("test_quantiles", {})
            | {
                "skill": metrics.get("skill", {}).get("score"),
                "seconds": record["seconds"]["fit"],
            },
            _flat(test["baseline"], "baseline_")
            | _flat(metrics["test_standardised"]["model"], "standardised_")
            | {"data_fingerprint": record["data_fingerprint"]},
        )
    # anything may be wrong with files that anyone can edit
    except Exception as error:
        raise UserError(f"{folder}: cannot read this run ({error!r}). Leave it out.") from error


def as_text(table: pl.DataFrame) -> str:
    """Return the table as text, one line for each run; folders and classes have short names."""
    folders = [Path(run).absolute() for run in table["run"]]
    common = os.path.commonpath([folder.parent for folder in folders])
    names = [folder.relative_to(common).as_posix() for folder in folders]
    classes = pl.col("^.*_target_$").str.split(".").list.last()
    columns = []
    for column in table.with_columns(pl.Series("run", names), classes):
        is_text = column.dtype == pl.String
        numbers = ["" if value is None else f"{value:.4g}" for value in column if not is_text]
        cells = [column.name, *(column.fill_null("") if is_text else numbers)]
        width = max(map(len, cells))
        columns.append([cell.ljust(width) if is_text else cell.rjust(width) for cell in cells])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def write_csv(table: pl.DataFrame, path: Path) -> None:
    """Write one row for each run to a new file."""
    try:
        with path.open("xb") as file:
            table.write_csv(file)
    except OSError as error:
        raise UserError(
            f"--csv: cannot create '{path}' ({error.strerror}). Choose another path."
        ) from error


def _differs(table: pl.DataFrame, key: str) -> bool:
    return table[key].fill_null("None").n_unique() > 1


def _comparable(settings: pl.DataFrame, key: str) -> bool:
    """Return whether all runs have the key, or use the same model or data source, say."""
    target = f"{key.partition('.')[0]}._target_"
    same = target not in settings.columns or not _differs(settings, target)
    return same or settings[key].null_count() == 0


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat
