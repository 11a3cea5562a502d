"""One forecast made of those of several runs."""

from collections.abc import Callable

import numpy as np
from darts import TimeSeries
from numpy.typing import NDArray

from .errors import UserError
from .forecasting import Forecast

AVERAGES: dict[str, Callable[..., NDArray[np.float64]]] = {"mean": np.mean, "median": np.median}


def combine(members: list[list[Forecast]], average: str) -> list[Forecast]:
    """Average the forecasts of several runs, step by step and quantile by quantile.

    The quantiles of an average are not exactly the averages of quantiles, but forecasts that are
    averaged so are as sharp as their members (doi:10.1287/mnsc.1120.1667).

    Args:
        members: for each run the forecasts of the same series.
        average: ``mean`` or ``median``.

    Raises:
        UserError: when times or components differ, or only some have quantiles or others.
    """
    if len(members) == 1:
        return members[0]
    for forecasts in members[1:]:
        for one, other in zip(members[0], forecasts, strict=True):
            _check_alike(one, other)

    def averaged(series: list[TimeSeries]) -> TimeSeries:
        values = np.stack([one.values(copy=False) for one in series])
        return series[0].with_values(AVERAGES[average](values, axis=0)[..., None])

    combined = []
    for forecasts_of_series in zip(*members, strict=True):
        levels = forecasts_of_series[0].quantiles
        combined.append(
            Forecast(
                averaged([one.point for one in forecasts_of_series]),
                {
                    level: averaged([one.quantiles[level] for one in forecasts_of_series])
                    for level in levels
                },
            )
        )
    return combined


def _check_alike(one: Forecast, other: Forecast) -> None:
    for what, values in (
        ("components", [list(part.point.components) for part in (one, other)]),
        ("first steps", [part.point.start_time() for part in (one, other)]),
        ("frequencies", [part.point.freq_str for part in (one, other)]),
        ("quantiles", [list(part.quantiles) for part in (one, other)]),
    ):
        if values[0] != values[1]:
            raise UserError(
                f"run: the {what} of the runs differ, {values[0]} and {values[1]}. Combine runs "
                "that forecast the same."
            )
