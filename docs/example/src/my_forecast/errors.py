"""The exceptions that the project raises on purpose, and what messages need."""

import signal
import sys
import tomllib
from io import TextIOWrapper
from pathlib import Path

# options of features that a project may lack, and keys of earlier versions
FEATURES = Path(__file__).with_name("features.toml")


class UserError(Exception):
    """A problem that the user can solve.

    The message is all that reaches the terminal, so it says in one or two lines what is wrong,
    where, and what to change; a report on data files has a line for each problem.
    """


class Terminated(SystemExit):
    """Raised on SIGTERM; exits with the code of a process that this signal ended."""

    def __init__(self) -> None:
        """Set the exit code."""
        super().__init__(128 + signal.SIGTERM)


def replacement(key: str) -> str:
    """Return a sentence that says what replaces a key of an earlier version, if it is one."""
    known = tomllib.loads(FEATURES.read_text(encoding="utf-8"))["replaced"]
    return f" It is now {known[key]}." if key in known else ""


def escape_unknown_characters() -> None:
    """Escape characters that the terminal's encoding lacks; Python would raise instead."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
