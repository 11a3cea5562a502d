"""The one exception that the project raises on purpose, and what replaces keys that are gone."""

import tomllib
from pathlib import Path

# options of features that a project may lack, and keys of earlier versions
FEATURES = Path(__file__).with_name("features.toml")


class UserError(Exception):
    """A problem that the user can solve.

    The message is all that reaches the terminal, so it says in one or two lines what is wrong,
    where, and what to change; a report on data files has a line for each problem.
    """


def replacement(key: str) -> str:
    """Return a sentence that says what replaces a key of an earlier version, if it is one."""
    known = tomllib.loads(FEATURES.read_text(encoding="utf-8"))["replaced"]
    return f" It is now {known[key]}." if key in known else ""
