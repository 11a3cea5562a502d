"""Forecasting with Darts, configured by Hydra."""
