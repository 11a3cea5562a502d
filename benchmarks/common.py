"""What the benchmarks share: the data, the timing, and the shape of a result."""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.data import SequentialTorchTrainingDataset
from my_forecast.data import Panel
from my_forecast.loading.windows import WindowDataset

INPUT, OUTPUT, BATCH = 96, 24, 256
REPEATS = 5


@dataclass(frozen=True)
class Row:
    """One line of the report: a ratio measured side by side in one run.

    ``ratio`` is in the sense of ``target``: ">= 25" wants a ratio of at least 25, "<= 5 %" at most
    five percent. ``detail`` holds the medians that it was made from.
    """

    bench: str
    case: str
    ratio: float
    target: str
    detail: dict[str, Any]

    @property
    def met(self) -> bool:
        """Tell whether the ratio reaches its target."""
        relation, number = self.target.split()[:2]
        return self.ratio >= float(number) if relation == ">=" else self.ratio <= float(number)


def interleaved(
    sides: dict[str, Callable[[], float]], repeats: int = REPEATS, warm_up: bool = True
) -> dict[str, list[float]]:
    """Run all sides in turn, ``repeats`` times, and return what they say.

    Every other round runs in the opposite order, so that no side always comes first.

    Args:
        sides: each runs once when called, and returns its measurement.
        repeats: rounds.
        warm_up: whether another round comes before these.
    """
    results: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(-1 if warm_up else 0, repeats):
        order: Iterable[str] = sides if number % 2 else reversed(sides)
        for name in order:
            value = sides[name]()
            if number >= 0:
                results[name].append(value)
    return results


def medians(results: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of every side."""
    return {name: statistics.median(values) for name, values in results.items()}


def seconds(function: Callable[[], Any]) -> float:
    """Return the wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def random_series(lengths: Sequence[int], components: int = 1, static: int = 0) -> list[TimeSeries]:
    """Return random walks of float32, hourly, all from the same start."""
    random = np.random.default_rng(0)
    series = []
    for length in lengths:
        steps = random.standard_normal((length, components), dtype=np.float32)
        times = pd.date_range("2020-01-01", periods=length, freq="h")
        one = TimeSeries(times, steps.cumsum(axis=0))
        if static:
            frame = pd.DataFrame(random.standard_normal((1, static)).astype(np.float32))
            one = one.with_static_covariates(frame.add_prefix("static_"))
        series.append(one)
    return series


def darts_dataset(series: list[TimeSeries], **covariates: Any) -> SequentialTorchTrainingDataset:
    """Return the dataset that ``fit`` of Darts makes for most models."""
    return SequentialTorchTrainingDataset(
        series, input_chunk_length=INPUT, output_chunk_length=OUTPUT, **covariates
    )


def window_dataset(dataset: SequentialTorchTrainingDataset) -> WindowDataset:
    """Return the windows of the project for the series of a dataset of Darts."""
    roles = {role: getattr(dataset, role) for role in ("past_covariates", "future_covariates")}
    return WindowDataset(dataset, Panel.from_series(dataset.series, **roles))
