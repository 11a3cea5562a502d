"""Calibrated prediction intervals for any trained model."""

from .conformal import ConformalMargins, calibrate

__all__ = ["ConformalMargins", "calibrate"]
