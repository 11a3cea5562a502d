"""Data files that cannot be used, and what their user is told: word for word, all at once."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from my_forecast.data import (
    load_data,
)
from my_forecast.errors import (
    UserError,
)
from my_forecast.settings import (
    CsvSettings,
    ParquetSettings,
)

SETTINGS: dict[str, Any] = {
    "source": "csv",
    "path": "data.csv",
    "time_column": "ds",
    "target_columns": ["y"],
    "past_covariates_columns": [],
    "future_covariates_columns": [],
    "series_column": "auto",
    "frequency": None,
    "season_length": 7,
    "validation_size": 0.1,
    "test_size": 0.2,
    "fill": "linear",
    "scaler": "standard",
}
CSV_SETTINGS = {**SETTINGS, "time_format": None, "separator": ","}

DAYS = "ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,4\n2024-01-04,8\n"
NUMBERS = "ds,y\n1,1\n2,4\n3,9\n4,16\n"
LONG = """unique_id,ds,y
a,2024-01-01,1
a,2024-01-02,2
a,2024-01-03,3
b,2024-01-01,1
b,2024-01-02,2
b,2024-01-03,3
"""
ROLES = "Columns are named by data.time_column, data.target_columns and so on."
CELL = "Correct the cell, leave it empty, or set data.decimal."
DATE = "Correct it, or set data.time_format (such as %d/%m/%Y)."
SINGLE = (
    "Keep one row each, set data.duplicates=first, last or mean, or name the column that tells "
    "series apart with data.series_column."
)
INSERT = "Set data.frequency (D, h, W-SUN, MS ...) to insert the missing times as gaps."
COUNT = (
    "Set data.frequency (a number) to insert the missing times as gaps. If these are dates, set "
    "data.time_format, such as %Y%m%d."
)
FILL = "Set data.fill=linear, seasonal or zero to fill them."
ENCODING = "Check the file, its encoding (UTF-8) and data.separator=','."
# stands for words of a library
ANY = "***"

# what is wrong: a CSV file, changes of the settings, and the message
CSV: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "no file": (
        DAYS,
        {"path": "gone.csv"},
        f"data.path: there is no file 'gone.csv' (looked in {ANY}).",
    ),
    "no file of a pattern": (
        DAYS,
        {"path": "sales/*.csv"},
        f"data.path: there is no file 'sales/*.csv' (looked in {ANY}).",
    ),
    "an empty file": ("", {}, "data.csv: the file is empty. Give it a header and rows."),
    "blank lines": ("\n\n", {}, "data.csv: the file is empty. Give it a header and rows."),
    "a header alone": ("ds,y\n", {}, "data.csv: the file has columns but no rows. Give it rows."),
    "empty cells alone": (
        "ds,y\n,\n\n",
        {},
        "data.csv: the file has columns but no rows. Give it rows.",
    ),
    "another encoding": (
        "ds,y\n2024-01-01,ü\n".encode("latin-1"),
        {},
        f"data.csv: not readable as CSV ({ANY}). {ENCODING}",
    ),
    "UTF-16": (
        DAYS.encode("utf-16"),
        {},
        f"data.csv: not readable as CSV ({ANY}). {ENCODING}",
    ),
    "an open quote": (
        'ds,y\n"2024-01-01,1\n',
        {},
        f"data.csv: not readable as CSV ({ANY}). {ENCODING}",
    ),
    "too many cells": (
        DAYS.replace("02,2", "02,2,3,4"),
        {},
        f"data.csv: not readable as CSV ({ANY} line 3{ANY}). {ENCODING}",
    ),
    "another separator": (
        DAYS.replace(",", ";"),
        {},
        f"data.csv: no columns 'ds', 'y'. There are ds;y. Set data.separator=';'. {ROLES}",
    ),
    "no target column": (
        DAYS,
        {"target_columns": ["yy"]},
        f"data.csv: no column 'yy'. There are ds, y. Did you mean 'y'? {ROLES}",
    ),
    "no time column": (
        DAYS,
        {"time_column": "date"},
        f"data.csv: no column 'date'. There are ds, y. {ROLES}",
    ),
    "no series column": (
        DAYS,
        {"series_column": "id"},
        f"data.csv: no column 'id'. There are ds, y. {ROLES}",
    ),
    "no column of a key": (
        LONG,
        {"series_column": ["unique_id", "item"]},
        f"data.csv: no column 'item'. There are unique_id, ds, y. {ROLES}",
    ),
    "a space in the header": (
        DAYS.replace("ds,y", "ds, y"),
        {},
        f"data.csv: no column 'y'. There are ds,  y. Did you mean ' y'? {ROLES}",
    ),
    "several columns": (
        DAYS,
        {"time_column": "dss", "future_covariates_columns": ["holiday"]},
        f"data.csv: no columns 'dss', 'holiday'. There are ds, y. Did you mean 'ds'? {ROLES}",
    ),
    "text": (
        DAYS.replace("02,2", "02,x"),
        {},
        f"data.csv: column 'y': no number in 1 row: 'x' in line 3. {CELL}",
    ),
    "text after a blank line": (
        DAYS.replace("2024-01-02,2", "\n2024-01-02,x"),
        {},
        f"data.csv: column 'y': no number in 1 row: 'x' in line 4. {CELL}",
    ),
    "more text than is shown": (
        "ds,y\n" + "".join(f"{number},{text}\n" for number, text in enumerate("vwxyz")),
        {},
        "data.csv: column 'y': no number in 5 rows: 'v' in line 2, 'w' in line 3, 'x' in line 4 "
        f"and 2 more. {CELL}",
    ),
    "text in a covariate": (
        "ds,y,x\n1,1,yes\n2,2,no\n3,3,no\n",
        {"past_covariates_columns": ["x"]},
        "data.csv: column 'x': no number in 3 rows: 'yes' in line 2, 'no' in line 3, 'no' in line "
        f"4. {CELL}",
    ),
    "a decimal comma": (
        DAYS.replace(",", ";").replace(";2\n", ";2,5\n"),
        {"separator": ";"},
        f"data.csv: column 'y': no number in 1 row: '2,5' in line 3. {CELL}",
    ),
    "a separator of thousands": (
        DAYS.replace("02,2", '02,"2,000"'),
        {},
        f"data.csv: column 'y': no number in 1 row: '2,000' in line 3. {CELL}",
    ),
    "a unit": (
        DAYS.replace("02,2", "02,2 %"),
        {},
        f"data.csv: column 'y': no number in 1 row: '2 %' in line 3. {CELL}",
    ),
    "text in several series": (
        LONG.replace("a,2024-01-02,2", "a,2024-01-02,-").replace(",3\n", ",?\n"),
        {},
        "data.csv: column 'y': no number in 3 rows (2 of a, 1 of b): '-' in line 3, '?' in line 4, "
        f"'?' in line 7. {CELL}",
    ),
    "an infinite number": (
        DAYS.replace("02,2", "02,-inf"),
        {},
        "data.csv: column 'y': an infinite number in 1 row: '-inf' in line 3. Replace it by a "
        "number or leave the cell empty.",
    ),
    "no date": (
        DAYS.replace("2024-01-03", "soon"),
        {},
        f"data.csv: column 'ds': no date of the format ISO 8601 in 1 row: 'soon' in line 4. {DATE}",
    ),
    "an empty date": (
        DAYS.replace("2024-01-03", ""),
        {},
        "data.csv: column 'ds': no date of the format ISO 8601 in 1 row: nothing in line 4. "
        f"{DATE}",
    ),
    "30 February": (
        DAYS.replace("2024-01-03", "2024-02-30"),
        {},
        "data.csv: column 'ds': no date of the format ISO 8601 in 1 row: '2024-02-30' in line 4. "
        f"{DATE}",
    ),
    "the day first": (
        "ds,y\n01/02/2024,1\n02/02/2024,2\n03/02/2024,3\n",
        {},
        "data.csv: column 'ds': no date of the format ISO 8601 in 3 rows: '01/02/2024' in line 2, "
        f"'02/02/2024' in line 3, '03/02/2024' in line 4. {DATE}",
    ),
    "another format of dates": (
        DAYS,
        {"time_format": "%d/%m/%Y"},
        "data.csv: column 'ds': no date of the format %d/%m/%Y in 4 rows: '2024-01-01' in line 2, "
        f"'2024-01-02' in line 3, '2024-01-03' in line 4 and 1 more. {DATE}",
    ),
    "fractions as times": (
        "ds,y\n0.5,1\n1,2\n1.5,3\n",
        {},
        "data.csv: column 'ds': no whole number in 2 rows: '0.5' in line 2, '1.5' in line 4. "
        "Correct it or remove the row.",
    ),
    "a missing number as time": (
        NUMBERS + ",25\n",
        {},
        "data.csv: column 'ds': no whole number in 1 row: nothing in line 6. Correct it or remove "
        "the row.",
    ),
    "numbers and dates": (
        "ds,y\n1,1\n2024-01-02,2\n3,3\n",
        {},
        "data.csv: column 'ds': no date of the format ISO 8601 in 2 rows: '1' in line 2, '3' in "
        f"line 4. {DATE}",
    ),
    "the same time twice": (
        DAYS.replace("01-03", "01-02"),
        {},
        f"data.csv: duplicate times in 1 row: 2024-01-02. {SINGLE}",
    ),
    "the same hour twice": (
        "ds,y\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n2024-01-01 01:00,3\n2024-01-01 02:00,4\n",
        {},
        f"data.csv: duplicate times in 1 row: 2024-01-01 01:00:00. {SINGLE}",
    ),
    "the same time twice in several series": (
        LONG.replace("a,2024-01-03", "a,2024-01-02").replace("b,2024-01-03", "b,2024-01-01"),
        {},
        f"data.csv: duplicate times in 2 rows (1 of a, 1 of b): 2024-01-02, 2024-01-01. {SINGLE}",
    ),
    "a long file that is read as a wide one": (
        LONG,
        {"series_column": None},
        "data.csv: duplicate times in 3 rows: 2024-01-01, 2024-01-02, 2024-01-03. " + SINGLE,
    ),
    "a missing day": (
        DAYS.replace("01-04", "01-05"),
        {},
        "data.csv: irregular times: the usual step is 1 day, but 2024-01-03 is followed by "
        f"2024-01-05 (1 such step). {INSERT}",
    ),
    "missing hours": (
        "ds,y\n" + "".join(f"2024-01-01 {hour:02}:00,{hour}\n" for hour in (0, 1, 2, 4, 6, 7)),
        {},
        "data.csv: irregular times: the usual step is 01:00:00, but 2024-01-01 02:00:00 is "
        f"followed by 2024-01-01 04:00:00 (2 such steps). {INSERT}",
    ),
    "missing days in several series": (
        LONG.replace("a,2024-01-01", "a,2023-12-01") + "b,2024-01-09,1\nc,1999-12-31,1\n",
        {"frequency": None},
        "data.csv: 2 problems\n"
        "- irregular times in 2 series: a: the usual step is 1 day, but 2023-12-01 is followed by "
        "2024-01-02 (1 such step); b: the usual step is 1 day, but 2024-01-03 is followed by "
        f"2024-01-09 (1 such step). {INSERT}\n"
        "- too few rows for a time series in 1 series: c: 1 row. Give it at least three, or remove "
        "it.",
    ),
    "a missing number": (
        NUMBERS.replace("4,16", "9,16"),
        {},
        "data.csv: irregular times: the usual step is 1, but 3 is followed by 9 (1 such step). "
        f"{COUNT}",
    ),
    "dates that look like numbers": (
        "ds,y\n20240130,1\n20240131,2\n20240201,3\n20240202,4\n",
        {},
        "data.csv: irregular times: the usual step is 1, but 20240131 is followed by 20240201 (1 "
        f"such step). {COUNT}",
    ),
    "midnights of a zone when summer begins": (
        "ds,y\n2024-03-29T00:00+01:00,1\n2024-03-30T00:00+01:00,2\n"
        "2024-03-31T00:00+01:00,3\n2024-04-01T00:00+02:00,4\n",
        {},
        "data.csv: irregular times: the usual step is 1 day, but 2024-03-30 23:00:00 is followed "
        f"by 2024-03-31 22:00:00 (1 such step). {INSERT}",
    ),
    "another frequency": (
        DAYS,
        {"frequency": "W-SUN"},
        "data.csv: times that do not fit data.frequency=W-SUN in 4 rows: 2024-01-01, 2024-01-02, "
        "2024-01-03 and 1 more. Correct them, or state another frequency.",
    ),
    "another step": (
        NUMBERS,
        {"frequency": "2"},
        "data.csv: times that do not fit data.frequency=2 in 2 rows: 2, 4. Correct them, or state "
        "another frequency.",
    ),
    "no frequency": (
        DAYS,
        {"frequency": "nonsense"},
        "data.frequency: 'nonsense' is no frequency, such as D, h, W-SUN or MS.",
    ),
    "no step": (
        NUMBERS,
        {"frequency": "D"},
        "data.frequency: 'D' is no step of times that are numbers.",
    ),
    "one row": (
        "ds,y\n2024-01-01,1\n",
        {},
        "data.csv: too few rows for a time series: 1 row. Give it at least three, or remove it.",
    ),
    "short series": (
        LONG + "c,2024-01-01,1\nd,2024-01-01,1\nd,2024-01-02,1\n",
        {},
        "data.csv: too few rows for a time series in 2 series: c: 1 row; d: 2 rows. Give it at "
        "least three, or remove it.",
    ),
    "a row of no series": (
        LONG.replace("a,2024-01-02", " ,2024-01-02"),
        {},
        "data.csv: column 'unique_id': no name of a series in 1 row: nothing in line 3. Name it or "
        "remove the row.",
    ),
    "a column without values": (
        re.sub(r",\d\n", ",\n", DAYS),
        {},
        "data.csv: no value at all in column 'y'. Drop the column, or the series.",
    ),
    "series without values": (
        "unique_id,ds,y\na,0,0\na,1,1\na,2,2\n"
        + "".join(f"{i},0,\n{i},1,\n{i},2,\n" for i in "bcdef"),
        {},
        "data.csv: no value at all in column 'y' in 5 series: b, c, d and 2 more. Drop the column, "
        "or the series.",
    ),
    "a covariate without values": (
        "ds,y,x\n1,1,\n2,2,\n3,3,\n",
        {"future_covariates_columns": ["x"]},
        "data.csv: no value at all in column 'x'. Drop the column, or the series.",
    ),
    "covariates that are never known together": (
        "ds,y,a,b\n1,1,1,\n2,2,,2\n3,3,3,\n",
        {"past_covariates_columns": ["a", "b"]},
        "data.csv: no time at which a, b all have values. Drop one of these columns, or the "
        "series.",
    ),
    "a gap": (
        DAYS.replace("02,2", "02,"),
        {"fill": "forbid"},
        f"data.csv: missing values in 1 step: y at 2024-01-02. {FILL}",
    ),
    "a gap where a time is missing": (
        DAYS.replace("2024-01-02,2\n", ""),
        {"fill": "forbid", "frequency": "D"},
        f"data.csv: missing values in 1 step: y at 2024-01-02. {FILL}",
    ),
    "gaps in many series": (
        "unique_id,ds,y\n" + "".join(f"{i},0,0\n{i},1,\n{i},2,2\n" for i in "abcde"),
        {"fill": "forbid"},
        "data.csv: missing values in 5 steps (1 of a, 1 of b, 1 of c and 2 more series): y at 1, y "
        f"at 1, y at 1 and 2 more. {FILL}",
    ),
    "a gap that no season fills": (
        NUMBERS.replace("2,4", "2,"),
        {"fill": "seasonal"},
        "data.csv: missing values that no other season has (data.season_length=7) in 1 step: y at "
        "2. Set data.fill=linear, or another data.season_length.",
    ),
    "an end that is no date": (
        DAYS,
        {"end": "soon"},
        "data.end: 'soon' is no date, which the times of the data are.",
    ),
    "an end that is no number": (
        NUMBERS,
        {"end": "soon"},
        "data.end: 'soon' is no whole number, which the times of the data are.",
    ),
    "an end too early": (
        LONG,
        {"end": "2024-01-02"},
        "data.csv: too few steps until data.end=2024-01-02 in 2 series: a: 2 steps; b: 2 steps. "
        "Set it to a later time, or remove the series.",
    ),
    "a negative weight": (
        "ds,y,w\n1,1,1\n2,2,-0.5\n3,3,\n",
        {"sample_weight_column": "w"},
        "data.csv: column 'w': a negative weight in 1 row: '-0.5' in line 3. Give it a weight of 0 "
        "or more.",
    ),
    "weights of one series alone": (
        "unique_id,ds,y,w\na,1,1,1\na,2,1,2\na,3,1,3\nb,1,1,\nb,2,1,\nb,3,1,\n",
        {"sample_weight_column": "w"},
        "data.csv: no weight at all in 1 series: b. Give it weights in data.sample_weight_column, "
        "or remove it.",
    ),
    "a static covariate that changes": (
        LONG.replace("\n", ",north\n")
        .replace(",north", ",region", 1)
        .replace("3,north", "3,south"),
        {"static_covariates_columns": ["region"]},
        "data.csv: column 'region' changes in 2 series: a: 'north', then 'south'; b: 'north', then "
        "'south'. A static covariate has one value in a series; give the column another role.",
    ),
    "a static covariate without a value": (
        LONG.replace("\n", ",5\n")
        .replace(",5", ",size", 1)
        .replace("b,2024-01-03,3,5", "b,2024-01-03,3,"),
        {"static_covariates_columns": ["size"]},
        "data.csv: column 'size': no value in 1 row (1 of b): nothing in line 7. A static "
        "covariate has one in every row.",
    ),
    "all at once": (
        "unique_id,ds,y,x\n"
        "a,2024-01-01,1,0\na,2024-01-02,two,0\na,2024-01-03,inf,0\n"
        "b,2024-01-01,1,0\nb,2024-01-01,2,0\n"
        "c,2024-01-01,1,\nc,2024-01-02,,\nc,2024-01-03,3,\nc,2024-01-05,3,\n"
        "d,2024-01-01,1,0\nd,sunday,1,0\nd,2024-01-01,1,0\n"
        "e,2024-01-01,1,0\n",
        {
            "target_columns": ["y", "z"],
            "future_covariates_columns": ["x"],
            "fill": "forbid",
        },
        "data.csv: 9 problems\n"
        f"- no column 'z'. There are unique_id, ds, y, x. {ROLES}\n"
        f"- column 'y': no number in 1 row (1 of a): 'two' in line 3. {CELL}\n"
        "- column 'y': an infinite number in 1 row (1 of a): 'inf' in line 4. Replace it by a "
        "number or leave the cell empty.\n"
        "- column 'ds': no date of the format ISO 8601 in 1 row (1 of d): 'sunday' in line 12. "
        f"{DATE}\n"
        f"- duplicate times in 2 rows (1 of b, 1 of d): 2024-01-01, 2024-01-01. {SINGLE}\n"
        "- irregular times in 1 series: c: the usual step is 1 day, but 2024-01-03 is followed by "
        f"2024-01-05 (1 such step). {INSERT}\n"
        f"- missing values in 1 step (1 of c): y at 2024-01-02. {FILL}\n"
        "- no value at all in column 'x' in 1 series: c. Drop the column, or the series.\n"
        "- too few rows for a time series in 1 series: e: 1 row. Give it at least three, or remove "
        "it.",
    ),
}

# the same for a Parquet file of columns ds, y, with changes of those
PARQUET: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "no column": (
        {},
        {"target_columns": ["yy"], "past_covariates_columns": ["x"]},
        f"data.parquet: no columns 'yy', 'x'. There are ds, y. Did you mean 'y'? {ROLES}",
    ),
    "text": (
        {"y": ["1", "x", "3"]},
        {},
        "data.parquet: column 'y' holds text, not numbers. Store it as double or float.",
    ),
    "text as times": (
        {"ds": ["2024-01-01", "2024-01-02", "2024-01-03"]},
        {},
        "data.parquet: column 'ds' holds text, not times. Store it as a timestamp or date "
        "(pandas.to_datetime), or as whole numbers.",
    ),
    "fractions as times": (
        {"ds": [0.5, 1, 1.5]},
        {},
        "data.parquet: column 'ds' holds double, not times. Store it as a timestamp or date "
        "(pandas.to_datetime), or as whole numbers.",
    ),
    "a missing time": (
        {"ds": pd.to_datetime(["2024-01-01", None, "2024-01-03"])},
        {},
        "data.parquet: column 'ds': no time in 1 row: nothing in row 2. Correct it or remove the "
        "row.",
    ),
    "an infinite number": (
        {"y": [1.0, 2.0, float("inf")]},
        {},
        "data.parquet: column 'y': an infinite number in 1 row: 'inf' in row 3. Replace it by a "
        "number or leave the cell empty.",
    ),
    "the same time twice": (
        {"ds": [1, 1, 2]},
        {},
        f"data.parquet: duplicate times in 1 row: 1. {SINGLE}",
    ),
    "rows of a series that are not together": (
        {"unique_id": ["a", "b", "a"]},
        {},
        "data.parquet: 2 problems\n"
        "- rows that are not together in 1 series: a. Sort the file by unique_id, ds: "
        "frame.sort_values([...]).to_parquet(path).\n"
        "- too few rows for a time series in 1 series: b: 1 row. Give it at least three, or remove "
        "it.",
    ),
    "a row of no series": (
        {"unique_id": ["a", "a", None]},
        {},
        "data.parquet: column 'unique_id': no name of a series in 1 row: nothing in row 3. Name it "
        "or remove the row.",
    ),
    "no rows": (
        {"ds": [], "y": []},
        {},
        "data.parquet: the file has columns but no rows. Give it rows.",
    ),
    "no Parquet": (
        {},
        {"path": "data.csv"},
        f"data.csv: not readable as Parquet ({ANY}). Is it CSV? Then set data=csv.",
    ),
}


def refused(settings: CsvSettings | ParquetSettings, message: str) -> None:
    """Check the whole message that loading ends in."""
    with pytest.raises(UserError) as error:
        load_data(settings)
    pattern = ".*".join(re.escape(part) for part in message.split(ANY))
    assert re.fullmatch(pattern, str(error.value), re.DOTALL), f"{error.value}\n\n{message}"


@pytest.mark.parametrize("case", CSV)
def test_a_broken_csv_file_is_refused_with_these_words(case: str, workdir: Path) -> None:
    text, changes, message = CSV[case]
    Path("data.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(CsvSettings(**CSV_SETTINGS | changes), message)


@pytest.mark.parametrize("case", PARQUET)
def test_a_broken_parquet_file_is_refused_with_these_words(case: str, workdir: Path) -> None:
    columns, changes, message = PARQUET[case]
    frame = pd.DataFrame({"ds": [1, 2, 3], "y": [1.0, 2.0, 3.0]} | columns)
    frame.to_parquet("data.parquet", index=False)
    Path("data.csv").write_text(DAYS)
    refused(ParquetSettings(**SETTINGS | {"path": "data.parquet"} | changes), message)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (
            {"a.csv": DAYS, "b.csv": DAYS.replace("02,2", "02,x")},
            f"*.csv: column 'y': no number in 1 row: 'x' in b.csv, line 3. {CELL}",
        ),
        (
            {"a.csv": DAYS, "b.csv": DAYS.replace("ds", "day"), "c.csv": ""},
            "*.csv: 2 problems\n"
            "- c.csv: the file is empty. Give it a header and rows.\n"
            f"- b.csv: no column 'ds'. There are day, y. {ROLES}",
        ),
        (
            {"a.csv": DAYS, "b.csv": NUMBERS},
            "*.csv: column 'ds' holds numbers in some files and dates in others. Read these files "
            "one kind at a time.",
        ),
        (
            {"a.csv": DAYS.replace("01-04", "01-09"), "b.csv": DAYS.replace("01-03", "01-02")},
            "*.csv: 2 problems\n"
            "- irregular times in 1 series: a: the usual step is 1 day, but 2024-01-03 is followed "
            f"by 2024-01-09 (1 such step). {INSERT}\n"
            f"- duplicate times in 1 row (1 of b): 2024-01-02. {SINGLE}",
        ),
    ],
)
def test_problems_of_many_files_are_told_together(
    texts: dict[str, str], message: str, workdir: Path
) -> None:
    for name, text in texts.items():
        Path(name).write_text(text)
    refused(CsvSettings(**CSV_SETTINGS | {"path": "*.csv"}), message)


def test_no_file_in_a_folder(workdir: Path) -> None:
    Path("sales").mkdir()
    settings = CsvSettings(**CSV_SETTINGS | {"path": "sales"})
    message = f"data.path: there is no .csv file in the folder 'sales' (looked in {ANY})."
    refused(settings, message)
