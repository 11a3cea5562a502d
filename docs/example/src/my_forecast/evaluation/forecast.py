"""Forecasts as tables: of a backtest, and beyond the data, also averaged over several runs."""

import numpy as np
import pandas as pd
import polars as pl
from darts import TimeSeries

from ..config import QuantileConfig
from ..data import Panel, Steps, show_time
from ..errors import UserError
from ..modeling.bundle import Bundle
from .backtest import Backtest
from .baselines import values_at
from .inference import Calibration, Origins, covariates_read, forecast_bundle


def forecast(
    bundle: Bundle,
    data: Panel,
    horizon: int,
    quantiles: QuantileConfig,
    calibration: Calibration | None = None,
    numbers: Steps | None = None,
) -> pd.DataFrame:
    """Forecast ``horizon`` steps after the end of every series, in the original unit.

    ``numbers`` are those of the series to forecast; None for all.

    Returns:
        A row for each step of each series. The columns are ``series``, if the data has several,
        ``time``, and for each component its forecast and its quantiles, such as ``co2_q0.1``. The
        median is the forecast itself.

    Raises:
        UserError: if a series is shorter than the model's input, its covariates end too early, or
            a value of the input is missing.
    """
    _check_input(bundle, data, horizon)
    numbers = np.arange(len(data.names)) if numbers is None else numbers
    selected = data.select(numbers)
    _check_known(bundle, selected, horizon)
    origins = Origins(np.arange(len(numbers)), selected.targets.stop)
    found = forecast_bundle(bundle, selected, origins, horizon, quantiles)
    if calibration is not None:
        found = calibration.apply(found, numbers)
    start = origins.position + int(bundle.model.output_chunk_shift)
    times = data.extended(int(start.max()) + horizon)
    table = pd.DataFrame({"time": times[(start[:, None] + np.arange(horizon)).ravel()]})
    if len(data.names) > 1:
        table.insert(0, "series", np.repeat(selected.names, horizon))
    for number, component in enumerate(data.targets.components):
        table[component] = found.point[..., number].ravel()
        for level, values in found.quantiles.items():
            if level != 0.5:
                table[f"{component}_q{level:g}"] = values[..., number].ravel()
    return table


def as_in_source(table: pd.DataFrame, data: Panel, time_format: str | None = None) -> pd.DataFrame:
    """Return a table of forecasts with the columns of the source that name series and times.

    They have the source's names and types, so that forecasts can be joined with its rows. A source
    without such columns keeps ``series`` and ``time``.

    Args:
        table: from ``forecast``, of some of the series of ``data``.
        data: the series.
        time_format: makes text of times that are dates, such as ``%d.%m.%Y``.
    """
    column = data.time_column
    if column is None:
        return table
    names = table["series"] if "series" in table else data.names * len(table)
    if data.keys is not None:
        keys = [*data.keys[pd.Index(data.names).get_indexer(names)]]
    else:
        keys = [pl.Series("series", names)] if len(data.names) > 1 else []
    times = pl.Series(column.name, table["time"])
    own = times.cast(column.dtype, strict=False)
    # days have no hours, and short integers an end
    if own.cast(times.dtype).equals(times):
        times = own
    labels = pl.DataFrame([*keys, times]).to_pandas(date_as_object=True)
    if time_format is not None and times.dtype.is_temporal():
        labels[column.name] = labels[column.name].dt.strftime(time_format)
    return pd.concat([labels, table.drop(columns=["series", "time"], errors="ignore")], axis=1)


