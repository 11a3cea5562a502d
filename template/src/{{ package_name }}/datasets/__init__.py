"""Data sets that Darts and statsmodels bring along."""

import importlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from darts import TimeSeries

from ..data import Panel, Source, Storage
from ..data.checks import Problems
from ..errors import UserError

# the data sets of statsmodels with times: the first time, and the frequency
WITH_TIMES = {
    "co2": ("1958-03-29", "W-SAT"),
    "elnino": ("1950-01-01", "MS"),
    "interest_inflation": ("1972-04-01", "QS-OCT"),
    "macrodata": ("1959-01-01", "QS-OCT"),
    "nile": ("1871-01-01", "YS"),
    "sunspots": ("1700-01-01", "YS"),
}
TIME_COLUMNS = ["YEAR", "year", "quarter"]


class NamedSource(Source):
    """A source with data sets that are chosen by ``name``."""

    name: str

    @property
    def title(self) -> str:
        """Return the name of the data set."""
        return self.name

    def check_name(self, library: str, known: Iterable[str]) -> None:
        """Raise UserError unless ``name`` is one of the ``known`` data sets."""
        if self.name not in known:
            raise UserError(
                f"data.name: {self.name!r} is not a data set of {library}. Set one of "
                f"{', '.join(known)}."
            )


class DartsDataset(NamedSource):
    """A data set of ``darts.datasets``, downloaded unless it is in the cache of Darts."""

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return its series; see ``Source.read``.

        Raises:
            UserError: if there is no such data set, or it cannot be downloaded.
        """
        from darts import datasets
        from darts.datasets.dataset_loaders import DatasetLoadingException

        self.check_name("Darts", datasets.__all__)
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


class StatsmodelsDataset(NamedSource):
    """A data set that is embedded in statsmodels."""

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return one series; see ``Source.read``.

        Raises:
            UserError: if there is no data set of that name with times.
        """
        self.check_name("statsmodels with times", WITH_TIMES)
        module = importlib.import_module(f"statsmodels.datasets.{self.name}")
        table: pd.DataFrame = module.load_pandas().data
        if self.name == "elnino":
            # a row for each year, a column for each month
            table = table.set_index("YEAR").stack().to_frame("temperature")
        first, frequency = WITH_TIMES[self.name]
        times = pd.date_range(first, periods=len(table), freq=frequency)
        values = table.drop(columns=TIME_COLUMNS, errors="ignore").set_index(times)
        return Panel.from_series(TimeSeries.from_dataframe(values), [self.name])
