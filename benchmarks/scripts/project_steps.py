"""Prints the windows per second of the project's loader or fit as JSON, for ``peers.py``."""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import BATCH, darts_dataset, random_series, seconds, window_dataset
from my_forecast.loading.epoch_order import EpochOrder, GatheredBatches
from my_forecast.loading.windows import WindowDataset


def main() -> None:
    """Read the command line that the peers' scripts have, too."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--task")
    parser.add_argument("--model")
    parser.add_argument("--batches", type=int)
    arguments = parser.parse_args()
    windows = window_dataset(darts_dataset(random_series([2000] * 100)))
    if arguments.task == "loader":
        speed = loader(windows, arguments.batches)
    else:
        import training

        training.quiet()
        training.STEPS[arguments.model] = arguments.batches
        speed = BATCH * training.project_steps(arguments.model, windows, [])
    print(json.dumps({"windows_per_s": speed}))


def loader(windows: WindowDataset, batches: int) -> float:
    """Return the windows per second of the training loader, consumed as the peers' are."""
    iterator = iter(GatheredBatches(windows, EpochOrder(len(windows), BATCH, seed=0)))
    for _ in range(5):
        next(iterator)

    def consume() -> None:
        for _ in range(batches):
            next(iterator).future_target.sum().item()

    return BATCH * batches / seconds(consume)


if __name__ == "__main__":
    main()
