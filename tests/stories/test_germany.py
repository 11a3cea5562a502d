"""An Excel export from Germany: semicolons, decimal commas, points between thousands, ja and nein.

*The user* sells pizza. Excel saved the daily sales of four sorts as CSV: in the encoding cp1252 of
Windows, with dates such as 31.12.2015, numbers such as 1.234,50, a column of ja and nein, and
umlauts in headers and names. The same sheet is there as .xlsx.

*Before*, the file ended in "TypeError: cannot perform __iadd__ with this index type: MultiIndex";
thousands, ja and nein had to be rewritten, and there was no reader for .xlsx.

*Now* separator and encoding are found, and the log names them; `data.decimal`, `data.thousands` and
`data.time_format` describe the rest, and `data=excel` reads the same numbers from the workbook.
Forecasts have the columns and the dates of their file.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from engine.project import Finished

from stories.data import pizzas
from stories.steps import SMALL, done, forecasts, latest, refusal

Run = Callable[..., Finished]

COLUMNS = [
    "data.time_column=Tag",
    "data.series_column=Sorte",
    "data.target_columns=Umsatz",
    # the name has an umlaut
    "data.future_covariates_columns=['Geöffnet']",
]
CSV = ["data=csv", "data.path=pizza.csv", "data.time_format=%d.%m.%Y", *COLUMNS]
MARKS = ["data.decimal=','", "data.thousands='.'"]
KNOWN = 7


def german(number: float) -> str:
    """Write a number as Excel does in Germany."""
    return f"{number:,.2f}".translate(str.maketrans(",.", ".,"))


@pytest.fixture
def sales(workdir: Path) -> pd.DataFrame:
    """Write the export and the workbook, and return what they hold."""
    sold = pizzas().groupby(["date", "type"])["price"].sum().unstack()
    days = pd.date_range("2015-01-01", periods=365 + KNOWN, name="Tag")
    # in tens of euros, so that there are thousands
    table = 10 * sold.reindex(days[:-KNOWN]).fillna(0.0).reindex(days)
    is_open = np.where(table.sum(axis=1, min_count=1) == 0, "nein", "ja")
    table = table.rename(columns={"veggie": "Gemüse"}).assign(Geöffnet=is_open)
    table = table.melt("Geöffnet", var_name="Sorte", value_name="Umsatz", ignore_index=False)
    table = table.reset_index()
    export = table.assign(
        Tag=table["Tag"].dt.strftime("%d.%m.%Y"),
        Umsatz=[german(value) if value == value else "" for value in table["Umsatz"]],
    )
    export.to_csv("pizza.csv", sep=";", index=False, encoding="cp1252", lineterminator="\r\n")
    with pd.ExcelWriter("pizza.xlsx", engine="xlsxwriter") as writer:
        table.to_excel(writer, sheet_name="Umsätze", index=False)
    return table


def check_truth(table: pd.DataFrame) -> None:
    """Compare the test part of the newest run with what the user's file holds."""
    found = forecasts(latest())
    names = {"series": "Sorte", "time": "Tag"}
    joined = found.rename(columns=names).merge(table, on=["Sorte", "Tag"], how="left")
    assert set(found["series"]) == {"Gemüse", "chicken", "classic", "supreme"}
    np.testing.assert_allclose(joined["truth"], joined["Umsatz"])
    assert joined["truth"].max() > 1000


def test_the_export_is_read_as_excel_shows_it(run: Run, sales: pd.DataFrame) -> None:
    printed = done(run("train", *SMALL, *CSV, *MARKS))
    assert "read as cp1252" in printed
    assert "separator" in printed
    assert "semicolon" in printed or "';'" in printed
    check_truth(sales)
    done(run("predict", "run=latest", "output=csv.csv"))
    # ja and nein are known for the week of the forecast
    assert len(pd.read_csv("csv.csv")) == 4 * 7


def test_what_is_not_said_is_asked_for(run: Run, sales: pd.DataFrame) -> None:
    """All problems of the file at once, with lines and cures."""
    text = refusal(run("train", *SMALL, *CSV))
    assert "Umsatz" in text
    assert "data.decimal" in text
    assert "line 2" in text


def test_the_workbook_gives_the_same_forecasts(run: Run, sales: pd.DataFrame) -> None:
    done(run("train", *SMALL, *CSV, *MARKS))
    done(run("predict", "run=latest", "output=csv.csv"))
    excel = ["data=excel", "data.path=pizza.xlsx", "data.sheet='Umsätze'", *COLUMNS]
    done(run("train", *SMALL, *excel))
    check_truth(sales)
    done(run("predict", "run=latest", "output=excel.csv"))
    one, other = pd.read_csv("csv.csv"), pd.read_csv("excel.csv")
    # each in the format of its input
    one["Tag"] = pd.to_datetime(one["Tag"], format="%d.%m.%Y").dt.strftime("%Y-%m-%d")
    pd.testing.assert_frame_equal(one, other, rtol=1e-5)
