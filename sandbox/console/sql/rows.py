"""The rows of a result page by page, as cells."""

from dataclasses import dataclass

from django.core.paginator import Page, Paginator

from sandbox.sql.limits import SqlColumn, SqlResult
from sandbox.sql.responses import ROWS_PER_CHUNK

ROWS_PER_PAGE = 500
"""A quarter of a chunk of the API: a browser draws so many at once."""
assert ROWS_PER_CHUNK % ROWS_PER_PAGE == 0
_TIMES = {"DATE", "TIMESTAMP", "TIMESTAMP_NTZ"}


@dataclass(frozen=True)
class Cell:
    """One value; `text` None is NULL."""

    text: str | None
    is_number: bool


@dataclass(frozen=True)
class Head:
    """A column's head."""

    name: str
    type_text: str
    is_number: bool
    kind: str
    """number, time or text: how a chart may use the column."""


def page_of(result: SqlResult, number: str | None) -> "Page[list[str | None]]":
    """The page of rows with this number; the nearest one when there is none."""
    return Paginator(result.rows, ROWS_PER_PAGE).get_page(number)


def heads(result: SqlResult) -> list[Head]:
    return [Head(column.name, column.type_text, column.is_number, _kind(column)) for column in result.columns]


def cells(result: SqlResult, page: "Page[list[str | None]]") -> list[list[Cell]]:
    are_numbers = [column.is_number for column in result.columns]
    return [[Cell(text, is_number) for text, is_number in zip(row, are_numbers, strict=True)] for row in page.object_list]


def _kind(column: SqlColumn) -> str:
    return "number" if column.is_number else "time" if column.type_name in _TIMES else "text"
