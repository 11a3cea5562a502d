"""A backtest that retrains the model as its origin moves on."""

from .retrain import Retraining

__all__ = ["Retraining"]
