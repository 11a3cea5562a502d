"""Run the benchmarks and write ``results/results.json`` and ``results/report.md``.

``nox -s bench`` makes the environments and calls this; ``nox -s bench -- loader auto`` runs a part
and keeps the other results, ``nox -s bench -- report`` writes the report again.
"""

import importlib
import json
import os
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from common import Row

# a test has its results elsewhere
RESULTS = Path(os.environ.get("BENCH_RESULTS", Path(__file__).parent / "results"))
BENCHES = (
    "loader",
    "first_batch",
    "start",
    "training",
    "large",
    "panel",
    "store",
    "predict",
    "backtest",
    "memory",
    "auto",
    "spawn",
    "previous",
    "peers",
)
PACKAGES = ("darts", "torch", "pytorch-lightning", "hydra-core", "numpy", "pandas")


def main(names: list[str]) -> None:
    """Run the named benchmarks, or all, and write the report after each result."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "results.json"
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": {}}
    if names == ["report"]:
        (RESULTS / "report.md").write_text(report(content), encoding="utf-8")
        return
    content["machine"] = machine()
    for name in names or BENCHES:
        rows: list[dict[str, Any]] = []
        measured = datetime.now(UTC).isoformat(timespec="minutes")
        content["rows"][name] = {"measured": measured, "rows": rows}
        for row in importlib.import_module(name).measure():
            rows.append({**asdict(row), "met": row.met})
            print(f"{row.bench:24} {row.case:58} {shown(row)}", flush=True)
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            (RESULTS / "report.md").write_text(report(content), encoding="utf-8")


def machine() -> dict[str, str]:
    """Return what the numbers depend on."""
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "CPUs": f"{psutil.cpu_count()}, no accelerator",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "Python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
    }


def report(content: dict[str, Any]) -> str:
    """Return the results as Markdown: a table, and the medians behind every line of it."""
    facts = ", ".join(f"{name} {value}" for name, value in content["machine"].items())
    table, medians = [], []
    for name in BENCHES:
        for values in content["rows"].get(name, {"rows": []})["rows"]:
            row = Row(**{key: value for key, value in values.items() if key != "met"})
            answer = "yes" if row.met else "**no**"
            table.append(f"| {row.bench} | {row.case} | {number(row)} | {row.target} | {answer} |")
            detail = "; ".join(f"{key} {value}" for key, value in row.detail.items())
            medians.append(f"| {row.bench} | {row.case} | {detail} |")
    lines = [
        "# Benchmark results",
        "",
        "Made by `python -m nox -s bench`: interleaved runs on one machine, medians of five or",
        f"more, {facts}.",
        "",
        "| bench | case | measured | target | met |",
        "|---|---|---|---|---|",
        *table,
        "",
        "## Medians behind the ratios",
        "",
        "| bench | case | medians |",
        "|---|---|---|",
        *medians,
    ]
    return "\n".join(lines) + "\n"


def number(row: Row) -> str:
    """Return the ratio in the unit of its target."""
    return f"{row.ratio:.3g} {row.target.split()[2]}"


def shown(row: Row) -> str:
    """Return the ratio beside its target."""
    return f"{number(row):>10}  target {row.target}  {'met' if row.met else 'MISSED'}"


if __name__ == "__main__":
    main(sys.argv[1:])
