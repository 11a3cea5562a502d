"""From a source to scaled series: read, check, fill, split, scale."""

from .checks import DataError, Problem
from .scaling import SCALERS, Scalers, fit_scalers
from .series import SeriesSet, fingerprint, parts, position, show_time, with_static
from .sources import Source, load_data
from .split import Split, split_data
from .storage import IN_MEMORY, InMemory, Storage

__all__ = [
    "IN_MEMORY",
    "SCALERS",
    "DataError",
    "InMemory",
    "Problem",
    "Scalers",
    "SeriesSet",
    "Source",
    "Split",
    "Storage",
    "fingerprint",
    "fit_scalers",
    "load_data",
    "parts",
    "position",
    "show_time",
    "split_data",
    "with_static",
]
