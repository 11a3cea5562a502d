"""A table of finished runs."""
