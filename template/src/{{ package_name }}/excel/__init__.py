"""Excel workbooks as data."""

from pathlib import Path

import polars as pl

from ..data.builder import ROW
from ..data.files import Text, TextFiles, repeated_column


class ExcelFiles(TextFiles):
    """One sheet of each workbook, whose first row names the columns."""

    suffix = ".xlsx"
    row_name = "row"

    sheet: Text | None = None

    def paths(self) -> list[Path]:
        """Return the workbooks, without the files by which Excel locks open ones."""
        return [path for path in super().paths() if not path.name.startswith("~$")]

    def table(self, path: Path) -> pl.DataFrame:
        """Return all cells as text, dates as ISO 8601; see ``TextFiles.table``."""
        try:
            texts, numbers = self._cells(path, "string"), self._cells(path, "float")
        # the reader's own exceptions have no public name
        except Exception as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            check = "Check the file and data.sheet."
            raise ValueError(f"not readable as a sheet of Excel ({reason})", check) from error
        exact = [_exact(text, numbers[text.name]) for text in texts]
        rows = pl.DataFrame(exact).with_row_index(ROW, offset=1)
        rows = rows.filter(pl.any_horizontal(pl.exclude(ROW).is_not_null()))
        if rows.is_empty():
            raise ValueError("the sheet is empty", "Add a header and rows, or set data.sheet.")
        _, *header = rows.row(0)
        names = [name or f"column {number}" for number, name in enumerate(header, 1)]
        for name in names:
            if names.count(name) > 1:
                raise repeated_column(name)
        return rows[1:].rename(dict(zip(texts.columns, names, strict=True)))

    def _cells(self, path: Path, kind: str) -> pl.DataFrame:
        return pl.read_excel(
            path,
            sheet_name=self.sheet,
            has_header=False,
            drop_empty_rows=False,
            drop_empty_cols=False,
            raise_if_empty=False,
            read_options={"dtypes": kind, "skip_rows": 0},
        )


def _exact(texts: pl.Series, numbers: pl.Series) -> pl.Series:
    """Return the texts of cells, with all digits of numbers, which the reader rounds."""
    rounded = (texts.cast(pl.Float64, strict=False) != numbers).fill_null(value=False)
    return numbers.cast(pl.String).zip_with(rounded, texts)
