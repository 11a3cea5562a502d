"""Covariates that the date alone gives: they are known as far ahead as anyone asks."""

from dataclasses import replace

import pandas as pd
from darts import TimeSeries, concatenate
from darts.utils.timeseries_generation import (
    datetime_attribute_timeseries,
    holidays_timeseries,
)
from darts.utils.utils import generate_index

from ..errors import UserError
from .series import SeriesSet

# attributes whose last value is followed by the first one: they become a sine and a cosine
CYCLIC = ("quarter", "month", "week", "dayofyear", "day", "dayofweek", "hour", "minute", "second")


def add_calendar(
    data: SeriesSet, attributes: list[str], country: str | None, ahead: int
) -> SeriesSet:
    """Add attributes of the date and holidays to the future covariates of every series.

    Darts makes them itself with a model's ``add_encoders``, but not for data sets of one's own.

    Args:
        data: series with dates.
        attributes: of ``pandas.DatetimeIndex``, such as ``hour`` or ``year``. What is in
            ``CYCLIC`` becomes two components, its sine and its cosine.
        country: code of the country whose holidays become a component of 0 and 1, such as DE.
        ahead: steps for which they are added after the end of a series that has no future
            covariates; others have them as long as these.

    Raises:
        UserError: when the times are no dates, or an attribute or a country does not exist.
    """
    if not attributes and country is None:
        return data
    # the series of a panel share their times, so most calendars are made once
    made: dict[tuple[object, ...], TimeSeries] = {}
    groups = []
    for number, target in enumerate(data.targets):
        if not target.has_datetime_index:
            raise UserError("data.calendar and data.holidays need dates, but times are numbers.")
        known = data.future_covariates[number] if data.future_covariates else None
        times = known.time_index if known is not None else _times(target, ahead)
        key = times[0], len(times), target.freq
        if key not in made:
            made[key] = _calendar(times, attributes, country)
        groups.append(made[key] if known is None else known.stack(made[key]))
    return replace(data, future_covariates=groups)


def _times(target: TimeSeries, ahead: int) -> pd.DatetimeIndex:
    length = len(target) + ahead
    return generate_index(start=target.start_time(), length=length, freq=target.freq)


def _calendar(times: pd.DatetimeIndex, attributes: list[str], country: str | None) -> TimeSeries:
    parts = []
    for attribute in attributes:
        try:
            made = datetime_attribute_timeseries(times, attribute, cyclic=attribute in CYCLIC)
        except (AttributeError, TypeError, ValueError) as error:
            raise UserError(
                f"data.calendar: {attribute!r} is no number that pandas.DatetimeIndex has. Take "
                f"{', '.join(CYCLIC)} or year."
            ) from error
        parts.append(made)
    if country is not None:
        try:
            parts.append(holidays_timeseries(times, country))
        except NotImplementedError as error:
            raise UserError(
                f"data.holidays: {country!r} is no country that the package holidays knows; most "
                "have two letters, such as DE or US."
            ) from error
    return concatenate(parts, axis="component")
