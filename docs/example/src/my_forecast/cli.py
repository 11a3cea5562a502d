"""What the entry points share: help, the folder of a resumed run, and errors as short messages.

Spawned DataLoader workers import the entry point again, so this module stays light: nothing
beyond the standard library, Hydra and OmegaConf.
"""

import ast
import logging
import os
import re
import signal
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, OverrideParseException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from .errors import FEATURES, Terminated, UserError, escape_unknown_characters, replacement

log = logging.getLogger(__name__)

# what Python, torch and the system say when something runs out, and what helps
REMEDIES = {
    "MemoryError|allocate memory|out of memory": (
        "Memory ran out. Decrease model.batch_size or dataloader.num_workers."
    ),
    "Too many open files": "Allow more with `ulimit -n 4096`, or decrease dataloader.num_workers.",
}


def launch(main: Callable[[], None]) -> None:
    """Run a ``@hydra.main`` function and end with exit code 1 when it fails.

    ``--help`` is answered here, because Hydra composes the whole config for it, which takes three
    times as long. Set the environment variable ``HYDRA_FULL_ERROR=1`` to see Hydra's tracebacks.
    """
    escape_unknown_characters()
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(_help(Path(sys.argv[0])))
        return
    if Path(sys.argv[0]).stem == "train" and any(item.startswith("finetune=") for item in sys.argv):
        # imported here because every worker imports this module
        from .finetune import finetuned

        try:
            main = finetuned(main)
        except UserError as error:
            print(f"Error: {error}", file=sys.stderr)
            sys.exit(1)
    if "HYDRA_FULL_ERROR" in os.environ:
        main()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing a traceback
    logging.raiseExceptions = False  # nor does logging, where the disk is full
    signal.signal(signal.SIGTERM, _terminate)
    try:
        main()
    except UserError:  # a job of a multirun failed and has logged the reason
        sys.exit(1)
    # Hydra raises ValueError where an option is neither a name nor a list
    except (HydraException, OmegaConfBaseException, ValueError, OSError, YAMLError) as error:
        print(f"Error: {_composition_error(error)}", file=sys.stderr)
        sys.exit(1)
    except (KeyboardInterrupt, Terminated) as stop:
        print("Stopped.", file=sys.stderr)
        sys.exit(_end_once(stop))


def _terminate(*_: Any) -> None:
    raise Terminated


def _end_once(stop: BaseException) -> int:
    """Ignore further signals while the process ends, and return its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    return 128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)


@contextmanager
def report_errors() -> Iterator[None]:
    """Log an exception of the job: the message on the terminal, the traceback in the log file.

    Raises:
        SystemExit: with code 1, in a single run; on Ctrl-C and SIGTERM in any.
        UserError: in a multirun, so that Hydra goes on with the next job.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        # Lightning exits on Ctrl-C
        stopped = isinstance(stop, KeyboardInterrupt | Terminated)
        if not (stopped or isinstance(stop.__context__, KeyboardInterrupt)):
            raise
        code = _end_once(stop)
        folder = Path(HydraConfig.get().runtime.output_dir)
        unfinished = (folder / "config.yaml").is_file() and not (folder / "SHA256SUMS").is_file()
        resume = f" Continue with: python train.py resume={folder}" if unfinished else ""
        log.error("Stopped.%s", resume)
        log.debug("Where it was stopped", exc_info=True)
        sys.exit(code)
    except Exception as error:
        in_worker = "Original Traceback" in str(error)
        if isinstance(error, UserError) and not in_worker:
            log.error("Error: %s", error)
        else:
            message = f"{type(error).__name__}: {error}"
            if in_worker:
                # torch puts the message after the traceback, whose lines are indented
                cause = re.split(r"\n .*", str(error))[-1].strip()
                message = f"in a DataLoader worker: {cause}"
            message = shorten(message.removesuffix(": "), 500, placeholder=" ...")
            for pattern, remedy in REMEDIES.items():
                if re.search(pattern, message):
                    message += f" {remedy}" if message.endswith(".") else f". {remedy}"
            for handler in logging.getLogger().handlers:
                if isinstance(handler, logging.FileHandler):
                    message += f"\nThe traceback is in {handler.baseFilename}"
            log.error("Error: %s", message)
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


def log_file(folder: str, task: str) -> str:
    """Return the log file of a run, the first that ``conf/hydra/default.yaml`` lets Hydra write.

    Raises:
        UserError: when ``folder`` is the working directory, unless that is a run to resume.
    """
    if Path(folder).resolve() == Path.cwd().resolve() and not Path("config.yaml").is_file():
        raise UserError("hydra.run.dir: it is the working directory. Choose a folder of its own.")
    return f"{folder}/{task}.log"


OmegaConf.register_new_resolver("run_dir", run_dir, replace=True)
OmegaConf.register_new_resolver("log_file", log_file, replace=True)


def other_overrides(key: str) -> list[str]:
    """Return what was set on the command line besides ``key``."""
    overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return [item for item in overrides if not item.startswith(f"{key}=")]


def refuse_other_overrides(key: str) -> None:
    """Make sure that ``key`` is all that was set on the command line.

    Raises:
        UserError: naming the first other override.
    """
    if others := other_overrides(key):
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
    # of a resolver of this module
    if ours := str(error).partition("UserError raised while resolving interpolation: ")[2]:
        return ours.splitlines()[0]
    if isinstance(error, MarkedYAMLError) and (mark := error.problem_mark):
        return f"{mark.name}, line {mark.line + 1}, column {mark.column + 1}: {error.problem}."
    if isinstance(failed := error.__cause__ or error, OSError) and failed.filename:
        return f"'{failed.filename}': {failed.strerror}. Check the path, and hydra.run.dir."
    if isinstance(error, OverrideParseException) and "=" in error.override:
        key, _, value = error.override.partition("=")
        quoted = value.replace("'", r"\'")
        return f"{error.override}: this value needs quotes. Write \"{key}='{quoted}'\""
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
    # imported here because it is rarely needed, and every worker imports this module
    from .unknown_keys import explain_unknown_key

    if explained := explain_unknown_key(error):
        return explained
    message = " ".join(str(error).split()).split("Config search path")[0]
    return f"{message}\n`python {sys.argv[0]} --cfg job` prints every key."
