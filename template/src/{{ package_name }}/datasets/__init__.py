"""Data sets that Darts and statsmodels bring along."""

from .sources import DartsDataset, StatsmodelsDataset

__all__ = ["DartsDataset", "StatsmodelsDataset"]
