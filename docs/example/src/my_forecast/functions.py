"""Functions that saved models and scalers name, so they keep their names and their place.

Those of NumPy and torch that do the same are not pickled by name in every version.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def log1p(values: NDArray[Any]) -> NDArray[Any]:
    """Return the logarithm of 1 + values."""
    logarithms: NDArray[Any] = np.log1p(values)
    return logarithms


def expm1(values: NDArray[Any]) -> NDArray[Any]:
    """Undo ``log1p``."""
    powers: NDArray[Any] = np.expm1(values)
    return powers


def mean(values: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the mean over one dimension."""
    return values.mean(dim=dim)


SAVED_FUNCTIONS = [log1p, expm1, mean]
