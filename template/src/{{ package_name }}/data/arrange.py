"""What a file's series become before they are filled and divided."""

from dataclasses import replace

import pandas as pd
from darts import TimeSeries

from .report import Report
from .series import SeriesSet, parts, position


def until(data: SeriesSet, end: str, report: Report) -> SeriesSet:
    """Cut every target after ``end``; covariates, which may be known longer, stay as they are.

    Args:
        data: the series.
        end: the last time that is kept, as a date or, where times are numbers, a number.
        report: where series that have too few steps until then are added.

    Raises:
        UserError: when ``end`` is no time of that kind.
    """
    stops = []
    for name, series in zip(data.names, data.targets, strict=True):
        stop = position(series, end, "data.end", side="right")
        if stop < 3:
            report.add(
                f"too few steps until data.end={end}",
                "Set it to a later time, or remove the series.",
                series=[name],
                examples=[f"{stop} step{'s' if stop != 1 else ''}"],
            )
        stops.append(max(stop, 1))
    return replace(data, targets=parts(data.targets, [0] * len(stops), stops))


def one_series_a_component(data: SeriesSet) -> SeriesSet:
    """Make a series of every target component, without copying values.

    Each has all covariates of the series it is from. It is named after its component, with the
    name of the series it is from in front if there are several; its component is called ``value``.
    """

    def repeat(group: list[TimeSeries] | None) -> list[TimeSeries] | None:
        return None if group is None else [series for series in group for _ in columns]

    columns = list(data.targets[0].components)
    several = len(data.names) > 1
    return SeriesSet(
        names=[
            f"{name} {column}" if several else column for name in data.names for column in columns
        ],
        targets=[
            TimeSeries(
                series.time_index,
                series.values(copy=False)[:, number : number + 1],
                components=["value"],
                static_covariates=_of_component(series.static_covariates, number),
                copy=False,
            )
            for series in data.targets
            for number in range(len(columns))
        ],
        past_covariates=repeat(data.past_covariates),
        future_covariates=repeat(data.future_covariates),
        sample_weight=repeat(data.sample_weight),
    )


def _of_component(covariates: pd.DataFrame | None, number: int) -> pd.DataFrame | None:
    """Return the static covariates of one component; one row is meant for all of them."""
    if covariates is None:
        return None
    return covariates.iloc[[number if len(covariates) > 1 else 0]].reset_index(drop=True)
