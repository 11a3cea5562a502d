"""Checks that covariates cover what a model reads of them."""

import numpy as np
from darts.models.forecasting.torch_forecasting_model import TorchForecastingModel

from ..config import DataConfig
from ..data import Panel, SeriesArray, show_time
from ..errors import UserError


def check_covariates(
    model: TorchForecastingModel, config: DataConfig, data: Panel, targets: SeriesArray
) -> None:
    """Refuse covariates that do not cover the windows of a part of the targets.

    ``data`` is not scaled: in front of values that were cut, it still has the missing ones.

    Raises:
        UserError: naming columns, series and times.
    """
    ahead = model.output_chunk_length + model.output_chunk_shift
    begin = targets.start
    if config.max_samples_per_ts is not None:
        steps = (config.max_samples_per_ts - 1) * config.window_stride
        begin = np.maximum(begin, targets.stop - steps - model.min_train_series_length)
    for role, end in ("past", targets.stop - ahead), ("future", targets.stop):
        array = getattr(data, f"{role}_covariates")
        if array is None:
            continue
        for number in np.flatnonzero((array.start > begin) | (array.stop < end))[:1]:
            columns = _columns_that_end(array, number, at_start=array.start[number] > begin[number])
            positions = array.start[number], array.stop[number] - 1, begin[number], end[number] - 1
            times = [show_time(data.times[position]) for position in positions]
            raise UserError(
                f"{data.names[number]}: {role} covariate {', '.join(columns)} is known from "
                f"{times[0]} to {times[1]}, but needed from {times[2]} to {times[3]}. Cut the "
                "series to what is known, fill the empty cells, or leave the column out of "
                f"data.{role}_covariates_columns."
            )


def _columns_that_end(array: SeriesArray, number: int, at_start: bool) -> list[str]:
    """Return the columns that are missing one step before or after the values of a series."""
    first, stop = array.first[number], array.first[number] + array.length[number]
    row = max(first - 1, 0) if at_start else min(stop, len(array.values) - 1)
    missing = np.isnan(array.values[row])
    found = [name for name, one in zip(array.components, missing, strict=True) if one]
    return found or array.components
