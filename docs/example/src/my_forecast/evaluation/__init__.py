"""Forecasts, and how good they are."""
