"""docs/reliability.md, as a full run writes it: each attack, how often, and what happened."""

import platform
import re
from collections import Counter
from dataclasses import dataclass, field
from inspect import getdoc
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = """\
# It does not break

A full run of `tests/reliability/` wrote this page, on {system} with Python {python}.
It attacks a project with all features. `python -m nox -s reliability` repeats it, and
`nox -s tests` runs a short form of every attack.

Each row is a promise, how it was attacked, in how many cases, and what happened."""


@dataclass
class Attack:
    """The results of the cases of one test."""

    section: str
    promise: str
    how: str
    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    measured: list[str] = field(default_factory=list)


def describe(item: pytest.Item) -> list[tuple[str, str]]:
    """Return what the page says about a test, as properties of its reports."""
    function: Any = getattr(item, "function", None)
    # Hypothesis keeps the test within
    inner = getattr(getattr(function, "hypothesis", None), "inner_test", function)
    name = function.__name__.removeprefix("test_").replace("_", " ")
    section = (getdoc(item.module) or "").splitlines()[0]  # type: ignore[attr-defined]
    how = " ".join((getdoc(inner) or "").split())
    return [("section", section), ("promise", name.capitalize()), ("how", how)]


class Page:
    """Gathers the reports of all tests, and writes the page in the end."""

    def __init__(self) -> None:
        """Begin without reports."""
        self.attacks: dict[str, Attack] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one case."""
        properties = dict(report.user_properties)
        if "section" not in properties:
            return
        name = report.nodeid.partition("[")[0]
        # Hypothesis reports how many examples it tried when the test is over
        statistics = str(vars(report).get("_hypothesis_stats", ""))
        if examples := sum(map(int, re.findall(r"(\d+) passing", statistics))):
            self.attacks[name].cases += examples - 1
        # a test that is skipped or fails before it is called has no call
        if report.when != "call" and report.outcome == "passed":
            return
        found = Attack(*(str(properties[key]) for key in ("section", "promise", "how")))
        attack = self.attacks.setdefault(name, found)
        attack.outcomes[report.outcome] += 1
        attack.cases += int(str(properties.get("cases", 1)))
        if "measured" in properties:
            attack.measured.append(str(properties["measured"]))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the page, if no test was left out."""
        if session.config.option.keyword or session.config.option.collectonly:
            return
        sections: dict[str, list[str]] = {}
        for attack in sorted(self.attacks.values(), key=lambda one: (one.section, one.promise)):
            outcome = "held" if set(attack.outcomes) == {"passed"} else str(dict(attack.outcomes))
            outcome = ": ".join(filter(None, [outcome, "; ".join(attack.measured)]))
            row = f"| {attack.promise} | {attack.how} | {attack.cases:,} | {outcome} |"
            sections.setdefault(attack.section.rstrip("."), []).append(row)
        head = HEAD.format(
            system=f"{platform.system()} {platform.machine()}", python=platform.python_version()
        )
        table = "| promise | attack | cases | result |\n|---|---|---|---|\n"
        parts = [head, *(f"## {name}\n\n{table}" + "\n".join(r) for name, r in sections.items())]
        PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
