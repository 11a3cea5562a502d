"""Attributes of the date, and holidays, as covariates that are known in advance."""

from datetime import tzinfo

import pandas as pd
from darts import TimeSeries, concatenate
from darts.utils.timeseries_generation import datetime_attribute_timeseries, holidays_timeseries

from ..config import listed
from ..errors import UserError

KEY = "data.covariates.calendar"
# attributes whose last value is followed by the first one: they become a sine and a cosine
CYCLIC = ("quarter", "month", "week", "dayofyear", "day", "dayofweek", "hour", "minute", "second")


def calendar(
    times: pd.Index, attributes: str | list[str] | None, holidays: str | None = None
) -> pd.DataFrame:
    """Return covariates for every date.

    Darts makes them with a model's ``add_encoders``, but not for custom data sets.

    Args:
        times: dates; those with a time zone have its local attributes and holidays.
        attributes: of ``pandas.DatetimeIndex``; those in ``CYCLIC`` become a sine and a cosine.
        holidays: country, as a code of the package holidays; None for no holidays.

    Raises:
        UserError: if ``times`` are numbers, or there is no such attribute or country.
    """
    if not isinstance(times, pd.DatetimeIndex):
        raise UserError(f"{KEY}: it needs dates, but the times of the data are numbers.")
    zone, utc = times.tz, times if times.tz is None else times.tz_convert(None)
    found = [_attribute(utc, zone, name) for name in listed(attributes)]
    if holidays is not None:
        found.append(_holidays(utc, zone, holidays))
    if not found:
        raise UserError(f"{KEY}: it is empty. Set {KEY}.attributes or {KEY}.holidays.")
    return concatenate(found, axis="component").to_dataframe().set_axis(times)


def _attribute(times: pd.DatetimeIndex, zone: tzinfo | None, name: str) -> TimeSeries:
    try:
        return datetime_attribute_timeseries(times, name, cyclic=name in CYCLIC, tz=zone)
    except (AttributeError, TypeError, ValueError) as error:
        raise UserError(
            f"{KEY}.attributes: {name!r} is not a numeric attribute of DatetimeIndex. Use "
            f"{', '.join(CYCLIC)} or year."
        ) from error


def _holidays(times: pd.DatetimeIndex, zone: tzinfo | None, country: str) -> TimeSeries:
    try:
        return holidays_timeseries(times, country, tz=zone)
    except NotImplementedError as error:
        raise UserError(
            f"{KEY}.holidays: {country!r} is not a country of the package holidays. Use a code "
            "such as DE or US."
        ) from error
