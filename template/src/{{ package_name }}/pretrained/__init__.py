"""Pretrained models from files in a local folder. Nothing is downloaded."""

from pathlib import Path
from typing import Any

from darts.models import Chronos2Model, TimesFM2p5Model

from ..errors import UserError


def chronos2(local_dir: str | None, **arguments: Any) -> Chronos2Model:
    """Return Chronos-2 (arXiv:2510.15821), made with other ``arguments`` of ``Chronos2Model``.

    Raises:
        UserError: when ``config.json`` or ``model.safetensors``, which Darts would download, is not
            in ``local_dir``.
    """
    return Chronos2Model(local_dir=_complete(local_dir), **arguments)


def timesfm2p5(local_dir: str | None, **arguments: Any) -> TimesFM2p5Model:
    """Return TimesFM 2.5 (arXiv:2310.10688); arguments and errors as in ``chronos2``."""
    return TimesFM2p5Model(local_dir=_complete(local_dir), **arguments)


def _complete(folder: str | None) -> str:
    for name in ("config.json", "model.safetensors"):
        if folder is None or not Path(folder, name).is_file():
            raise UserError(
                f"model.local_dir: there is no {name} in {folder!r}. Download config.json and "
                "model.safetensors of the model, from the Hugging Face Hub for example."
            )
    return str(folder)
