"""Where series come from: one function per source, and the table that finds it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from darts import TimeSeries

from ..settings import (
    Co2Settings,
    DartsDatasetSettings,
    DataSettings,
    FileSettings,
    FunctionSettings,
    StatsmodelsSettings,
    SyntheticSettings,
    listed,
)
from .arrange import one_series_a_component, until
from .calendar import add_calendar
from .gaps import fill_gaps, warn_of_constants
from .named import load_darts_dataset, load_function, load_statsmodels
from .report import Report
from .series import SeriesSet
from .storage import IN_MEMORY, Storage

# how far the events of the synthetic data are known, in days
DAYS_AHEAD = 90


def load_data(
    settings: DataSettings,
    storage: Storage = IN_MEMORY,
    ahead: int = 0,
    future: Path | None = None,
) -> SeriesSet:
    """Load the series that ``settings`` describe, with gaps treated as ``settings.fill`` says.

    Args:
        settings: of the source.
        storage: where the values of large files are kept.
        ahead: steps after the end of the series for which ``data.calendar`` is wanted.
        future: a file in which the future covariates of files go on.

    Returns:
        Series without missing values, in the precision of their source.

    Raises:
        UserError: when the data cannot be read or is not fit for training.
    """
    if isinstance(settings, FileSettings):
        # with pandera, which no other source needs
        from .files import read_files

        report = Report(", ".join(listed(settings.path)))
        data = read_files(settings, storage, report, future)
        if not data.names:
            report.refuse()
    else:
        report = Report(settings.source)
        data = _SOURCES[type(settings)](settings)
    if settings.end is not None:
        data = until(data, settings.end, report)
    if settings.component_series:
        data = one_series_a_component(data)
    data = fill_gaps(data, settings, report)
    report.refuse()
    warn_of_constants(data)
    return add_calendar(data, settings.calendar, settings.holidays, ahead)


def load_co2(settings: Co2Settings) -> SeriesSet:
    """Return weekly CO2 at Mauna Loa, 1958-2001, in ppm, with its gaps.

    Source: Keeling and Whorf (2004), as embedded in ``statsmodels.datasets.co2``.
    """
    from statsmodels.datasets import co2

    return SeriesSet(names=["co2"], targets=[TimeSeries.from_dataframe(co2.load_pandas().data)])


def make_synthetic(settings: SyntheticSettings) -> SeriesSet:
    """Return daily series: level, trend, weekly season, the effect of a known event, noise.

    The events are known for ``DAYS_AHEAD`` days more than the series.
    """
    random = np.random.default_rng(settings.seed)
    days = np.arange(settings.length)
    index = pd.date_range("2020-01-01", periods=settings.length + DAYS_AHEAD, freq="D")
    targets, events = [], []
    for _ in range(settings.n_series):
        level, slope, amplitude, effect = random.uniform([10, -0.01, 1, 2], [50, 0.03, 5, 6])
        event = (random.random(len(index)) < 0.05).astype(float)
        season = amplitude * np.sin(2 * np.pi * (days + random.integers(7)) / 7)
        noise = settings.noise * random.standard_normal(settings.length)
        values = level + slope * days + season + effect * event[: len(days)] + noise
        targets.append(TimeSeries(index[: len(days)], values, components=["value"]))
        events.append(TimeSeries(index, event, components=["event"]))
    names = [f"series_{number:04d}" for number in range(settings.n_series)]
    return SeriesSet(names=names, targets=targets, future_covariates=events)


_SOURCES: dict[type[DataSettings], Callable[[Any], SeriesSet]] = {
    Co2Settings: load_co2,
    DartsDatasetSettings: load_darts_dataset,
    FunctionSettings: load_function,
    StatsmodelsSettings: load_statsmodels,
    SyntheticSettings: make_synthetic,
}
