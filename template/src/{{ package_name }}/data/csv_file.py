"""One CSV file, read as a whole: its rows may be in any order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..settings import CsvSettings
from .columns import Columns, key_columns
from .report import Report
from .rows import are_numbers

# the number of the first line below the header
FIRST_LINE = 2


class CsvFile:
    """The rows of a CSV file, numbered as lines."""

    place = "line"

    def __init__(self, path: Path, settings: CsvSettings) -> None:
        """Read the file.

        Raises:
            ValueError: saying why it cannot be read.
        """
        self.path = path
        # names of series are text, and may be NA or 007
        converters: dict[Any, Any] = dict.fromkeys(key_columns(settings), str.strip)
        try:
            frame = pd.read_csv(
                path,
                sep=settings.separator,
                decimal=settings.decimal,
                converters=converters,
                skip_blank_lines=False,  # for they count as lines
                low_memory=False,
            )
        except pd.errors.EmptyDataError as error:
            raise ValueError("the file is empty. Give it a header and rows") from error
        except (OSError, UnicodeDecodeError, pd.errors.ParserError) as error:
            raise ValueError(
                f"not readable as CSV ({str(error).strip()}). Check the file, its encoding "
                f"(UTF-8) and data.separator={settings.separator!r}"
            ) from error
        frame.index += FIRST_LINE
        for column in converters.keys() & set(frame):
            frame[column] = frame[column].where(frame[column] != "")
        self._frame = frame.dropna(how="all")

    @property
    def names(self) -> list[str]:
        """Return the names of the columns."""
        return list(self._frame.columns)

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return len(self._frame)

    def precision(self, columns: list[str]) -> type[np.floating]:
        """Return the type that holds the values of ``columns``."""
        return np.float64

    def time_type(self, column: str, time_format: str | None) -> str:
        """Return what the times become: a type of NumPy."""
        return "int64" if are_numbers(self._frame[column], time_format) else "datetime64[us]"

    def check_types(self, columns: Columns, file: str, report: Report) -> list[str]:
        """Return no columns: what is wrong with CSV is found cell by cell."""
        return []

    def frames(self, columns: Columns) -> Iterator[pd.DataFrame]:
        """Yield all rows at once, those of a series together."""
        frame = self._frame[columns.all]
        if columns.keys:
            series = frame.groupby(columns.keys, sort=False, dropna=False).ngroup().to_numpy()
            frame = frame.iloc[np.argsort(series, kind="stable")]
        yield frame
