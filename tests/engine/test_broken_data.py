"""Data files that cannot be used: all problems are reported, with places and remedies."""

import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from my_forecast.data import DataError, load_data
from my_forecast.data.files import CsvFiles, FileSource, ParquetFiles
from my_forecast.errors import UserError

FILES: dict[str, Any] = {
    "path": "data.csv",
    "time_column": "ds",
    "target_columns": ["y"],
    "season_length": 7,
    "validation_size": 0.1,
    "test_size": 0.2,
    "fill": "linear",
    "scaler": "standard",
}

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


@dataclass
class Facts:
    """What a problem must say; ``what`` and ``remedy`` are words that it contains."""

    subject: str
    what: str
    remedy: str
    count: int = 0
    places: list[str] = field(default_factory=list)
    series: dict[str, int] = field(default_factory=dict)


def few_rows(places: list[str], series: dict[str, int]) -> Facts:
    """Return the problem of series with one or two rows."""
    what, remedy = "too few rows for a time series", "Add rows (at least 3)"
    return Facts("", what, remedy, places=places, series=series)


# a CSV file, changes of the settings, and all problems, or words of the message
CSV: dict[str, tuple[str | bytes, dict[str, Any], list[Facts] | tuple[str, ...]]] = {
    "no file": (DAYS, {"path": "gone.csv"}, ("data.path", "'gone.csv'")),
    "no file of a pattern": (DAYS, {"path": "sales/*.csv"}, ("data.path", "'sales/*.csv'")),
    "an empty file": ("", {}, [Facts("", "the file is empty", "Add a header and rows")]),
    "blank lines": ("\n\n", {}, [Facts("", "the file is empty", "Add a header and rows")]),
    "a header alone": ("ds,y\n", {}, [Facts("", "the file has columns but no rows", "Add rows")]),
    "empty cells alone": (
        "ds,y\n,\n\n",
        {},
        [Facts("", "the file has columns but no rows", "Add rows")],
    ),
    "another encoding": (
        "ds,y\n2024-01-01,Привет\n".encode("cp1251"),
        {},
        [Facts("", "not in the encoding utf-8", "data.encoding")],
    ),
    "UTF-16 read as another encoding": (
        DAYS.encode("utf-16"),
        {"encoding": "cp1252"},
        [Facts("", "not readable as CSV (NUL characters in the header)", "data.separator")],
    ),
    "bytes of another encoding": (
        b"ds,y\n2024-01-01,\x81\n",
        {"encoding": "cp1252"},
        [Facts("", "not in the encoding", "data.encoding")],
    ),
    "two columns of one name": (
        DAYS.replace("ds,y", "ds,y,y"),
        {},
        [Facts("", "two columns are called 'y'", "Rename or remove one of them")],
    ),
    "thousands in wrong places": (
        DAYS.replace("02,2", "02,1 23"),
        {"thousands": " "},
        [Facts("column 'y'", "non-numeric value", "data.decimal", 1, ["line 3: '1 23'"])],
    ),
    "a year that is wrong by one digit": (
        DAYS.replace("2024-01-04", "2204-01-04"),
        {"frequency": "D"},
        [
            Facts(
                "data.frequency=D",
                "almost all times are missing",
                "Correct the first or the last time",
                places=["4 rows for 65747 steps from 2024-01-01 to 2204-01-04"],
                series={"data": 1},
            )
        ],
    ),
    "one name for two series": (
        "a,b,ds,y\n"
        + "".join(f"{key},{day},1\n" for key in ("x/y,z", "x,y/z") for day in range(3)),
        {"series_column": ["a", "b"]},
        [Facts("", "one name for several series", "Rename the series", series={"x/y/z": 2})],
    ),
    "series with other steps": (
        LONG.replace("b,2024-01-02", "b,2024-01-03").replace("b,2024-01-03,3", "b,2024-01-05,3"),
        {},
        [
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=2,
                places=["2024-01-01 to 2024-01-03 instead of 1 day"],
                series={"b": 2},
            )
        ],
    ),
    "an open quote": (
        'ds,y\n"2024-01-01,1\n',
        {},
        [Facts("", "not readable as CSV", "data.separator")],
    ),
    "too many cells": (
        DAYS.replace("02,2", "02,2,3,4"),
        {},
        [Facts("", "not readable as CSV (line 3 has 4 fields, the header 2)", "data.separator")],
    ),
    "another separator": (
        DAYS.replace(",", ";"),
        {"separator": ","},
        [Facts("", "no columns 'ds', 'y'", "The columns are 'ds;y'")],
    ),
    "no target column": (
        DAYS,
        {"target_columns": ["yy"]},
        [Facts("", "no column 'yy'", "Did you mean 'y'")],
    ),
    "no time column": (
        DAYS,
        {"time_column": "date"},
        [Facts("", "no column 'date'", "The columns are 'ds', 'y'.")],
    ),
    "no series column": (
        DAYS,
        {"series_column": "id"},
        [Facts("", "no column 'id'", "The columns are 'ds', 'y'.")],
    ),
    "no column of a key": (
        LONG,
        {"series_column": ["unique_id", "item"]},
        [Facts("", "no column 'item'", "The columns are 'unique_id', 'ds', 'y'.")],
    ),
    "a space in the header": (
        DAYS.replace("ds,y", "ds, y"),
        {},
        [Facts("", "no column 'y'", "Did you mean ' y'")],
    ),
    "several columns": (
        DAYS,
        {"time_column": "dss", "future_covariates_columns": ["holiday"]},
        [Facts("", "no columns 'dss', 'holiday'", "Did you mean 'ds'")],
    ),
    "text": (
        DAYS.replace("02,2", "02,x"),
        {},
        [Facts("column 'y'", "non-numeric value", "data.decimal", count=1, places=["line 3: 'x'"])],
    ),
    "text after a blank line": (
        DAYS.replace("2024-01-02,2", "\n2024-01-02,x"),
        {},
        [Facts("column 'y'", "non-numeric value", "data.decimal", count=1, places=["line 4: 'x'"])],
    ),
    "more text than is shown": (
        "ds,y\n" + "".join(f"{number},{text}\n" for number, text in enumerate("vwxyz")),
        {},
        [
            Facts(
                "column 'y'",
                "non-numeric value",
                "data.decimal",
                count=5,
                places=["line 2: 'v'", "line 3: 'w'", "line 4: 'x'"],
            )
        ],
    ),
    "text in a covariate": (
        "ds,y,x\n1,1,yes\n2,2,no\n3,3,2\n",
        {"past_covariates_columns": ["x"]},
        [
            Facts(
                "column 'x'",
                "non-numeric value",
                "data.decimal",
                count=2,
                places=["line 2: 'yes'", "line 3: 'no'"],
            )
        ],
    ),
    "a decimal comma": (
        DAYS.replace(",", ";").replace(";2\n", ";2,5\n"),
        {"separator": ";"},
        [
            Facts(
                "column 'y'", "non-numeric value", "data.decimal", count=1, places=["line 3: '2,5'"]
            )
        ],
    ),
    "a separator of thousands": (
        DAYS.replace("02,2", '02,"2,000"'),
        {},
        [
            Facts(
                "column 'y'",
                "non-numeric value",
                "data.decimal",
                count=1,
                places=["line 3: '2,000'"],
            )
        ],
    ),
    "a unit": (
        DAYS.replace("02,2", "02,2 %"),
        {},
        [
            Facts(
                "column 'y'", "non-numeric value", "data.decimal", count=1, places=["line 3: '2 %'"]
            )
        ],
    ),
    "text in several series": (
        LONG.replace("a,2024-01-02,2", "a,2024-01-02,-").replace(",3\n", ",?\n"),
        {},
        [
            Facts(
                "column 'y'",
                "non-numeric value",
                "data.decimal",
                count=3,
                places=["line 3: '-'", "line 4: '?'", "line 7: '?'"],
                series={"a": 2, "b": 1},
            )
        ],
    ),
    "an infinite number": (
        DAYS.replace("02,2", "02,-inf"),
        {},
        [
            Facts(
                "column 'y'",
                "infinite value",
                "Replace it by a number",
                count=1,
                places=["line 3: '-inf'"],
            )
        ],
    ),
    "no date": (
        DAYS.replace("2024-01-03", "soon"),
        {},
        [
            Facts(
                "column 'ds'",
                "invalid date",
                "data.time_format",
                count=1,
                places=["line 4: 'soon'"],
            )
        ],
    ),
    "an empty date": (
        DAYS.replace("2024-01-03", ""),
        {},
        [
            Facts(
                "column 'ds'", "invalid date", "data.time_format", count=1, places=["line 4: empty"]
            )
        ],
    ),
    "30 February": (
        DAYS.replace("2024-01-03", "2024-02-30"),
        {},
        [
            Facts(
                "column 'ds'",
                "invalid date",
                "data.time_format",
                count=1,
                places=["line 4: '2024-02-30'"],
            )
        ],
    ),
    "the day first": (
        "ds,y\n01/02/2024,1\n02/02/2024,2\n03/02/2024,3\n",
        {},
        [
            Facts(
                "column 'ds'",
                "invalid date",
                "data.time_format",
                count=3,
                places=["line 2: '01/02/2024'", "line 3: '02/02/2024'", "line 4: '03/02/2024'"],
            )
        ],
    ),
    "another format of dates": (
        DAYS,
        {"time_format": "%d/%m/%Y"},
        [
            Facts(
                "column 'ds'",
                "invalid date",
                "data.time_format",
                count=4,
                places=["line 2: '2024-01-01'", "line 3: '2024-01-02'", "line 4: '2024-01-03'"],
            )
        ],
    ),
    "fractions as times": (
        "ds,y\n0.5,1\n1,2\n1.5,3\n",
        {},
        [
            Facts(
                "column 'ds'",
                "non-integer time",
                "Correct the time",
                count=2,
                places=["line 2: '0.5'", "line 4: '1.5'"],
            )
        ],
    ),
    "a missing number as time": (
        NUMBERS + ",25\n",
        {},
        [
            Facts(
                "column 'ds'",
                "non-integer time",
                "Correct the time",
                count=1,
                places=["line 6: empty"],
            )
        ],
    ),
    "numbers and dates": (
        "ds,y\n1,1\n2024-01-02,2\n3,3\n",
        {},
        [
            Facts(
                "column 'ds'",
                "non-integer time",
                "Correct the time",
                count=1,
                places=["line 3: '2024-01-02'"],
            )
        ],
    ),
    "the same time twice": (
        DAYS.replace("01-03", "01-02"),
        {},
        [
            Facts(
                "",
                "duplicate time",
                "data.duplicates",
                count=1,
                places=["2024-01-02"],
                series={"data": 1},
            )
        ],
    ),
    "the same hour twice": (
        "ds,y\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n2024-01-01 01:00,3\n2024-01-01 02:00,4\n",
        {},
        [
            Facts(
                "",
                "duplicate time",
                "data.duplicates",
                count=1,
                places=["2024-01-01 01:00:00"],
                series={"data": 1},
            )
        ],
    ),
    "the same time twice in several series": (
        LONG.replace("a,2024-01-03", "a,2024-01-02").replace("b,2024-01-03", "b,2024-01-01"),
        {},
        [
            Facts(
                "",
                "duplicate time",
                "data.duplicates",
                count=2,
                places=["2024-01-02", "2024-01-01"],
                series={"a": 1, "b": 1},
            )
        ],
    ),
    "a long file that is read as a wide one": (
        LONG,
        {"series_column": None},
        [
            Facts(
                "",
                "duplicate time",
                "data.duplicates",
                count=3,
                places=["2024-01-01", "2024-01-02", "2024-01-03"],
                series={"data": 3},
            )
        ],
    ),
    "a missing day": (
        DAYS.replace("01-04", "01-05"),
        {},
        [
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=1,
                places=["2024-01-03 to 2024-01-05 instead of 1 day"],
                series={"data": 1},
            )
        ],
    ),
    "missing hours": (
        "ds,y\n" + "".join(f"2024-01-01 {hour:02}:00,{hour}\n" for hour in (0, 1, 2, 4, 6, 7)),
        {},
        [
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=2,
                places=["2024-01-01 02:00:00 to 2024-01-01 04:00:00 instead of 01:00:00"],
                series={"data": 2},
            )
        ],
    ),
    "missing days in several series": (
        LONG.replace("a,2024-01-01", "a,2023-12-01") + "b,2024-01-09,1\nc,1999-12-31,1\n",
        {"frequency": None},
        [
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=2,
                places=[
                    "2023-12-01 to 2024-01-02 instead of 1 day",
                    "2024-01-03 to 2024-01-09 instead of 1 day",
                ],
                series={"a": 1, "b": 1},
            ),
            few_rows(["1 row"], {"c": 1}),
        ],
    ),
    "a missing number": (
        NUMBERS.replace("4,16", "9,16"),
        {},
        [
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=1,
                places=["3 to 9 instead of 1"],
                series={"data": 1},
            )
        ],
    ),
    "dates that look like numbers": (
        "ds,y\n20240130,1\n20240131,2\n20240201,3\n20240202,4\n",
        {},
        [
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=1,
                places=["20240131 to 20240201 instead of 1"],
                series={"data": 1},
            )
        ],
    ),
    "midnights of a zone when summer begins": (
        "ds,y\n2024-03-29T00:00+01:00,1\n2024-03-30T00:00+01:00,2\n"
        "2024-03-31T00:00+01:00,3\n2024-04-01T00:00+02:00,4\n",
        {},
        [
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=1,
                places=["2024-03-30 23:00:00 to 2024-03-31 22:00:00 instead of 1 day"],
                series={"data": 1},
            )
        ],
    ),
    "another frequency": (
        DAYS,
        {"frequency": "W-SUN"},
        [
            Facts(
                "data.frequency=W-SUN",
                "unexpected time",
                "Correct these times",
                count=4,
                places=["2024-01-01", "2024-01-02", "2024-01-03"],
                series={"data": 4},
            )
        ],
    ),
    "another step": (
        NUMBERS,
        {"frequency": "2"},
        [
            Facts(
                "data.frequency=2",
                "unexpected time",
                "Correct these times",
                count=2,
                places=["2", "4"],
                series={"data": 2},
            )
        ],
    ),
    "no frequency": (DAYS, {"frequency": "nonsense"}, ("data.frequency", "'nonsense'", "W-SUN")),
    "no step": (NUMBERS, {"frequency": "D"}, ("data.frequency", "'D'", "whole number")),
    "one row": (
        "ds,y\n2024-01-01,1\n",
        {},
        [few_rows(["1 row"], {"data": 1})],
    ),
    "short series": (
        LONG + "c,2024-01-01,1\nd,2024-01-01,1\nd,2024-01-02,1\n",
        {},
        [few_rows(["1 row", "2 rows"], {"c": 1, "d": 1})],
    ),
    "two rows, one of them between the steps": (
        "unique_id,ds,y,z\na,2024-05-01,1,1\na,2024-06-01,1,1\nb,2024-02-01,1,\nb,2024-03-01,1,1\n",
        {"target_columns": ["y", "z"]},
        [few_rows(["2 rows", "2 rows"], {"a": 1, "b": 1})],
    ),
    "a row of no series": (
        LONG.replace("a,2024-01-02", " ,2024-01-02"),
        {},
        [
            Facts(
                "column 'unique_id'",
                "missing series name",
                "Add the name",
                count=1,
                places=["line 3: empty"],
            )
        ],
    ),
    "a column without values": (
        re.sub(r",\d\n", ",\n", DAYS),
        {},
        [Facts("column 'y'", "no values at all", "Remove the column", series={"data": 1})],
    ),
    "series without values": (
        "unique_id,ds,y\na,0,0\na,1,1\na,2,2\n"
        + "".join(f"{i},0,\n{i},1,\n{i},2,\n" for i in "bcdef"),
        {},
        [
            Facts(
                "column 'y'",
                "no values at all",
                "Remove the column",
                series={"b": 1, "c": 1, "d": 1, "e": 1, "f": 1},
            )
        ],
    ),
    "a covariate without values": (
        "ds,y,x\n1,1,\n2,2,\n3,3,\n",
        {"future_covariates_columns": ["x"]},
        [Facts("column 'x'", "no values at all", "Remove the column", series={"data": 1})],
    ),
    "covariates that are never known together": (
        "ds,y,a,b\n1,1,1,\n2,2,,2\n3,3,3,\n",
        {"past_covariates_columns": ["a", "b"]},
        [
            Facts(
                "columns 'a', 'b'",
                "no time at which all have values",
                "Remove one of these columns",
                series={"data": 1},
            )
        ],
    ),
    "a gap": (
        DAYS.replace("02,2", "02,"),
        {"fill": "forbid"},
        [
            Facts(
                "",
                "missing value",
                "data.fill",
                count=1,
                places=["y at 2024-01-02"],
                series={"data": 1},
            )
        ],
    ),
    "a gap where a time is missing": (
        DAYS.replace("2024-01-02,2\n", ""),
        {"fill": "forbid", "frequency": "D"},
        [
            Facts(
                "",
                "missing value",
                "data.fill",
                count=1,
                places=["y at 2024-01-02"],
                series={"data": 1},
            )
        ],
    ),
    "gaps in many series": (
        "unique_id,ds,y\n" + "".join(f"{i},0,0\n{i},1,\n{i},2,2\n" for i in "abcde"),
        {"fill": "forbid"},
        [
            Facts(
                "",
                "missing value",
                "data.fill",
                count=5,
                places=["y at 1", "y at 1", "y at 1"],
                series={"a": 1, "b": 1, "c": 1, "d": 1, "e": 1},
            )
        ],
    ),
    "a gap that no season fills": (
        NUMBERS.replace("2,4", "2,"),
        {"fill": "seasonal"},
        [
            Facts(
                "data.fill=seasonal with data.season_length=7",
                "unfilled value",
                "data.fill",
                count=1,
                places=["y at 2"],
                series={"data": 1},
            )
        ],
    ),
    "an end that is no date": (DAYS, {"end": "soon"}, ("data.end", "'soon'", "date")),
    "an end that is no number": (NUMBERS, {"end": "soon"}, ("data.end", "'soon'", "whole number")),
    "an end too early": (
        LONG,
        {"end": "2024-01-02"},
        [
            Facts(
                "data.end=2024-01-02",
                "fewer than 3 steps",
                "data.end",
                places=["2 steps", "2 steps"],
                series={"a": 1, "b": 1},
            )
        ],
    ),
    "a negative weight": (
        "ds,y,w\n1,1,1\n2,2,-0.5\n3,3,\n",
        {"sample_weight_column": "w"},
        [
            Facts(
                "column 'w'",
                "negative weight",
                "Set it to 0 or more",
                count=1,
                places=["line 3: '-0.5'"],
            )
        ],
    ),
    "weights of one series alone": (
        "unique_id,ds,y,w\na,1,1,1\na,2,1,2\na,3,1,3\nb,1,1,\nb,2,1,\nb,3,1,\n",
        {"sample_weight_column": "w"},
        [Facts("", "no weights at all", "data.sample_weight_column", series={"b": 1})],
    ),
    "a static covariate that changes": (
        LONG.replace("\n", ",north\n")
        .replace(",north", ",region", 1)
        .replace("3,north", "3,south"),
        {"static_covariates_columns": ["region"]},
        [
            Facts(
                "static column 'region'",
                "more than one value",
                "A static covariate must have the same value in every row",
                places=["'north', then 'south'", "'north', then 'south'"],
                series={"a": 1, "b": 1},
            )
        ],
    ),
    "a static covariate without a value": (
        LONG.replace("\n", ",5\n")
        .replace(",5", ",size", 1)
        .replace("b,2024-01-03,3,5", "b,2024-01-03,3,"),
        {"static_covariates_columns": ["size"]},
        [
            Facts(
                "column 'size'",
                "missing value",
                "A static covariate needs a value in every row",
                count=1,
                places=["line 7: empty"],
                series={"b": 1},
            )
        ],
    ),
    "all at once": (
        "unique_id,ds,y,x\n"
        "a,2024-01-01,1,0\na,2024-01-02,two,0\na,2024-01-03,inf,0\n"
        "b,2024-01-01,1,0\nb,2024-01-01,2,0\n"
        "c,2024-01-01,1,0\nc,2024-01-02,,0\nc,2024-01-03,3,0\nc,2024-01-05,3,0\n"
        "d,2024-01-01,1,0\nd,sunday,1,0\nd,2024-01-01,1,0\n"
        "e,2024-01-01,1,\n",
        {
            "target_columns": ["y", "z"],
            "future_covariates_columns": ["x"],
            "fill": "forbid",
        },
        [
            Facts("", "no column 'z'", "The columns are 'unique_id', 'ds', 'y', 'x'."),
            Facts(
                "column 'ds'",
                "invalid date",
                "data.time_format",
                count=1,
                places=["line 12: 'sunday'"],
                series={"d": 1},
            ),
            Facts(
                "",
                "duplicate time",
                "data.duplicates",
                count=2,
                places=["2024-01-01", "2024-01-01"],
                series={"b": 1, "d": 1},
            ),
            Facts(
                "",
                "irregular step",
                "data.frequency",
                count=1,
                places=["2024-01-03 to 2024-01-05 instead of 1 day"],
                series={"c": 1},
            ),
            few_rows(["1 row"], {"e": 1}),
            Facts(
                "column 'y'",
                "non-numeric value",
                "data.decimal",
                count=1,
                places=["line 3: 'two'"],
                series={"a": 1},
            ),
            Facts(
                "column 'y'",
                "infinite value",
                "Replace it by a number",
                count=1,
                places=["line 4: 'inf'"],
                series={"a": 1},
            ),
            Facts("column 'x'", "no values at all", "Remove the column", series={"e": 1}),
            Facts(
                "",
                "missing value",
                "data.fill",
                count=1,
                places=["y at 2024-01-02"],
                series={"c": 1},
            ),
        ],
    ),
}

