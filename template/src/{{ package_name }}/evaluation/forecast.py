"""Forecasts beyond the data, their average over several runs, and the files they are written to."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from darts import TimeSeries
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel
from darts.utils.utils import generate_index

from ..config import QuantileConfig
from ..data import SeriesSet
from ..errors import UserError
from ..modeling.bundle import Bundle
from .inference import Calibration, covariates_read, forecast_bundle


@dataclass(frozen=True)
class Forecast:
    """The forecast of one series, in its original unit.

    Attributes:
        point: the median of a model with a likelihood, else its only forecast.
        quantiles: by level, with the components of ``point``; empty without likelihood and
            calibration.
    """

    point: TimeSeries
    quantiles: dict[float, TimeSeries]

    def table(self) -> pd.DataFrame:
        """Return the components and, as ``<component>_q0.1``, their quantiles, by time.

        The median is the component itself.
        """
        levels = {level: values.to_dataframe() for level, values in self.quantiles.items()}
        columns = {}
        for component, values in self.point.to_dataframe().items():
            columns[str(component)] = values
            for level, table in levels.items():
                if level != 0.5:
                    columns[f"{component}_q{level:g}"] = table[component]
        return pd.DataFrame(columns).rename_axis(index="time")

    def as_series(self) -> TimeSeries:
        """Return the columns of ``table`` as the components of one series."""
        return TimeSeries.from_dataframe(self.table(), freq=self.point.freq)


def forecast(
    bundle: Bundle,
    data: SeriesSet,
    horizon: int,
    quantiles: QuantileConfig,
    calibration: Calibration | None = None,
) -> list[Forecast]:
    """Forecast ``horizon`` steps after the end of every series, in the original unit.

    Raises:
        UserError: if a series is shorter than the model's input, or its covariates end too early.
    """
    _check_input(bundle.model, data, horizon)
    ends = [np.array([len(series)]) for series in data.targets]
    found = forecast_bundle(bundle, data, ends, horizon, quantiles)
    if calibration is not None:
        found = calibration.apply(found)
    levels = found.quantiles or {}
    forecasts = []
    for number, series in enumerate(data.targets):
        start = series.end_time() + (bundle.model.output_chunk_shift + 1) * series.freq
        times = generate_index(start, length=horizon, freq=series.freq, name=series.time_dim)
        point, *others = [
            TimeSeries.from_times_and_values(times, values[number][0], columns=series.components)
            for values in (found.point, *levels.values())
        ]
        forecasts.append(Forecast(point, dict(zip(levels, others, strict=True))))
    return forecasts


def combine(members: list[list[Forecast]], average: str) -> list[Forecast]:
    """Average the forecasts of several runs, step by step and quantile by quantile.

    Averaged quantiles are not exactly the quantiles of the average, but they are as sharp as those
    of the members (doi:10.1287/mnsc.1120.1667). Each run has forecasts of the same series;
    ``average`` is ``mean`` or ``median``.

    Raises:
        UserError: if times, components or quantiles differ.
    """
    if len(members) == 1:
        return members[0]

    def averaged(series: list[TimeSeries]) -> TimeSeries:
        values = np.stack([one.values(copy=False) for one in series])
        return series[0].with_values(getattr(np, average)(values, axis=0)[..., None])

    combined = []
    for forecasts in zip(*members, strict=True):
        _check_same(forecasts)
        point = averaged([one.point for one in forecasts])
        quantiles = {
            level: averaged([one.quantiles[level] for one in forecasts])
            for level in forecasts[0].quantiles
        }
        combined.append(Forecast(point, quantiles))
    return combined


def forecast_table(names: list[str], forecasts: list[Forecast]) -> pd.DataFrame:
    """Return the forecasts as one table, with the columns ``time`` and those of ``Forecast.table``.

    With several series, the first column is ``series``.
    """
    tables = [one.table() for one in forecasts]
    if len(names) == 1:
        return tables[0].reset_index()
    return pd.concat(tables, keys=names, names=["series"]).reset_index()


def check_output(path: Path) -> None:
    """Check, before any work is done, that a forecast and its plot can be written.

    Raises:
        UserError: if a file exists, the folder does not, or the suffix is unknown.
    """
    if path.suffix not in (".csv", ".parquet"):
        raise UserError(f"output: {str(path)!r} must end in .csv or .parquet.")
    if not path.parent.is_dir():
        raise UserError(f"output: there is no folder '{path.parent}'. Create it first.")
    for existing in (path, path.with_suffix(".png")):
        if existing.exists():
            raise UserError(f"output: '{existing}' already exists. Choose another name.")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table aside as CSV or Parquet, by the suffix of ``path``, and put it in place."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    write = table.to_parquet if path.suffix == ".parquet" else table.to_csv
    write(unfinished, index=False)
    unfinished.replace(path)


def _check_input(model: TorchForecastingModel, data: SeriesSet, horizon: int) -> None:
    length, covariates = model.input_chunk_length, covariates_read(model, data, horizon)
    for number, (name, series) in enumerate(zip(data.names, data.targets, strict=True)):
        if len(series) < length:
            raise UserError(f"{name}: has {len(series)} steps, but the model reads {length}.")
        for role, (group, steps) in covariates.items():
            needed, end = series.end_time() + steps * series.freq, group[number].end_time()
            if end < needed:
                raise UserError(
                    f"{name}: the {role.replace('_', ' ')} end at {end}, but a forecast of "
                    f"{horizon} steps needs them until {needed}. Add rows with their values to the "
                    "data, or shorten the horizon."
                )


def _check_same(forecasts: tuple[Forecast, ...]) -> None:
    """Raise UserError unless the forecasts of one series can be averaged."""
    for what, values in (
        ("components", [list(one.point.components) for one in forecasts]),
        ("first steps", [one.point.start_time() for one in forecasts]),
        ("frequencies", [one.point.freq_str for one in forecasts]),
        ("quantiles", [list(one.quantiles) for one in forecasts]),
    ):
        for other in values[1:]:
            if other != values[0]:
                raise UserError(
                    f"run: the {what} of the runs differ: {values[0]} and {other}. Combine runs "
                    "that forecast the same steps, components and quantiles."
                )
