"""The commands behind the entry points, one module each."""
