"""What the stories do again and again: read a message, find a folder, recompute a number."""

from pathlib import Path

import pandas as pd
from engine.project import Finished

# seconds instead of minutes; a user would leave them out
QUICK = ["trainer.max_epochs=1", "trainer.accelerator=cpu", "after_run=[]", "seed=0"]
SMALL = ["model=dlinear", "model.input_chunk_length=14", "horizon=7", *QUICK]


def done(finished: Finished) -> str:
    """Return what a command printed that ended well."""
    printed = finished.out + finished.err
    assert finished.code == 0, printed
    assert "Traceback" not in printed
    return printed


def refusal(finished: Finished) -> str:
    """Return the message of a command that was refused; there is one, and no traceback."""
    printed = finished.out + finished.err
    assert finished.code == 1, printed
    assert printed.count("Error: ") == 1, printed
    assert "Traceback" not in printed
    return printed[printed.index("Error: ") :].strip()


def latest(task: str = "train") -> Path:
    """Return the folder of the newest run in the working directory."""
    return sorted(Path("outputs", task).glob("*/*"))[-1]


def forecasts(folder: Path) -> pd.DataFrame:
    """Return all forecasts of a test as a data frame of pandas."""
    return pd.read_parquet(folder / "forecasts.parquet")
