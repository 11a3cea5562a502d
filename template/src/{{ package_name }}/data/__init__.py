"""From a source to scaled series: read, check, fill, split, scale."""

from .scaling import Scalers, fit_scalers
from .series import SeriesSet, fingerprint
from .sources import load_data
from .splits import Split, split_data

__all__ = [
    "Scalers",
    "SeriesSet",
    "Split",
    "fingerprint",
    "fit_scalers",
    "load_data",
    "split_data",
]
