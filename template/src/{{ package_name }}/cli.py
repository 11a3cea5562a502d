"""What the entry points share: help, the folder of a resumed run, and errors as short messages.

Spawned DataLoader workers import the entry point again, so this module stays light: nothing
beyond the standard library, Hydra and OmegaConf.
"""

import ast
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .errors import FEATURES, UserError, replacement

log = logging.getLogger(__name__)


def launch(main: Callable[[], None]) -> None:
    """Run a ``@hydra.main`` function and end with exit code 1 when it fails.

    ``--help`` is answered here, because Hydra composes the whole config for it, which takes three
    times as long. Set the environment variable ``HYDRA_FULL_ERROR=1`` to see Hydra's tracebacks.
    """
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(_help(Path(sys.argv[0])))
        return
    if "HYDRA_FULL_ERROR" in os.environ:
        main()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing a traceback
    try:
        main()
    except UserError:  # of a job of a multirun, which has said why
        sys.exit(1)
    # Hydra raises ValueError where an option is neither a name nor a list
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        print(f"Error: {_composition_error(error)}", file=sys.stderr)
        sys.exit(1)


@contextmanager
def report_errors() -> Iterator[None]:
    """Log an exception of the job: the message on the terminal, the traceback in the log file.

    Raises:
        SystemExit: with code 1, in a single run.
        UserError: in a multirun, so that Hydra goes on with the next job.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError):
            log.error("Error: %s", error)
        else:
            message = shorten(str(error), 500, placeholder=" ...")
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.FileHandler):
                    message += f"\nThe traceback is in {handler.baseFilename}"
            log.error("Error: %s: %s", type(error).__name__, message)
        log.debug("Traceback of the error above", exc_info=True)
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            raise UserError from error
        sys.exit(1)


def run_dir(resume: str | None, new: str) -> str:
    """Return the folder of the run that ``resume`` names, or the new one.

    ``conf/hydra/default.yaml`` calls this before Hydra creates the folder.

    Raises:
        UserError: when ``resume`` is not the folder of a run.
    """
    if resume is not None and not (Path(resume) / "config.yaml").is_file():
        raise UserError(f"resume: '{resume}' has no config.yaml, so it is not a run of train.py.")
    return resume or new


OmegaConf.register_new_resolver("run_dir", run_dir, replace=True)


def refuse_other_overrides(key: str) -> None:
    """Make sure that ``key`` is all that was set on the command line.

    Raises:
        UserError: naming the first other override.
    """
    if not HydraConfig.initialized():
        return
    others = [item for item in HydraConfig.get().overrides.task if not item.startswith(f"{key}=")]
    if others:
        raise UserError(f"{key}: the run keeps the config it began with. Leave out {others[0]}.")


def _help(script: Path) -> str:
    """Describe a command, and list the groups of ``conf/`` with their options."""
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or ""
    lines = [
        docstring.splitlines()[0],
        "",
        "Groups, set with group=option or, for no option, group=[]:",
    ]
    for group in sorted(script.parent.glob("conf/*/")):
        if options := sorted(path.stem for path in group.glob("*.yaml")):
            lines.append(f"  {group.name:12} {', '.join(options)}")
    lines.append(f"""
Every key can be set with group.key=value:
  python {script.name} --cfg job      print all keys and their values
  python {script.name} -m key=1,2     run once with each value
  python {script.name} --hydra-help   flags of Hydra""")
    return "\n".join(lines)


def _composition_error(error: Exception) -> str:
    """Explain why a config does not compose."""
    if isinstance(error.__cause__, UserError):
        return str(error.__cause__)
    known = tomllib.loads(FEATURES.read_text(encoding="utf-8"))
    for argument in sys.argv[1:]:
        group, _, options = argument.lstrip("+").partition("=")
        if hint := replacement(group):
            return f"{group}: unknown key.{hint}"
        for option in options.strip("[]").split(","):
            if feature := known["missing"].get(f"{group}/{option.strip()}"):
                features = ", ".join([*known["features"], feature])
                return (
                    f"{argument} belongs to the feature {feature}. Add it with: "
                    f"copier update --vcs-ref=:current: --data 'features=[{features}]'"
                )
    message = " ".join(str(error).split()).split("Config search path")[0]
    return f"{message}\n`python {sys.argv[0]} --cfg job` prints every key."
