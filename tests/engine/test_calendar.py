"""Attributes of the date and holidays as future covariates."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from my_forecast import load_run
from my_forecast.calendar import calendar
from my_forecast.data import load_data
from my_forecast.errors import UserError

from engine.project import Finished
from engine.series import synthetic

Run = Callable[..., Finished]


def node(**arguments: Any) -> dict[str, Any]:
    """Return ``data.covariates`` as the option of the feature makes it."""
    target = {"_target_": "my_forecast.calendar.calendar", "_partial_": True}
    return {"calendar": target | {"attributes": ["month"]} | arguments}


def test_a_calendar_is_made_of_the_dates() -> None:
    settings = synthetic(covariates=node(attributes=["dayofweek", "year"], holidays="DE"))
    data = load_data(settings, ahead=5)
    events = load_data(synthetic()).to_series("future_covariates")
    for event, known in zip(events, data.to_series("future_covariates"), strict=True):
        assert list(known.components) == [
            "event",
            "dayofweek_sin",
            "dayofweek_cos",
            "year",
            "holidays",
        ]
        table = known.to_dataframe()
        days = table.index.dayofweek * 2 * np.pi / 7
        np.testing.assert_allclose(table["dayofweek_sin"], np.sin(days), atol=1e-12)
        np.testing.assert_allclose(table["dayofweek_cos"], np.cos(days), atol=1e-12)
        assert (table["year"] == table.index.year).all()
        assert table["holidays"].loc["2020-01-01":"2020-04-13"].sum() == 3  # type: ignore[misc]
        assert table["holidays"].loc["2020-04-10"] == 1  # Good Friday
        np.testing.assert_array_equal(table["event"], event.values()[:, 0])


def test_a_calendar_reaches_as_far_as_a_forecast(run: Run, workdir: Path) -> None:
    days = pd.date_range("2024-01-01", periods=90, freq="D")
    frame = pd.DataFrame({"ds": days, "y": days.dayofweek + 1.0})
    frame.to_csv(workdir / "x.csv", index=False)
    data = ["data=csv", "data.path=x.csv"]
    model = ["model=tide", "model.input_chunk_length=14", "horizon=7", "trainer.max_epochs=1"]
    chosen = ["covariates=calendar", "data.covariates.calendar.holidays=US"]
    assert run("train", *data, *model, *chosen).code == 0
    finished = run("predict", "run=latest", "horizon=40", "output=f.csv")
    assert finished.code == 0, finished.err
    assert len(pd.read_csv(workdir / "f.csv")) == 40
    table = load_run("latest").forecast(frame, horizon=30)
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 30


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"attributes": ["dayofwek"]},
            "calendar.attributes: 'dayofwek' is not a numeric attribute",
        ),
        ({"attributes": ["tz"]}, "calendar.attributes: 'tz' is not a numeric attribute"),
        ({"attributes": []}, "calendar: it is empty. Set data.covariates.calendar.attributes or"),
        ({"holidays": "ATLANTIS"}, "calendar.holidays: 'ATLANTIS' is not a country"),
    ],
)
def test_what_no_calendar_has_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"data.covariates.{message}"):
        load_data(synthetic(covariates=node(**changes)))


def test_numbers_have_no_calendar() -> None:
    with pytest.raises(UserError, match="needs dates, but the times of the data are numbers"):
        calendar(pd.RangeIndex(9), ["month"])
