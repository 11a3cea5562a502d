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
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .errors import UserError

# options of features that a project may lack
FEATURES = Path(__file__).with_name("features.toml")
ANSWERS = ".copier-answers.yml"

log = logging.getLogger(__name__)


class JobError(Exception):
    """A job of a multirun failed; its message has been shown."""


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
    except JobError:
        sys.exit(1)
    except (HydraException, OmegaConfBaseException) as error:
        print(f"Error: {_composition_error(error)}", file=sys.stderr)
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


def _composition_error(error: Exception) -> str:
    """Explain why a config does not compose."""
    if isinstance(error.__cause__, UserError):
        return str(error.__cause__)
    script = Path(sys.argv[0])
    for argument in sys.argv[1:]:
        group, _, options = argument.lstrip("+").partition("=")
        for option in options.strip("[]").split(","):
            name = f"{group}/{option.strip()}"
            feature = _feature_of(name)
            if feature and not script.with_name("conf").joinpath(f"{name}.yaml").is_file():
                add = _how_to_add(feature, script)
                return f"{argument} belongs to the feature {feature}. {add}"
    message = " ".join(str(error).split()).split("Config search path")[0]
    return f"{message}\n`python {script} --cfg job` prints every key."


def _feature_of(option: str) -> str | None:
    options: dict[str, str] = tomllib.loads(FEATURES.read_text(encoding="utf-8"))["options"]
    return options.get(option)


def _how_to_add(feature: str, script: Path) -> str:
    answers = script.with_name(ANSWERS)
    answered: Any = OmegaConf.load(answers) if answers.is_file() else {}
    features = ", ".join([*answered.get("features", []), feature])
    return f"Add it with: copier update --vcs-ref=:current: --data 'features=[{features}]'"


def _log_file() -> str:
    """Return a second line that names the log file, if there is one."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            return f"\nThe traceback is in {handler.baseFilename}"
    return ""
