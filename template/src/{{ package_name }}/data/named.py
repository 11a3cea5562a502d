"""Series from the data sets of Darts and statsmodels, and from functions of your own."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
from darts import TimeSeries
from hydra.utils import get_method

from ..errors import UserError
from ..settings import DartsDatasetSettings, FunctionSettings, StatsmodelsSettings
from .series import SeriesSet


def load_function(settings: FunctionSettings) -> SeriesSet:
    """Return what the function named by ``settings.function`` returns.

    It takes no arguments and returns a ``SeriesSet``, a ``TimeSeries`` or a list of those.

    Raises:
        UserError: when there is no such function, or it returns something else.
    """
    try:
        function = get_method(settings.function)
    except Exception as error:
        raise UserError(
            f"data.function: there is no function {settings.function!r} ({error})."
        ) from error
    found = function()
    if isinstance(found, SeriesSet):
        return found
    return _wrapped(found, settings.function)


def load_darts_dataset(settings: DartsDatasetSettings) -> SeriesSet:
    """Return a data set of ``darts.datasets``, which is downloaded where it is not in its cache.

    Raises:
        UserError: when there is no such data set, or it cannot be downloaded.
    """
    from darts import datasets
    from darts.datasets.dataset_loaders import DatasetLoadingException

    if settings.name not in datasets.__all__:
        raise UserError(
            f"data.name: {settings.name!r} is none of the data sets of Darts: "
            f"{', '.join(datasets.__all__)}."
        )
    loader = getattr(datasets, settings.name)()
    try:
        return _wrapped(loader.load(), settings.name)
    # it derives from BaseException
    except DatasetLoadingException as error:
        raise UserError(
            f"data.name: {settings.name} is neither in the cache of Darts nor could it be "
            f"downloaded ({' '.join(str(error).split())[:200]}). Check the connection, or copy "
            f"the file to {loader._get_path_dataset()}."
        ) from error


def load_statsmodels(settings: StatsmodelsSettings) -> SeriesSet:
    """Return a data set that is embedded in statsmodels.

    Raises:
        UserError: when there is none of that name with times.
    """
    if settings.name not in _STATSMODELS:
        raise UserError(f"data.name: {settings.name!r} is none of {', '.join(_STATSMODELS)}.")
    module = importlib.import_module(f"statsmodels.datasets.{settings.name}")
    table = _STATSMODELS[settings.name](module.load_pandas().data)
    return SeriesSet([settings.name], [TimeSeries.from_dataframe(table)])


def _wrapped(found: Any, source: str) -> SeriesSet:
    """Return series as a set, with numbers as names where there are several."""
    series = list(found) if isinstance(found, Sequence) else [found]
    if not series or not all(isinstance(one, TimeSeries) for one in series):
        raise UserError(
            f"{source}: it returns {type(found).__name__}, no SeriesSet, TimeSeries or list of "
            "TimeSeries."
        )
    if len(series) == 1:
        return SeriesSet([str(series[0].components[0])], series)
    return SeriesSet([f"series_{number:04d}" for number in range(len(series))], series)


def _by_year(table: pd.DataFrame) -> pd.DataFrame:
    years = table.columns[0]
    return table.set_index(pd.to_datetime(table[years].astype(int).astype(str))).drop(columns=years)


def _by_quarter(table: pd.DataFrame) -> pd.DataFrame:
    first = pd.to_datetime({"year": table["year"], "month": 3 * table["quarter"] - 2, "day": 1})
    return table.drop(columns=["year", "quarter"]).set_index(pd.DatetimeIndex(first))


def _months_of_years(table: pd.DataFrame) -> pd.DataFrame:
    months = table.melt("YEAR", var_name="month", value_name="temperature")
    names = months["YEAR"].astype(int).astype(str) + months["month"].str.title()
    times = pd.DatetimeIndex(pd.to_datetime(names, format="%Y%b"))
    return months[["temperature"]].set_index(times).sort_index()


# those with times, and how these become an index
_STATSMODELS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "co2": lambda table: table,
    "elnino": _months_of_years,
    "interest_inflation": _by_quarter,
    "macrodata": _by_quarter,
    "nile": _by_year,
    "sunspots": _by_year,
}
