"""Compose the config of a fine-tuned run: that of the run it begins with, and what was typed."""

import re
import sys
from collections.abc import Callable
from inspect import unwrap
from typing import Any

import hydra
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser

from .config import TrainConfig, check_config
from .errors import UserError
from .run_config import CONF, moved_paths
from .runs.folder import CONFIG, bundle_of, checked, find_run

# names of the config that Hydra begins with, and of the options that hold the values of the run
FINETUNE, OF_RUN = "finetune", "of_run"
# never taken from the run
OWN = "task", "paths", "resume", "finetune"


def finetuned(main: Callable[[], None]) -> Callable[[], None]:
    """Let a ``@hydra.main`` function begin with the config of the run that ``finetune=`` names.

    Every group of ``conf/train.yaml`` has the values of the run, unless an option of it was typed.
    Hydra composes the rest as ever: keys that were typed win, in each job of a multirun.
    ``latest`` is replaced by its folder, because a multirun finishes further runs.

    Raises:
        UserError: when there is no such run, its config is damaged, or it names unknown code.
    """
    number = next(n for n, item in enumerate(sys.argv) if item.startswith("finetune="))
    override = OverridesParser.create().parse_override(sys.argv[number])
    if override.is_sweep_override():
        raise UserError("finetune: must be one run. Start a multirun for each of them.")
    if (run := override.value()) is None:
        return main
    folder = find_run(str(run), "finetune")
    if run == "latest":
        path = folder.as_posix().replace("'", r"\'")
        sys.argv[number] = f"finetune='{path}'"
    config = check_config(checked(bundle_of(folder), CONFIG), TrainConfig)
    _store(moved_paths(config.as_dict(), config.paths.output_dir, "${paths.output_dir}"))
    decorated: Callable[[], None] = hydra.main(str(CONF[0]), FINETUNE, "1.3")(unwrap(main))
    return decorated


def _store(run: dict[str, Any]) -> None:
    """Make the config of a run known to Hydra, in groups as ``conf/train.yaml`` has them."""
    config = yaml.safe_load((CONF[0] / "train.yaml").read_text(encoding="utf-8"))
    run = {key: value for key, value in run.items() if key not in OWN}
    for node in run["logger"].values():
        # a tracker starts a new run
        node.pop("run_id", None)
    typed = [item.lstrip("+").partition("=")[0] for item in sys.argv[1:]]
    for group in typed:
        _drop_options(run, group)
    store, defaults = ConfigStore.instance().store, list[Any]()
    for entry in config["defaults"]:
        group = next(iter(entry)).removeprefix("optional ") if isinstance(entry, dict) else ""
        if not group or group.startswith(("hydra", "override ")):
            defaults.append(entry)
        elif (section := run.pop(group, None)) is not None:
            store(OF_RUN, section, group=group)
            defaults.append({group: OF_RUN})
        else:
            # what an option of it had set is in a section of the run, unless that one was typed
            defaults.append(entry if _section_of(group) in typed else {group: None})
    known = {key: value for key, value in run.items() if value is not None}
    store(FINETUNE, config | known | {"defaults": defaults})


def _drop_options(run: dict[str, Any], group: str) -> None:
    """Drop the arguments that options of a group set within a section: a typed one replaces them.

    Otherwise ``lr_scheduler=cosine`` would be left with the arguments of the run's scheduler.
    """
    section = run.get(_section_of(group) or "", {})
    for path in (CONF[0] / group).glob("*.yaml"):
        for key, value in yaml.safe_load(path.read_text(encoding="utf-8")).items():
            if isinstance(value, dict) and isinstance(arguments := section.get(key), dict):
                for name in value:
                    arguments.pop(name, None)


def _section_of(group: str) -> str | None:
    """Return the section of the config that the options of a group belong to, if it is another."""
    for path in (CONF[0] / group).glob("*.yaml"):
        if package := re.match(r"# @package ([a-z]\w*)\n", path.read_text(encoding="utf-8")):
            return package[1]
    return None
