"""The Python API of this project: what a finished run forecasts, in a notebook or a service.

    >>> from my_forecast import load_run
    >>> run = load_run("latest")  # or the folder of a run
    >>> run.metrics["test"]["model"]["mae"]
    >>> run.forecast(horizon=26)  # after the training data, as a data frame
    >>> run.forecast(series, horizon=26, quantiles=[0.1, 0.5, 0.9])  # after another TimeSeries
    >>> run.backtest(stride=4)

``run.config``, ``run.record``, ``run.model`` and ``run.scalers`` are what their names say; the
methods of ``run.Run`` describe every argument.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run import Run, load_run

__all__ = ["Run", "load_run"]


def __getattr__(name: str) -> Any:
    # torch and Darts are imported when they are needed: workers import this package, too
    if name in __all__:
        from . import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
