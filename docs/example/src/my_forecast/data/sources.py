"""Data sources, and what is done to the series of every one of them."""

from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries, concatenate
from darts.utils.timeseries_generation import datetime_attribute_timeseries, holidays_timeseries
from darts.utils.utils import generate_index
from hydra.utils import get_method
from pydantic import Field, field_validator

from ..config import DataConfig
from ..errors import UserError
from .checks import Problems
from .gaps import fill_gaps, warn_of_constants
from .scaling import SCALERS
from .series import SeriesSet
from .split import cut_after, split_components
from .storage import IN_MEMORY, Storage

# days for which the events of the synthetic data are known ahead
DAYS_AHEAD = 90
# attributes whose last value is followed by the first one: they become a sine and a cosine
CYCLIC = ("quarter", "month", "week", "dayofyear", "day", "dayofweek", "hour", "minute", "second")


class Source(DataConfig, ABC):
    """A data source: its fields are the keys of its YAML file in ``conf/data``."""

    @abstractmethod
    def read(self, storage: Storage, problems: Problems, future: Path | None) -> SeriesSet:
        """Return the series as they are, with NaN for missing values.

        Args:
            storage: makes the arrays for the values of large data.
            problems: collects what is wrong with the data.
            future: a file with later rows of future covariates, for sources that read files.
        """

    @field_validator("scaler")
    @classmethod
    def _known_scaler(cls, name: str) -> str:
        if name not in SCALERS:
            raise ValueError(f"must be one of {', '.join(SCALERS)}")
        return name


def load_data(
    config: DataConfig, storage: Storage = IN_MEMORY, ahead: int = 0, future: Path | None = None
) -> SeriesSet:
    """Load the series of a source, and fill their gaps as ``config.fill`` says.

    Args:
        config: the source.
        storage: makes the arrays for the values of large data.
        ahead: steps after the end of the series for which ``data.calendar`` is needed.
        future: a file with later rows of future covariates.

    Returns:
        Series without missing values, in the precision of their source.

    Raises:
        DataError: listing everything that is wrong with the data.
        UserError: if a setting does not fit the data.
    """
    assert isinstance(config, Source)
    problems = Problems(config.title)
    data = config.read(storage, problems, future)
    if not data.names:
        problems.refuse()
    problems.several |= len(data.names) > 1
    if config.end is not None:
        data = cut_after(data, config.end, problems)
    if config.component_series:
        data = split_components(data)
    data = fill_gaps(data, config, problems)
    problems.refuse()
    warn_of_constants(data)
    return _with_calendar(data, config, ahead)


class Co2(Source):
    """Weekly CO2 at Mauna Loa, 1958-2001, in ppm, with its gaps.

    Source: Keeling and Whorf (2004), as embedded in ``statsmodels.datasets.co2``.
    """

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> SeriesSet:
        """Return one series."""
        from statsmodels.datasets import co2

        return SeriesSet(["co2"], [TimeSeries.from_dataframe(co2.load_pandas().data)])


class Synthetic(Source):
    """Daily series: level, trend, weekly season, the effect of a known event, and noise."""

    n_series: int = Field(ge=1)
    length: int = Field(ge=1)
    noise: float
    seed: int

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> SeriesSet:
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
        return SeriesSet(names, targets, future_covariates=events)


class FunctionSource(Source):
    """Series that a function of your own returns."""

    function: str

    @property
    def title(self) -> str:
        """Return the name of the function."""
        return self.function

    def read(self, storage: Storage, problems: Problems, future: Path | None) -> SeriesSet:
        """Call the function, without arguments."""
        try:
            function = get_method(self.function)
        except Exception as error:
            raise UserError(f"data.function: cannot import {self.function!r} ({error}).") from error
        return SeriesSet.from_series(function(), self.function)


def _with_calendar(data: SeriesSet, config: Source, ahead: int) -> SeriesSet:
    """Add attributes of the date, and holidays, to the future covariates of every series.

    Darts makes them with a model's ``add_encoders``, but not for custom data sets. A series without
    future covariates gets them until ``ahead`` steps after its end.
    """
    if not config.calendar and config.holidays is None:
        return data
    # the series of a panel share their times, so most calendars are made once
    made: dict[tuple[object, ...], TimeSeries] = {}
    groups = []
    for number, target in enumerate(data.targets):
        if not target.has_datetime_index:
            raise UserError(
                "data.calendar and data.holidays need dates, but the times of the data are numbers."
            )
        known = data.future_covariates[number] if data.future_covariates else None
        if known is not None:
            times = known.time_index
        else:
            length = len(target) + ahead
            times = generate_index(start=target.start_time(), length=length, freq=target.freq)
        key = times[0], len(times), target.freq
        if key not in made:
            made[key] = _calendar(times, config)
        groups.append(made[key] if known is None else known.stack(made[key]))
    return replace(data, future_covariates=groups)


def _calendar(times: pd.DatetimeIndex, config: Source) -> TimeSeries:
    found = []
    for attribute in config.calendar:
        cyclic = attribute in CYCLIC
        try:
            found.append(datetime_attribute_timeseries(times, attribute, cyclic=cyclic))
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(
                f"data.calendar: {attribute!r} is not a number of pandas.DatetimeIndex. Use "
                f"{', '.join(CYCLIC)} or year."
            ) from error
    if config.holidays is not None:
        try:
            found.append(holidays_timeseries(times, config.holidays))
        except NotImplementedError as error:
            raise UserError(
                f"data.holidays: {config.holidays!r} is not a country of the package holidays. Use "
                "a code such as DE or US."
            ) from error
    return concatenate(found, axis="component")
