"""From a source to scaled series: read, check, fill, split, scale."""

from .scaling import Scalers, fit_scalers
from .series import SeriesSet, fingerprint, parts
from .sources import load_data
from .splits import Split, split_data
from .static import with_static
from .storage import IN_MEMORY, Storage, open_storage

__all__ = [
    "IN_MEMORY",
    "Scalers",
    "SeriesSet",
    "Split",
    "Storage",
    "fingerprint",
    "fit_scalers",
    "load_data",
    "open_storage",
    "parts",
    "split_data",
    "with_static",
]
