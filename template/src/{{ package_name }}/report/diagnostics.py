"""Which forecasts to show, and whether the errors of the model are random."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..evaluation.backtest import Backtest
from ..evaluation.metrics import worst_series

# lags of the autocorrelation; the usual choice for series without a season
LAGS = 10
# with fewer errors, a test of autocorrelation means nothing
MIN_ERRORS = 20


@dataclass(frozen=True)
class Example:
    """One forecast to show: positions of its series, and of the forecast within the series."""

    label: str
    series: int
    window: int


@dataclass(frozen=True)
class Residuals:
    """Errors of one series, one step ahead.

    Attributes:
        errors: truth - forecast of the first step of every forecast, first component, in order
            of time, shape (windows,).
        bias: mean error; positive when forecasts are too low.
        autocorrelation: at lags 1 to ``LAGS``; None with too few errors.
        p_value: of the Ljung-Box test for no autocorrelation; None with too few errors.
    """

    errors: NDArray[np.float64]
    bias: float
    autocorrelation: NDArray[np.float64] | None
    p_value: float | None


def examples(backtest: Backtest, by_series: pd.DataFrame) -> list[Example]:
    """Return the last forecast of the best, the median and the worst series.

    For a single series, return its best, median and worst forecast by mean absolute error.
    """
    if len(by_series) == 1:
        error = np.abs(backtest.forecasts["model"] - backtest.truth).mean(axis=(1, 2))
        order, kind = [(0, int(window)) for window in np.argsort(error)], "forecast"
    else:
        worst_first = worst_series(by_series, len(by_series)).index
        order, kind = [(series, -1) for series in worst_first[::-1]], "series"
    positions = {0: "Best", len(order) // 2: "Median", len(order) - 1: "Worst"}
    return [Example(f"{label} {kind}", *order[at]) for at, label in sorted(positions.items())]


def residuals(backtest: Backtest, series: int) -> Residuals:
    """Test the errors of one series for autocorrelation."""
    own = backtest.origins.series == series
    errors = (backtest.truth[own] - backtest.forecasts["model"][own])[:, 0, 0]
    bias = float(errors.mean())
    if len(errors) < MIN_ERRORS or np.ptp(errors) == 0:
        return Residuals(errors, bias, None, None)
    # imported here because it takes half a second
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tsa.stattools import acf

    p_value = float(acorr_ljungbox(errors, lags=[LAGS])["lb_pvalue"].iloc[0])
    return Residuals(errors, bias, acf(errors, nlags=LAGS)[1:], p_value)


def standardized_errors(backtest: Backtest) -> NDArray[np.float64]:
    """Return truth - forecast of all steps, divided by the deviation of the training part."""
    errors = backtest.truth - backtest.forecasts["model"]
    found: NDArray[np.float64] = errors / backtest.scale.deviation[backtest.origins.series][:, None]
    return found.ravel()
