"""Attacks on a rendered project: bounded in time, and in full with RELIABILITY=full."""

import os

FULL = os.environ.get("RELIABILITY") == "full"
