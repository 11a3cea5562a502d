"""Windows that take their time, as data sets with work per window do."""

import time

import numpy as np
from darts.utils.data import TorchTrainingSample
from torch.utils.data import Dataset


class SlowWindows(Dataset[TorchTrainingSample]):
    """Windows of zeros, each after some computing and some waiting."""

    def __init__(self, computing: float = 0.0, waiting: float = 0.0) -> None:
        """Set the seconds that each window takes."""
        self.computing = computing
        self.waiting = waiting

    def __len__(self) -> int:
        """Return the number of windows."""
        return 100_000

    def __getitem__(self, index: int) -> TorchTrainingSample:
        """Return a window."""
        end = time.perf_counter() + self.computing
        while time.perf_counter() < end:
            pass
        time.sleep(self.waiting)
        window = np.zeros((96, 1), dtype=np.float32)
        return TorchTrainingSample(past_target=window, future_target=window[:24])
