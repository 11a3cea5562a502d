"""Run the comparison: `python -m <package>.compare`."""

from .table import main

main()
