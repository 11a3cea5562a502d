"""From a source to scaled series: read, check, fill, split, scale."""

from .checks import DataError
from .panel import IN_MEMORY, Panel, SeriesArray, Steps, Storage, fingerprint, show_time
from .scaling import SCALERS, Scalers, fit_scalers
from .sources import Source, load_data
from .split import Split, split_at, split_data

__all__ = [
    "IN_MEMORY",
    "SCALERS",
    "DataError",
    "Panel",
    "Scalers",
    "SeriesArray",
    "Source",
    "Split",
    "Steps",
    "Storage",
    "fingerprint",
    "fit_scalers",
    "load_data",
    "show_time",
    "split_at",
    "split_data",
]
