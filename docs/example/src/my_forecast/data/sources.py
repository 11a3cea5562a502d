"""Data sources, and what is done to the series of every one of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from darts import TimeSeries
from hydra.utils import get_method
from pydantic import Field, field_validator

from ..config import DataConfig, build
from ..errors import UserError
from .checks import Problems
from .gaps import fill_gaps, warn_of_constants
from .panel import IN_MEMORY, Array, Panel, SeriesArray, Steps, Storage
from .scaling import scaler_kind
from .split import cut_after, split_components

# of the tables that hold forecasts, beside the targets
FORECAST_COLUMNS = {"series", "time"}
# days for which the events of the synthetic data are known ahead
DAYS_AHEAD = 90


class Source(DataConfig, ABC):
    """A data source: its fields are the keys of its YAML file in ``conf/data``."""

    @abstractmethod
    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return the series as they are, with NaN for missing values, which are filled in place.

        Args:
            storage: makes the arrays for the values of large data.
            problems: collects what is wrong with the data.
            future: a file with later rows of future covariates, for sources that read files.
        """

    @field_validator("scaler")
    @classmethod
    def _known_scaler(cls, name: str) -> str:
        scaler_kind(name)
        return name


def load_data(
    config: DataConfig, storage: Storage = IN_MEMORY, ahead: int = 0, future: Path | None = None
) -> Panel:
    """Load the series of a source, and fill their gaps as ``config.fill`` says.

    Args:
        config: the source.
        storage: makes the arrays for the values of large data.
        ahead: steps after the end of the series for which ``data.covariates`` are needed.
        future: a file with later rows of future covariates.

    Returns:
        Series without missing values, in the precision of their source.

    Raises:
        DataError: listing everything that is wrong with the data.
        UserError: if a setting does not fit the data.
    """
    panel, problems = read_data(config, storage, future)
    panel = fill_gaps(panel, config, problems)
    problems.refuse()
    warn_of_constants(panel)
    finished = {
        role: replace(array, values=storage.finish(array.values))
        for role, array in panel.roles.items()
    }
    return _with_covariates(panel.with_roles(finished), config, ahead, storage)


def read_data(
    config: DataConfig, storage: Storage, future: Path | None = None
) -> tuple[Panel, Problems]:
    """Read the series of a source, with NaN for missing values, and return the problems so far.

    Raises:
        DataError: if no series can be read.
        UserError: if a setting does not fit the data.
    """
    assert isinstance(config, Source)
    problems = Problems(config.title)
    panel = config.read(storage, problems, future)
    if not panel.names:
        problems.refuse()
    problems.several |= len(panel.names) > 1
    if config.end is not None:
        panel = cut_after(panel, config.end, problems)
    if config.component_series:
        panel = split_components(panel, storage)
    for column in sorted(FORECAST_COLUMNS.union(panel.labels) & set(panel.targets.components)):
        what, remedy = "forecasts have a column of this name", "Rename the target, or leave it out."
        problems.add(what, remedy, subject=f"column {column!r}")
    return panel, problems


class Co2(Source):
    """Weekly CO2 at Mauna Loa, 1958-2001, in ppm, with its gaps.

    Source: Keeling and Whorf (2004), as embedded in ``statsmodels.datasets.co2``.
    """

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return one series; see ``Source.read``."""
        from statsmodels.datasets import co2

        return Panel.from_series(TimeSeries.from_dataframe(co2.load_pandas().data), ["co2"])


class Synthetic(Source):
    """Daily series: level, trend, weekly season, the effect of a known event, and noise."""

    n_series: int = Field(ge=1)
    length: int = Field(ge=1)
    noise: float
    seed: int

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Return the series, with events that are known ``DAYS_AHEAD`` days ahead."""
        random = np.random.default_rng(self.seed)
        days = np.arange(self.length)
        index = pd.date_range("2020-01-01", periods=self.length + DAYS_AHEAD, freq="D")
        targets, events = [], []
        for _ in range(self.n_series):
            level, slope, amplitude, effect = random.uniform([10, -0.01, 1, 2], [50, 0.03, 5, 6])
            event = (random.random(len(index)) < 0.05).astype(float)
            season = amplitude * np.sin(2 * np.pi * (days + random.integers(7)) / 7)
            noise = self.noise * random.standard_normal(self.length)
            values = level + slope * days + season + effect * event[: self.length] + noise
            targets.append(TimeSeries(index[: self.length], values, components=["value"]))
            events.append(TimeSeries(index, event, components=["event"]))
        names = [f"series_{number:04d}" for number in range(self.n_series)]
        return Panel.from_series(targets, names, future_covariates=events)


class FunctionSource(Source):
    """Series that a function of your own returns."""

    function: str
    arguments: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """Return the name of the function."""
        return self.function

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> Panel:
        """Call the function with ``data.arguments``; see ``Source.read``.

        A data frame has the columns ``ds`` with times and, for several series, ``unique_id``; all
        others are targets.
        """
        try:
            function = get_method(self.function)
        except Exception as error:
            raise UserError(f"data.function: cannot import {self.function!r} ({error}).") from error
        found = function(**self.arguments)
        if isinstance(found, Panel):
            # gaps are filled in place
            return deepcopy(found)
        if isinstance(found, pd.DataFrame | pl.DataFrame):
            from .files import SERIES, TIME, FrameSource

            targets = [str(name) for name in found.columns if name not in (SERIES, TIME)]
            own = self.model_dump(include=set(DataConfig.model_fields) - {"target_"})
            columns = {"time_column": TIME, "target_columns": targets, "frame": found}
            source = FrameSource.model_validate(own | columns)
            return source.read(storage, problems, future)
        series = list(found) if isinstance(found, Sequence) else [found]
        if not series or not all(isinstance(one, TimeSeries) for one in series):
            raise UserError(
                f"{self.function}: returned {type(found).__name__}. Return a Panel, a TimeSeries, "
                "a list of TimeSeries, or a data frame."
            )
        return Panel.from_series(series)


def _with_covariates(panel: Panel, config: DataConfig, ahead: int, storage: Storage) -> Panel:
    """Append what the functions in ``data.covariates`` return to the future covariates.

    A series without future covariates gets them until ``ahead`` steps after its end.
    """
    if not config.covariates:
        return panel
    known, targets = panel.future_covariates, panel.targets
    axis = panel.extended(int(targets.stop.max()) + ahead)
    times = panel.local(axis)
    tables = []
    for name, node in config.covariates.items():
        table = pd.DataFrame(build(node)(times), index=times)
        if table.empty or table.isna().any(axis=None):
            raise UserError(
                f"data.covariates.{name}: the function must return at least one column, with a "
                "number for every time it is given. A data frame needs these times as its index."
            )
        tables.append(table)
    table = pd.concat(tables, axis=1)
    values, components = table.to_numpy(np.float64), [str(column) for column in table]
    if known is None:
        # the table has a row for each time on the axis, so all series share it
        length = targets.length + ahead
        added = SeriesArray(values, targets.start, length, targets.start, components)
    else:

        def append(numbers: Steps, own: Array) -> Array:
            steps = known.start[numbers, None] + np.arange(own.shape[1])
            return np.concatenate([own, values[steps]], axis=2)

        components = [*known.components, *components]
        added = known.map(append, components, np.float64, storage, "future_covariates")
    return replace(panel, times=axis, future_covariates=added)