# changes of the columns of a Parquet file, changes of the settings, and all problems
PARQUET: dict[str, tuple[dict[str, Any], dict[str, Any], list[Facts]]] = {
    "no column": (
        {},
        {"target_columns": ["yy"], "past_covariates_columns": ["x"]},
        [Facts("", "no columns 'yy', 'x'", "Did you mean 'y'")],
    ),
    "text": (
        {"y": ["1", "x", "3"]},
        {},
        [Facts("column 'y'", "text, not numbers", "Store it as double or float")],
    ),
    "text as times": (
        {"ds": ["2024-01-01", "2024-01-02", "2024-01-03"]},
        {},
        [Facts("column 'ds'", "text, not times", "Store it as a timestamp or date (pandas")],
    ),
    "fractions as times": (
        {"ds": [0.5, 1, 1.5]},
        {},
        [Facts("column 'ds'", "Float64, not times", "Store it as a timestamp or date (pandas")],
    ),
    "a missing time": (
        {"ds": pd.to_datetime(["2024-01-01", None, "2024-01-03"])},
        {},
        [Facts("column 'ds'", "missing time", "Add the time", count=1, places=["row 2: empty"])],
    ),
    "an infinite number": (
        {"y": [1.0, 2.0, float("inf")]},
        {},
        [
            Facts(
                "column 'y'",
                "infinite value",
                "Replace it by a number",
                count=1,
                places=["row 3: 'inf'"],
            )
        ],
    ),
    "the same time twice": (
        {"ds": [1, 1, 2]},
        {},
        [Facts("", "duplicate time", "data.duplicates", count=1, places=["1"], series={"data": 1})],
    ),
    "rows of a series that are not together": (
        {"unique_id": ["a", "b", "a"]},
        {},
        [few_rows(["2 rows", "1 row"], {"a": 1, "b": 1})],
    ),
    "a row of no series": (
        {"unique_id": ["a", "a", None]},
        {},
        [
            Facts(
                "column 'unique_id'",
                "missing series name",
                "Add the name",
                count=1,
                places=["row 3: empty"],
            )
        ],
    ),
    "no rows": (
        {"ds": [], "y": []},
        {},
        [Facts("", "the file has columns but no rows", "Add rows")],
    ),
    "no Parquet": (
        {},
        {"path": "data.csv"},
        [
            Facts(
                "",
                "not readable as Parquet",
                "If it is a CSV file",
            )
        ],
    ),
}


