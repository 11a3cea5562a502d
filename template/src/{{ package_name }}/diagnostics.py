"""Which forecasts to look at, and what the errors of a model still hold."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .evaluation import Backtest
from .skill import worst_series

# lags of autocorrelation; the usual choice for series without a season
LAGS = 10
# fewer errors show nothing
MIN_ERRORS = 20


@dataclass(frozen=True)
class Example:
    """One forecast to look at: positions of its series, and of it among those of the series."""

    label: str
    series: int
    window: int


@dataclass(frozen=True)
class Residuals:
    """Errors of one series, one step ahead, and what they say.

    Attributes:
        errors: truth - forecast for the first step of every forecast, of the first component, in
            the order of time, shape (windows,).
        bias: mean of the errors: above 0 forecasts are too low.
        autocorrelation: of lags 1 to ``LAGS``; None for too few errors.
        p_value: of the Ljung-Box test that there is no autocorrelation; None alike.
    """

    errors: NDArray[np.float64]
    bias: float
    autocorrelation: NDArray[np.float64] | None
    p_value: float | None


def examples(result: Backtest, by_series: pd.DataFrame) -> list[Example]:
    """Return the best, the median and the worst series, each with its last forecast.

    Of a single series these are the forecasts with the smallest, the median and the largest mean
    absolute error.
    """
    if len(by_series) == 1:
        error = np.abs(result.forecasts["model"][0] - result.truth[0]).mean(axis=(1, 2))
        order = [(0, int(window)) for window in np.argsort(error)]
        what = "forecast"
    else:
        worst_first = worst_series(by_series, len(by_series)).index
        order = [(number, -1) for number in worst_first[::-1]]
        what = "series"
    places = {"Best": 0, "Median": len(order) // 2, "Worst": len(order) - 1}
    unique = {place: label for label, place in places.items()}
    return [Example(f"{label} {what}", *order[place]) for place, label in sorted(unique.items())]


def residuals(result: Backtest, number: int) -> Residuals:
    """Check the errors of one series, which a model that has learnt all there is leaves random."""
    errors = (result.truth[number] - result.forecasts["model"][number])[:, 0, 0]
    bias = float(errors.mean())
    if len(errors) < MIN_ERRORS or np.ptp(errors) == 0:
        return Residuals(errors, bias, None, None)
    # imported here, for it takes half a second
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tsa.stattools import acf

    p_value = float(acorr_ljungbox(errors, lags=[LAGS])["lb_pvalue"].iloc[0])
    return Residuals(errors, bias, acf(errors, nlags=LAGS)[1:], p_value)


def standardised_errors(result: Backtest) -> NDArray[np.float64]:
    """Return truth - forecast of all steps, in deviations of the training part of their series."""
    parts = zip(result.truth, result.forecasts["model"], result.scales, strict=True)
    return np.concatenate(
        [((truth - forecast) / scale.deviation).ravel() for truth, forecast, scale in parts]
    )
