"""Save a training within an epoch when it has to stop, so that no step is done twice."""

from .save_on_signal import SaveOnSignal

__all__ = ["SaveOnSignal"]
