"""Query results as CSV that a spreadsheet opens without running anything in it."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

from sandbox.sql.limits import SqlResult

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def csv_text(result: SqlResult) -> str:
    """The whole result with a header line; NULL is an empty cell, numbers stay numbers."""
    return table_csv([column.name for column in result.columns], result.rows)


def table_csv(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """Cells as text, None for an empty one."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([_harmless(name) for name in header])
    writer.writerows([_harmless(cell) for cell in row] for row in rows)
    return file.getvalue()


def _harmless(cell: str | None) -> str:
    """A leading apostrophe keeps a spreadsheet from taking text for a formula."""
    if cell is None:
        return ""
    if cell.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell
