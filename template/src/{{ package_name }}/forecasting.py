"""Forecasts beyond the data, and the files they are written to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.utils.utils import generate_index

from .bundle import Bundle
from .conformal import Calibration
from .data import SeriesSet
from .errors import UserError
from .settings import QuantileSettings


@dataclass(frozen=True)
class Forecast:
    """The forecast of one series, in its original unit.

    Attributes:
        point: what a model without a likelihood forecasts, else the median.
        quantiles: by quantile, with the components of ``point``; empty without a likelihood and
            a calibration.
    """

    point: TimeSeries
    quantiles: dict[float, TimeSeries]


def forecast(
    bundle: Bundle,
    data: SeriesSet,
    horizon: int,
    quantiles: QuantileSettings,
    calibration: Calibration | None = None,
) -> list[Forecast]:
    """Forecast ``horizon`` steps after the end of every series, in the original unit.

    Args:
        bundle: trained model and scalers.
        data: series in their original unit.
        horizon: steps of the forecast.
        quantiles: those of a model with a likelihood.
        calibration: of the intervals, for the same series and horizon.

    Raises:
        UserError: when a series is shorter than the model's input, or its covariates end too soon.
    """
    length, output = bundle.model.input_chunk_length, bundle.model.output_chunk_length
    for number, (name, series) in enumerate(zip(data.names, data.targets, strict=True)):
        if len(series) < length:
            raise UserError(f"{name}: {len(series)} steps are fewer than the model's {length}.")
        for role, group, steps in (
            ("past covariates", data.past_covariates, max(0, horizon - output)),
            ("future covariates", data.future_covariates, max(horizon, output)),
        ):
            needed = series.end_time() + steps * series.freq
            if group is not None and group[number].end_time() < needed:
                raise UserError(
                    f"{name}: the {role} end at {group[number].end_time()}, but a forecast of "
                    f"{horizon} steps needs them until {needed}. Add rows with their values to the "
                    "data, or shorten the horizon."
                )
    recent = data.since([len(series) - length for series in data.targets])
    starts = [np.array([length])] * len(data.names)
    found = bundle.forecast(recent, starts, horizon, quantiles)
    if calibration is not None:
        found = calibration.apply(found)
    levels = found.quantiles or {}
    forecasts = []
    for number, series in enumerate(data.targets):
        times = _times_after(series, bundle.model.output_chunk_shift, horizon)
        point, *others = [
            TimeSeries.from_times_and_values(times, values[number][0], columns=series.components)
            for values in (found.point, *levels.values())
        ]
        forecasts.append(Forecast(point, dict(zip(levels, others, strict=True))))
    return forecasts


def forecast_table(names: list[str], forecasts: list[Forecast]) -> pd.DataFrame:
    """Return columns ``time``, the components and, as ``<component>_q0.1``, their quantiles.

    With several series, the column ``series`` is in front. The median is the component itself.
    """
    tables = []
    for name, one in zip(names, forecasts, strict=True):
        point = one.point.to_dataframe()
        columns = {}
        for component in point.columns:
            columns[component] = point[component]
            for level, series in one.quantiles.items():
                if level != 0.5:
                    columns[f"{component}_q{level:g}"] = series.to_dataframe()[component]
        table = pd.DataFrame(columns).rename_axis(index="time").reset_index()
        if len(names) > 1:
            table.insert(0, "series", name)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def check_output(path: Path) -> None:
    """Refuse, before any work is done, an output that could not be written.

    Raises:
        UserError: when the file or its plot exists, its folder does not, or the suffix is unknown.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"output: {str(path)!r} must end in .csv or .parquet.")
    if not path.parent.is_dir():
        raise UserError(f"output: there is no folder '{path.parent}'. Create it first.")
    for existing in (path, path.with_suffix(".png")):
        if existing.exists():
            raise UserError(f"output: '{existing}' exists and is not overwritten. Name another.")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV or Parquet, by the suffix of ``path``."""
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    else:
        table.to_csv(path, index=False)


def _times_after(series: TimeSeries, shift: int, steps: int) -> pd.Index:
    """Return the times of a forecast that starts ``shift`` steps after the next one."""
    start = series.end_time() + (shift + 1) * series.freq
    return generate_index(start=start, length=steps, freq=series.freq, name=series.time_dim)