def refused(source: FileSource, expected: list[Facts] | tuple[str, ...]) -> None:
    """Check that loading ends in these problems, and no others."""
    with pytest.raises(UserError) as error:
        load_data(source)
    if isinstance(expected, tuple):
        assert all(word in str(error.value) for word in expected), error.value
        return
    assert isinstance(error.value, DataError)
    problems = error.value.problems
    assert len(problems) == len(expected), error.value
    for problem, facts in zip(problems, expected, strict=True):
        assert facts.subject == problem.subject
        assert facts.what in problem.what
        assert facts.remedy in problem.remedy
        assert (problem.count, problem.places) == (facts.count, facts.places)
        assert dict(problem.series) == facts.series


@pytest.mark.parametrize("case", CSV)
def test_a_broken_csv_file_is_refused(case: str, workdir: Path) -> None:
    text, changes, expected = CSV[case]
    Path("data.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(CsvFiles(**FILES | changes), expected)


def test_series_of_few_rows_may_be_dropped(workdir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Of one row and of two, on the steps of the others and between them."""
    Path("data.csv").write_text(LONG + "c,2024-01-01,1\nd,2024-01-01T07:00,1\nd,2024-01-05,\n")
    panel = load_data(CsvFiles(**FILES, short_series="drop"))
    assert panel.names == ["a", "b"]
    assert [len(series) for series in panel.to_series()] == [3, 3]
    assert "Dropped series of fewer than 3 rows: c, d." in caplog.text
    # not if nothing is left
    Path("data.csv").write_text("ds,y\n2024-01-01,1\n")
    with pytest.raises(DataError, match="too few rows for a time series"):
        load_data(CsvFiles(**FILES, short_series="drop"))


@pytest.mark.parametrize("case", PARQUET)
def test_a_broken_parquet_file_is_refused(case: str, workdir: Path) -> None:
    columns, changes, expected = PARQUET[case]
    frame = pd.DataFrame({"ds": [1, 2, 3], "y": [1.0, 2.0, 3.0]} | columns)
    frame.to_parquet("data.parquet", index=False)
    Path("data.csv").write_text(DAYS)
    refused(ParquetFiles(**FILES | {"path": "data.parquet"} | changes), expected)


def saved(frame: pl.DataFrame, kind: str) -> type[FileSource]:
    """Write ``data.csv`` or ``data.parquet``, and return the source that reads it."""
    if kind == "csv":
        frame.write_csv("data.csv")
        return CsvFiles
    frame.write_parquet("data.parquet")
    return ParquetFiles


def wide(count: int) -> pl.DataFrame:
    """Return ten rows of many columns."""
    return pl.DataFrame({"ds": range(10)} | {f"y{number}": range(10) for number in range(count)})


@pytest.mark.parametrize("bad", [0, 1], ids=["whole", "broken"])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_ten_thousand_columns(kind: str, bad: int, workdir: Path) -> None:
    """They are read as they are, or the report lists those that are wrong, and ends."""
    frame = wide(10_000)
    if bad:
        frame = frame.with_columns(pl.lit("x").alias("y7"), pl.lit("x").alias("y9999"))
    source = saved(frame, kind)
    fields = {"path": f"data.{kind}", "target_columns": frame.columns[1:]}
    begin = time.process_time()
    if bad:
        with pytest.raises(DataError) as refused:
            load_data(source(**FILES | fields))
        subjects = [problem.subject for problem in refused.value.problems]
        assert subjects == ["column 'y7'", "column 'y9999'"]
    else:
        panel = load_data(source(**FILES | fields))
        assert panel.targets.components == frame.columns[1:]
        assert (panel.targets.values == np.arange(10)[:, None]).all()
    assert time.process_time() - begin < 60


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_column_that_is_absent_from_ten_thousand(kind: str, workdir: Path) -> None:
    source = saved(wide(10_000), kind)
    with pytest.raises(DataError, match="no column 'y'") as refused:
        load_data(source(**FILES | {"path": f"data.{kind}"}))
    assert len(str(refused.value)) < 1000


def test_a_damaged_page_of_a_parquet_file_is_refused(workdir: Path) -> None:
    """The end of the file, which lists its columns, is whole."""
    frame = pl.DataFrame({"ds": range(50_000), "y": np.random.default_rng(0).random(50_000)})
    frame.write_parquet("data.parquet", compression="zstd", row_group_size=10_000)
    content = Path("data.parquet").read_bytes()
    for place in (4, len(content) // 2):
        damaged = content[:place] + bytes(1000) + content[place + 1000 :]
        Path("data.parquet").write_bytes(damaged)
        with pytest.raises(UserError, match=r"not readable as Parquet|data\.parquet' is damaged"):
            load_data(ParquetFiles(**FILES | {"path": "data.parquet"}))


@pytest.mark.parametrize("length", [1, 100, 100_000])
@pytest.mark.parametrize("seed", range(5))
def test_a_csv_file_of_random_bytes_is_refused(length: int, seed: int, workdir: Path) -> None:
    Path("data.csv").write_bytes(np.random.default_rng(seed).bytes(length))
    for encoding in ("auto", "cp1252"):
        with pytest.raises(DataError) as refused:
            load_data(CsvFiles(**FILES | {"encoding": encoding}))
        assert len(str(refused.value)) < 5000


NAMES = ['say "yes"', "two\nlines", '"', "'", 'a"\r\n,b']


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_quotes_and_line_ends_in_the_name_of_a_column(kind: str, name: str, workdir: Path) -> None:
    """The column is read by its name, and a problem of it stays in one line."""
    fields = FILES | {"path": f"data.{kind}", "target_columns": [name]}
    for last in (8.0, float("inf")):
        frame = pl.DataFrame({"ds": [1, 2, 3, 4], name: [1.0, 2.0, 4.0, last]})
        source = saved(frame, kind)
        if last == 8:
            panel = load_data(source(**fields))
            assert panel.targets.components == [name]
            assert panel.targets.values[:, 0].tolist() == [1, 2, 4, 8]
            continue
        with pytest.raises(DataError, match="1 infinite value") as refused:
            load_data(source(**fields))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("first", "usable"),
    [("0001-01-01", True), ("8999-12-29", True), ("9999-12-28", False)],
)
def test_the_first_and_the_last_years(kind: str, first: str, usable: bool, workdir: Path) -> None:
    """Dates of year 1 are as usable as others; those of year 9999 leave no room for a forecast."""
    days = np.datetime64(first, "D") + np.arange(4)
    frame = pl.DataFrame({"ds": days.astype("M8[us]"), "y": [1.0, 2.0, 4.0, 8.0]})
    source = saved(frame, kind)
    fields = FILES | {"path": f"data.{kind}"}
    if usable:
        panel = load_data(source(**fields))
        assert (panel.times.to_numpy().astype("M8[D]") == days).all()
        assert panel.targets.values[:, 0].tolist() == [1, 2, 4, 8]
    else:
        with pytest.raises(DataError, match=r"4 out-of-range times .*Years are from 1 to 9000"):
            load_data(source(**fields))


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            {"a.csv": DAYS, "b.csv": DAYS.replace("02,2", "02,x")},
            [
                Facts(
                    "column 'y'",
                    "non-numeric value",
                    "data.decimal",
                    count=1,
                    places=["b.csv line 3: 'x'"],
                )
            ],
        ),
        (
            {"a.csv": DAYS, "b.csv": DAYS.replace("ds", "day"), "c.csv": ""},
            [
                Facts("c.csv", "the file is empty", "header"),
                Facts("b.csv", "no column 'ds'", "The columns are 'day', 'y'."),
            ],
        ),
        (
            {"a.csv": DAYS, "b.csv": NUMBERS},
            [Facts("column 'ds'", "numbers in some files, dates in others", "separately")],
        ),
        (
            {"a.csv": DAYS.replace("01-04", "01-09"), "b.csv": DAYS.replace("01-03", "01-02")},
            [
                Facts(
                    "",
                    "irregular step",
                    "data.frequency",
                    count=1,
                    places=["2024-01-03 to 2024-01-09 instead of 1 day"],
                    series={"a": 1},
                ),
                Facts(
                    "",
                    "duplicate time",
                    "data.duplicates",
                    count=1,
                    places=["2024-01-02"],
                    series={"b": 1},
                ),
            ],
        ),
    ],
)
def test_problems_of_many_files_are_reported_together(
    texts: dict[str, str], expected: list[Facts], workdir: Path
) -> None:
    for name, text in texts.items():
        Path(name).write_text(text)
    refused(CsvFiles(**FILES | {"path": "*.csv"}), expected)


def test_no_file_in_a_folder(workdir: Path) -> None:
    Path("sales").mkdir()
    refused(CsvFiles(**FILES | {"path": "sales"}), ("data.path", "no .csv file", "'sales'"))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (
            "text in several series",
            "data.csv: column 'y': 3 non-numeric values (line 3: '-', line 4: '?', line 7: '?'; "
            "series a: 2, b: 1). Fix the cell, leave it empty, or set data.decimal.",
        ),
        (
            "series without values",
            "data.csv: column 'y': no values at all in 5 series (b, c, d and 2 more). Remove the "
            "column, or the series.",
        ),
        (
            "missing days in several series",
            "data.csv: 2 problems\n"
            "- 2 irregular steps (2023-12-01 to 2024-01-02 instead of 1 day, 2024-01-03 to "
            "2024-01-09 instead of 1 day; series a: 1, b: 1). Set data.frequency=B to insert the "
            "missing times as gaps, or a longer step as data.resample to aggregate the rows.\n"
            "- too few rows for a time series in 1 series (c: 1 row). Add rows (at least 3), or "
            "remove the series (data.short_series=drop).",
        ),
    ],
)
def test_messages_say_what_is_wrong_where_and_what_to_do(
    case: str, message: str, workdir: Path
) -> None:
    text, changes, _ = CSV[case]
    assert isinstance(text, str)
    Path("data.csv").write_text(text)
    with pytest.raises(DataError) as error:
        load_data(CsvFiles(**FILES | changes))
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_columns": []}, "target_columns"),
        ({"target_columns": ["y", "y"]}, "names a column twice"),
        ({"path": []}, "path"),
        ({"path": [["a"]]}, "path"),
        ({"series_column": []}, "series_column"),
        ({"separator": "::"}, "separator"),
        ({"decimal": ""}, "decimal"),
        ({"encoding": "gbkk"}, "not an encoding of Python"),
        ({"thousands": "''"}, "thousands"),
        ({"scaler": "magic"}, "must be one of standard"),
        ({"duplicates": "some"}, "duplicates"),
        ({"sample_weight": "linear", "sample_weight_column": "w"}, "Set only one of them"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_settings_that_no_file_has_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CsvFiles(**FILES | changes)
