"""Sources for the data sets of Darts and statsmodels."""

import importlib
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from darts import TimeSeries

from ..data.checks import Problems
from ..data.panel import Panel, Storage
from ..data.sources import Source
from ..errors import UserError


class DartsDataset(Source):
    """A data set of ``darts.datasets``, downloaded unless it is in the cache of Darts."""

    name: str

    @property
    def title(self) -> str:
        """Return the name of the data set."""
        return self.name

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return its series; see ``Source.read``.

        Raises:
            UserError: if there is no such data set, or it cannot be downloaded.
        """
        from darts import datasets
        from darts.datasets.dataset_loaders import DatasetLoadingException

        if self.name not in datasets.__all__:
            raise UserError(
                f"data.name: {self.name!r} is not a data set of Darts. Set one of "
                f"{', '.join(datasets.__all__)}."
            )
        loader = getattr(datasets, self.name)()
        try:
            return Panel.from_series(loader.load())
        # it derives from BaseException
        except DatasetLoadingException as error:
            raise UserError(
                f"data.name: {self.name} is not in the cache of Darts and cannot be downloaded "
                f"({' '.join(str(error).split())[:200]}). Check the connection, or copy the file "
                f"to {loader._get_path_dataset()}."
            ) from error


class StatsmodelsDataset(Source):
    """A data set that is embedded in statsmodels."""

    name: str

    @property
    def title(self) -> str:
        """Return the name of the data set."""
        return self.name

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return one series; see ``Source.read``.

        Raises:
            UserError: if there is no data set of that name with times.
        """
        if self.name not in _WITH_TIMES:
            raise UserError(
                f"data.name: {self.name!r} is not a data set of statsmodels with times. Set one of "
                f"{', '.join(_WITH_TIMES)}."
            )
        module = importlib.import_module(f"statsmodels.datasets.{self.name}")
        table = _WITH_TIMES[self.name](module.load_pandas().data)
        return Panel.from_series(TimeSeries.from_dataframe(table), [self.name])


def _by_year(table: pd.DataFrame) -> pd.DataFrame:
    years = table.columns[0]
    return table.set_index(pd.to_datetime(table[years].astype(int).astype(str))).drop(columns=years)


def _by_quarter(table: pd.DataFrame) -> pd.DataFrame:
    first = pd.to_datetime({"year": table["year"], "month": 3 * table["quarter"] - 2, "day": 1})
    return table.drop(columns=["year", "quarter"]).set_index(pd.DatetimeIndex(first))


def _by_month(table: pd.DataFrame) -> pd.DataFrame:
    months = table.melt("YEAR", var_name="month", value_name="temperature")
    names = months["YEAR"].astype(int).astype(str) + months["month"].str.title()
    times = pd.DatetimeIndex(pd.to_datetime(names, format="%Y%b"))
    return months[["temperature"]].set_index(times).sort_index()


# the data sets with times, and what makes these an index
_WITH_TIMES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "co2": lambda table: table,
    "elnino": _by_month,
    "interest_inflation": _by_quarter,
    "macrodata": _by_quarter,
    "nile": _by_year,
    "sunspots": _by_year,
}
