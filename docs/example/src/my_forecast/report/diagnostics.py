"""Which forecasts to show, and whether the errors of the model are random."""

import numpy as np
import pandas as pd

from ..evaluation.backtest import Backtest
from ..evaluation.inference import Array
from ..evaluation.metrics import Metrics, worst_series

# lags of the autocorrelation; the usual choice for series without a season
LAGS = 10
# with fewer errors, a test of autocorrelation means nothing
MIN_ERRORS = 20


def examples(backtest: Backtest, metrics: Metrics) -> dict[str, int]:
    """Return the numbers of the forecasts to show, by label.

    They are the last forecasts of the best, the median and the worst series; those that do not
    change in the test part are left out. For a single series, they are its best, median and worst
    forecast by mean absolute error.
    """
    if len(backtest.names) == 1:
        known = np.count_nonzero(backtest.weights)
        # NaN comes last
        order, kind = np.argsort(backtest.mae("model"))[:known], "forecast"
    else:
        truth, series = pd.DataFrame(backtest.truth[..., 0]), backtest.origins.series
        low, high = truth.min(axis=1).groupby(series).min(), truth.max(axis=1).groupby(series).max()
        worst_first = worst_series(metrics.by_series, len(backtest.names)).index
        shown = worst_first.intersection(low.index[high > low], sort=False)
        shown = shown if len(shown) else worst_first
        order, kind = (np.cumsum(backtest.windows) - 1)[shown[::-1]], "series"
    # one that has two places keeps the last label
    places = {0: "Best", len(order) // 2: "Median", len(order) - 1: "Worst"}
    return {f"{label} {kind}": int(order[place]) for place, label in sorted(places.items())}


def one_step_errors(backtest: Backtest, series: int) -> Array:
    """Return truth - forecast of the first step and component, where the truth is known.

    The order is that of time; the shape is (windows,) if no value is missing.
    """
    errors: Array = backtest.errors("model")[backtest.origins.series == series, 0, 0]
    return errors[~np.isnan(errors)]


def autocorrelation(errors: Array) -> tuple[Array | None, float | None]:
    """Return the autocorrelation at lags 1 to ``LAGS``, and the p-value of the Ljung-Box test.

    A small p-value says that errors depend on earlier ones. Both are None with too few errors.
    """
    if len(errors) < MIN_ERRORS or np.ptp(errors) == 0:
        return None, None
    # imported here because it takes half a second
    from statsmodels.stats.diagnostic import acorr_ljungbox
    from statsmodels.tsa.stattools import acf

    test = acorr_ljungbox(errors, lags=[LAGS])
    return acf(errors, nlags=LAGS)[1:], float(test["lb_pvalue"].iloc[0])
