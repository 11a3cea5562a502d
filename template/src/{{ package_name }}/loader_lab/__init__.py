"""Feature ``doctor.py measure=loaders``: the training with different DataLoader settings."""

from .measure import measure_loaders

__all__ = ["measure_loaders"]
