"""Data larger than memory: values in files that are mapped into memory."""

from .mapped import MappedFiles

__all__ = ["MappedFiles"]
