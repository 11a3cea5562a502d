"""Forecasts beyond the data: as tables, as series, and averaged over several runs."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from darts import TimeSeries

from ..config import QuantileConfig
from ..data import Panel, Steps
from ..errors import UserError
from ..modeling.bundle import Bundle
from .inference import Array, Calibration, Forecasts, Origins, covariates_read, forecast_bundle


@dataclass(frozen=True)
class FutureForecast:
    """One forecast of each series, in its original unit.

    Attributes:
        names: of the series.
        components: of each of them.
        times: a time axis.
        start: position on it of the first step of each forecast, shape (series,).
        values: the forecasts.
    """

    names: list[str]
    components: list[str]
    times: pd.Index
    start: Steps
    values: Forecasts

    def table(self, several: bool | None = None) -> pd.DataFrame:
        """Return the forecasts as one table, with the columns ``time``, components and quantiles.

        A quantile is a column such as ``<component>_q0.1``; the median is the component itself.
        With ``several`` series (None: if there are), the first column is ``series``.
        """
        count, horizon, _ = self.values.point.shape
        steps = self.start[:, None] + np.arange(horizon)
        columns: dict[str, Array] = {}
        for number, component in enumerate(self.components):
            columns[component] = self.values.point[..., number].ravel()
            for level, values in (self.values.quantiles or {}).items():
                if level != 0.5:
                    columns[f"{component}_q{level:g}"] = values[..., number].ravel()
        table = pd.DataFrame({"time": self.times[steps.ravel()], **columns})
        if count > 1 if several is None else several:
            table.insert(0, "series", np.repeat(self.names, horizon))
        return table

    def to_series(self) -> list[TimeSeries]:
        """Return each forecast as a series, with the columns of ``table`` as components."""
        table = self.table().set_index("time").drop(columns="series", errors="ignore")
        parts = np.split(np.arange(len(table)), len(self.start))
        freq = self.times.freq if isinstance(self.times, pd.DatetimeIndex) else self.times.step
        return [TimeSeries.from_dataframe(table.iloc[rows], freq=freq) for rows in parts]


def forecast(
    bundle: Bundle,
    data: Panel,
    horizon: int,
    quantiles: QuantileConfig,
    calibration: Calibration | None = None,
    numbers: Steps | None = None,
) -> FutureForecast:
    """Forecast ``horizon`` steps after the end of every series, in the original unit.

    ``numbers`` are those of the series to forecast; None for all.

    Raises:
        UserError: if a series is shorter than the model's input, or its covariates end too early.
    """
    _check_input(bundle, data, horizon)
    numbers = np.arange(len(data.names)) if numbers is None else numbers
    data = data.select(numbers)
    origins = Origins(np.arange(len(numbers)), data.targets.stop)
    found = forecast_bundle(bundle, data, origins, horizon, quantiles)
    if calibration is not None:
        found = calibration.apply(found, numbers)
    start = origins.position + int(bundle.model.output_chunk_shift)
    times = data.extended(int(start.max()) + horizon)
    return FutureForecast(data.names, data.targets.components, times, start, found)


def combine(members: list[FutureForecast], average: str) -> FutureForecast:
    """Average the forecasts of several runs, step by step and quantile by quantile.

    Averaged quantiles are not exactly the quantiles of the average, but they are as sharp as those
    of the members (doi:10.1287/mnsc.1120.1667). Each run has forecasts of the same series;
    ``average`` is ``mean`` or ``median``.

    Raises:
        UserError: if times, components or quantiles differ.
    """
    if len(members) == 1:
        return members[0]
    _check_same(members)

    def averaged(arrays: list[Array]) -> Array:
        values: Array = getattr(np, average)(np.stack(arrays), axis=0)
        return values

    found = [one.values for one in members]
    levels = {
        level: averaged([one.quantiles[level] for one in found if one.quantiles])
        for level in found[0].quantiles or {}
    }
    values = Forecasts(averaged([one.point for one in found]), levels or None)
    return replace(members[0], values=values)


def _check_input(bundle: Bundle, data: Panel, horizon: int) -> None:
    length, targets = bundle.model.input_chunk_length, data.targets
    for number in np.flatnonzero(targets.length < length)[:1]:
        raise UserError(
            f"{data.names[number]}: has {targets.length[number]} steps, but the model reads "
            f"{length}."
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


def _check_same(members: list[FutureForecast]) -> None:
    """Raise UserError unless the forecasts can be averaged."""
    for what, values in (
        ("components", [one.components for one in members]),
        ("first steps", [[str(time) for time in one.times[one.start]] for one in members]),
        ("frequencies", [str(one.times[1] - one.times[0]) for one in members]),
        ("quantiles", [list(one.values.quantiles or {}) for one in members]),
    ):
        for other in values[1:]:
            if other != values[0]:
                shown = [one[0] if what == "first steps" else one for one in (values[0], other)]
                raise UserError(
                    f"run: the {what} of the runs differ: {shown[0]} and {shown[1]}. Combine runs "
                    "that forecast the same steps, components and quantiles."
                )
