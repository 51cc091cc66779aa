"""Tables of these pages as CSV files."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpResponse

from sandbox.sql.csv_export import table_csv


def csv_file(name: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A download that a spreadsheet opens without running anything in it; None is an empty cell."""
    texts = ([None if cell is None else str(cell) for cell in row] for row in rows)
    response = HttpResponse(table_csv(header, texts), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
