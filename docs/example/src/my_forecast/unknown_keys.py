"""What to say about a key on the command line that the config does not have."""

import re
import shlex
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf


def explain_unknown_key(error: Exception) -> str | None:
    """Return what is wrong with the key, and the corrected command; None for another error."""
    found = re.match(r"Could not override '([\w.]+)'", str(error))
    written = [item for item in sys.argv[1:] if found and item.startswith(f"{found[1]}=")]
    if found is None or not written:
        return None
    script, key, argument = Path(sys.argv[0]).absolute(), found[1], written[0]
    finetunes = any(item.startswith("finetune=") for item in sys.argv)
    base = "finetune" if finetunes and script.stem == "train" else script.stem
    group, value = key.partition(".")[0], argument.partition("=")[2]
    others = [item for item in sys.argv[1:] if item != argument]
    choices = [item for item in others if re.fullmatch(r"\w+=\w+", item)]

    def keys(*more: str) -> list[str]:
        try:
            return [*_dotted(OmegaConf.to_container(compose(base, [*choices, *more])))]
        except HydraException:
            return []

    with initialize_config_dir(str(script.parent / "conf"), version_base="1.3"):
        options = [path.stem for path in sorted((script.parent / "conf" / group).glob("*.yaml"))]
        having = [option for option in options if key in keys(f"{group}={option}")]
        near = get_close_matches(key, keys(), n=1, cutoff=0.75)
    if having:
        listed = ", ".join(f"{group}={option}" for option in having)
        # data.path=sales.csv is meant for data=csv
        chosen = {Path(value).suffix.lstrip(".")}.intersection(having) if having[1:] else having
        commands = [_command(argument, f"{group}={option}", argument) for option in chosen]
        return f"{key} belongs to {listed}.{''.join(commands)}"
    if near:
        command = _command(argument, f"{near[0]}={value}")
        return f"{key}: unknown key. Did you mean {near[0]}?{command}"
    return None


def _command(replaced: str, *by: str) -> str:
    """Return the command with one argument replaced by others."""
    words = [word for item in sys.argv for word in (by if item == replaced else [item])]
    return f"\nTry: python {shlex.join(words)}"


def _dotted(values: Any, prefix: str = "") -> Iterator[str]:
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _dotted(value, f"{prefix}{key}.")