def backtest_table(data: Panel, backtest: Backtest) -> pl.DataFrame:
    """Return all forecasts of a backtest, a row for each step and component.

    Returns:
        The columns are ``series``, ``component``, ``origin`` (the last time that the forecast
        knows), ``step`` (from 1), ``time``, ``truth``, ``observed`` (false where the truth was
        missing and has been filled), ``model``, ``baseline``, and quantiles such as ``q0.1``.
    """
    # the number of the forecast, its step and its component, for each value
    number, step, component = (part.ravel() for part in np.indices(backtest.truth.shape))
    times, origins, shift = data.times.to_numpy(), backtest.origins, backtest.shift
    truth = values_at(data.targets, origins, shift + np.arange(backtest.horizon))
    forecasts = backtest.forecasts | {f"q{q:g}": found for q, found in backtest.quantiles.items()}
    return pl.DataFrame(
        {
            "series": pl.Series(backtest.names).gather(origins.series[number]),
            "component": pl.Series(data.targets.components).gather(component),
            "origin": times[origins.position[number] - 1],
            "step": step + 1,
            "time": times[backtest.starts[number] + step],
            "truth": truth.ravel(),
            "observed": ~np.isnan(backtest.truth).ravel(),
            **{name: found.ravel() for name, found in forecasts.items()},
        }
    )


def as_series(table: pd.DataFrame, data: Panel, horizon: int) -> list[TimeSeries]:
    """Return each forecast of a table as a series, whose components are the columns."""
    table = table.set_index("time").drop(columns="series", errors="ignore")
    freq = data.times.freq if isinstance(data.times, pd.DatetimeIndex) else data.times.step
    starts = range(0, len(table), horizon)
    return [TimeSeries.from_dataframe(table[row : row + horizon], freq=freq) for row in starts]


def combine(tables: list[pd.DataFrame], average: str) -> pd.DataFrame:
    """Average the forecasts of several runs, step by step and quantile by quantile.

    Averaged quantiles are not exactly the quantiles of the average, but they are as sharp as those
    of the members (doi:10.1287/mnsc.1120.1667). Each run has forecasts of the same series;
    ``average`` is ``mean`` or ``median``.

    Raises:
        UserError: if times, components or quantiles differ.
    """
    first, *others = tables
    advice = "Combine runs that forecast the same steps, components and quantiles."
    for other in others:
        if list(other) != list(first):
            raise UserError(
                f"run: the forecasts have different columns, {list(first)} and {list(other)}. "
                f"{advice}"
            )
        for row in np.flatnonzero(other["time"] != first["time"])[:1]:
            times = f"{first['time'][row]} and {other['time'][row]}"
            raise UserError(f"run: the forecasts have different times, {times}. {advice}")
    numbers = first.columns.drop(["series", "time"], errors="ignore")
    averaged = getattr(np, average)([table[numbers] for table in tables], axis=0)
    return first.assign(**dict(zip(numbers, averaged.T, strict=True)))


def _check_input(bundle: Bundle, data: Panel, horizon: int) -> None:
    length, targets = bundle.model.input_chunk_length, data.targets
    for number in np.flatnonzero(targets.length < length)[:1]:
        raise UserError(
            f"{data.names[number]}: the series has {targets.length[number]} steps, but the model "
            f"needs {length}. Add earlier steps."
        )
    for role, (array, ahead) in covariates_read(bundle.model, data, horizon).items():
        needed = targets.stop + ahead
        for number in np.flatnonzero(array.stop < needed)[:1]:
            times = data.extended(int(needed[number]))
            raise UserError(
                f"{data.names[number]}: the {role.replace('_', ' ')} end at "
                f"{times[array.stop[number] - 1]}, but a forecast of {horizon} steps needs them "
                f"until {times[needed[number] - 1]}. Add rows with their values to the data, or "
                "shorten the horizon."
            )


def _check_known(bundle: Bundle, data: Panel, horizon: int) -> None:
    """Refuse series whose last steps, which the model reads, are not all numbers."""
    end = data.targets.stop
    read = {"targets": (data.targets, 0), **covariates_read(bundle.model, data, horizon)}
    for array, ahead in read.values():
        recent = array.between(end - bundle.model.input_chunk_length, end + ahead)
        for numbers, values in recent.batches():
            for row, step, column in np.argwhere(~np.isfinite(values))[:1]:
                time = data.times[recent.start[numbers[row]] + step]
                raise UserError(
                    f"{data.names[numbers[row]]}: {array.components[column]} at {show_time(time)} "
                    "is missing or infinite, and the forecast depends on it. Fill it first."
                )
