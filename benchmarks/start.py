"""The time until ``python train.py --help`` has printed its help, against ``import hydra`` alone.

Whoever asks for help should not wait for torch, Darts or Lightning.
"""

from collections.abc import Iterator

from common import Row, interleaved, medians, seconds
from scripts.processes import project, run

REPEATS = 9


def measure() -> Iterator[Row]:
    """Compare the two as whole processes; neither includes the other."""
    sides = {
        "import hydra": lambda: seconds(lambda: run(["-c", "import hydra"], project())),
        "train.py --help": lambda: seconds(lambda: run(["train.py", "--help"], project())),
    }
    times = medians(interleaved(sides, REPEATS))
    detail = {f"{name}, s": round(value, 3) for name, value in times.items()}
    ratio = times["train.py --help"] / times["import hydra"]
    yield Row("start", "train.py --help against import hydra", ratio, "<= 2 x", detail)
