"""Read the config of a run, which may come from anyone: nothing that it names is run unchecked."""

from collections.abc import Iterator
from inspect import isclass
from pathlib import Path
from re import fullmatch
from typing import Any

import yaml

from .errors import UserError

# the user's own config: what a file in it names, a run may name
CONF = [Path(__file__).parents[2] / "conf"]
# where classes may come from that a run names; building one of them runs no code of the run
PACKAGES = (
    "darts",
    "torch.nn",
    "torch.optim",
    "torchmetrics",
    *(f"pytorch_lightning.{name}" for name in ("callbacks", "loggers", "plugins", "profilers")),
    __package__,
)
# keys whose values are names that the project knows, or dotted paths of the user's own code
OWN = r"data\.scaler|metrics\.\d+"
# functions of Hydra that import what their arguments name
GETTERS = ("hydra.utils.get_class", "hydra.utils.get_method")
# bounds of a config, in bytes and in characters of one value
SIZE, VALUE = 1 << 20, 1 << 12


class BoundedLoader(yaml.SafeLoader):
    """A safe loader whose work is bounded by the size of the text: it knows no aliases."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Compose the next node."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or len(getattr(event, "value", "")) > VALUE:
            raise yaml.YAMLError("an alias, or a value without end")
        return super().compose_node(parent, index)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the content of a ``config.yaml``, whatever it names.

    Raises:
        UserError: when it is not what ``write_config`` wrote: incomplete, damaged or too large.
    """
    try:
        with path.open("rb") as file:
            text = file.read(SIZE + 1).decode().replace("\r\n", "\n")
        if len(text) > SIZE or not text.endswith("\n...\n"):
            raise ValueError(f"it has no end within {SIZE} bytes")
        values = BoundedLoader(text).get_single_data()
        if isinstance(values, dict):
            return values
        raise ValueError("it holds no keys")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"'{path}' is damaged ({reason}). Restore it from a copy, or train again."
        ) from error


def check_code(values: dict[str, Any]) -> None:
    """Check the code that a config names, before anything of it is imported.

    Classes of ``PACKAGES`` are allowed, and whatever the user's own ``conf/`` names.

    Raises:
        UserError: naming the first key that names anything else.
    """
    for key, name in unknown_code(values):
        raise UserError(
            f"{key}: the run names {name!r}, which may be untrusted code, so it is not used. "
            "If you trust it, add this name to a file in conf/."
        )


def unknown_code(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what ``check_code`` does not allow, with its dotted key."""
    for key, name in named_code(values):
        known = name in GETTERS or (isinstance(name, str) and _is_known_class(key, name))
        if not (known or _in_conf(name)):
            yield key, name


def named_code(values: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that would be imported, or resolved by OmegaConf, with its dotted key."""
    if isinstance(values, dict):
        names_code = str(values.get("_target_")).startswith("hydra.")
        for name, value in values.items():
            own = f"{key}.{name}" if key else str(name)
            is_class = name in ("optimizer_cls", "lr_scheduler_cls") and isinstance(value, str)
            if name == "_target_" or names_code or is_class or own == "data.function":
                yield own, value
            else:
                yield from named_code(value, own)
    elif isinstance(values, list | tuple):
        for number, value in enumerate(values):
            yield from named_code(value, f"{key}.{number}")
    elif isinstance(values, str) and ("${" in values or (fullmatch(OWN, key) and "." in values)):
        yield key, values


def moved_paths(node: Any, old: str, new: str) -> Any:
    """Replace a folder at the start of every text in nested dicts."""
    if isinstance(node, dict):
        return {key: moved_paths(value, old, new) for key, value in node.items()}
    if isinstance(node, str) and node.startswith(old):
        return new + node.removeprefix(old)
    return node


def _is_known_class(key: str, name: str) -> bool:
    if not name.startswith(tuple(f"{package}." for package in PACKAGES)) or "._" in name:
        return False
    from hydra.utils import get_object

    try:
        found = get_object(name)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{key}: cannot import {name!r}. {reason}") from error
    # a path may lead through a module to what that imports: torch.nn.modules.module.torch.load
    home = f"{found.__module__}." if isclass(found) else ""
    return home.startswith(tuple(f"{package}." for package in PACKAGES))


def _in_conf(name: Any) -> bool:
    files = (path for folder in CONF for path in folder.rglob("*.yaml"))
    texts = (path.read_text(encoding="utf-8") for path in files)
    return any(str(name) in text and name in _texts(yaml.safe_load(text)) for text in texts)


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, dict | list):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _texts(value)
    elif isinstance(values, str):
        yield values
