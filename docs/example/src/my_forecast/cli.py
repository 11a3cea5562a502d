"""What the entry points share: a short message instead of a traceback.

Spawned DataLoader workers import the entry point again, so this module stays light: nothing
beyond the standard library, Hydra and OmegaConf.
"""

import ast
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf.errors import OmegaConfBaseException

from .errors import UserError

log = logging.getLogger(__name__)


class JobError(Exception):
    """A job of a multirun failed; its message was already shown."""


def launch(main: Callable[[], None]) -> None:
    """Run a ``@hydra.main`` function and end with exit code 1 when it fails.

    A configuration that does not compose (an unknown key, a missing group) is told in two lines.
    Set the environment variable ``HYDRA_FULL_ERROR=1`` to see Hydra's traceback instead.
    ``--help`` is answered here: Hydra composes the whole configuration for it, and shows less.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(_help(Path(sys.argv[0])))
        return
    if "HYDRA_FULL_ERROR" in os.environ:
        main()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # makes Hydra raise instead of printing a traceback
    try:
        sys.argv[1:] = _in_its_folder(sys.argv[1:])
        main()
    except JobError:
        sys.exit(1)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
    except (HydraException, OmegaConfBaseException) as error:
        print(f"Error: {_summary(error)}", file=sys.stderr)
        print(f"`python {sys.argv[0]} --cfg job` prints every key.", file=sys.stderr)
        sys.exit(1)


@contextmanager
def report_errors() -> Iterator[None]:
    """Log an exception of the job: the message on the terminal, the traceback in the log file.

    Raises:
        SystemExit: with code 1, in a single run.
        JobError: in a multirun, so that Hydra goes on with the next job.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError):
            log.error("Error: %s", error)
        else:
            message = shorten(str(error), 500, placeholder=" ...")
            log.error("Error: %s: %s%s", type(error).__name__, message, _log_file())
        log.debug("Traceback of the error above", exc_info=True)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise JobError from error
        sys.exit(1)


def _in_its_folder(arguments: list[str]) -> list[str]:
    """Return arguments that have Hydra work in the folder of the run that ``resume=`` names.

    Raises:
        UserError: when there is no such run, or other settings are given beside it.
    """
    runs = [item.removeprefix("resume=") for item in arguments if item.startswith("resume=")]
    if not runs or runs[-1] in ("", "null"):
        return arguments
    folder = Path(runs[-1].strip("'\""))
    others = [item for item in arguments if not item.startswith(("resume=", "hydra.", "-"))]
    if others:
        raise UserError(
            f"resume: a run goes on with the settings it began with; leave out {others[0]}."
        )
    # Hydra would make the folder
    if not (folder / "config.yaml").is_file():
        raise UserError(f"resume: '{folder}' holds no config.yaml, so it is not a run of train.py.")
    # what Hydra wrote when the run began stays
    return [*arguments, f"hydra.run.dir='{folder.as_posix()}'", "hydra.output_subdir=null"]


def _help(script: Path) -> str:
    """Return what a command does, and the groups of ``conf/`` with their options."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    lines = [docstring.splitlines()[0], "", "Groups, set with group=option:"]
    for group in sorted(script.parent.glob("conf/*/")):
        options = sorted(path.stem for path in group.glob("*.yaml"))
        if options:
            lines.append(f"  {group.name:12} {', '.join(options)}")
    name = script.name
    lines += [
        "",
        "Every key can be set with group.key=value:",
        f"  python {name} --cfg job      print all keys and their values",
        f"  python {name} -m key=1,2     run once with each value",
        f"  python {name} --hydra-help   flags of Hydra",
    ]
    return "\n".join(lines)


def _summary(error: Exception) -> str:
    """Return a Hydra message up to the search path, which helps nobody here."""
    return _one_line(error).split("Config search path")[0]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _log_file() -> str:
    """Return a second line that names the log file, if there is one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            return f"\nThe traceback is in {handler.baseFilename}"
    return ""
