"""Data larger than memory: arrays in mapped files, for one run or in a store for many."""

from .forecast_parts import write_parts
from .mapped import MappedFiles
from .store import StoredPanel, prepare

__all__ = ["MappedFiles", "StoredPanel", "prepare", "write_parts"]
