"""Data larger than memory: arrays in mapped files, for one run or in a store for many."""

from .forecast_parts import write_parts
from .mapped import MappedArrays, MappedFiles
from .store import StoredPanel, prepare

__all__ = ["MappedArrays", "MappedFiles", "StoredPanel", "prepare", "write_parts"]
