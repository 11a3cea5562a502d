"""Run the comparison: `python -m <package>.compare`."""

from . import main

main()
