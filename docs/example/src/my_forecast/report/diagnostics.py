"""Which forecasts to show, and whether the errors of the model are random."""

import numpy as np

from ..evaluation.backtest import Backtest
from ..evaluation.inference import Array
from ..evaluation.metrics import Metrics, worst_series

# lags of the autocorrelation; the usual choice for series without a season
LAGS = 10
# with fewer errors, a test of autocorrelation means nothing
MIN_ERRORS = 20


def examples(backtest: Backtest, metrics: Metrics) -> dict[str, int]:
    """Return the numbers of the forecasts to show, by label.

    They are the last forecasts of the best, the median and the worst series. For a single series,
    they are its best, median and worst forecast by mean absolute error.
    """
    if len(backtest.names) == 1:
        order, kind = np.argsort(backtest.mae("model")), "forecast"
    else:
        worst_first = worst_series(metrics.by_series, len(backtest.names)).index
        order, kind = (np.cumsum(backtest.windows) - 1)[worst_first[::-1]], "series"
    # one that has two places keeps the last label
    places = {0: "Best", len(order) // 2: "Median", len(order) - 1: "Worst"}
    return {f"{label} {kind}": int(order[place]) for place, label in sorted(places.items())}


def one_step_errors(backtest: Backtest, series: int) -> Array:
    """Return truth - forecast of the first step and component, in order of time: (windows,)."""
    errors: Array = backtest.errors("model")[backtest.origins.series == series, 0, 0]
    return errors


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
