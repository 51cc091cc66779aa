"""What the layers above lend the catalog: checking a function's text (in the jail), and rows of system tables it cannot know."""

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa

from sandbox.catalog.functions import Definition
from sandbox.workspaces.members import Caller

FunctionCheck = Callable[[Caller, Definition], None]
Rows = Callable[[Caller], pa.Table]


@dataclass(frozen=True)
class SystemTable:
    """A table of catalog `system` whose rows somebody above knows; `rows` gives exactly the columns of `schema`."""

    full_name: str
    schema: pa.Schema
    comment: str
    rows: Rows


_checks: list[FunctionCheck] = []
_tables: dict[str, SystemTable] = {}


def use_function_check(check: FunctionCheck) -> None:
    """`check` runs before a function is created by REST; it raises an ApiError when the text is no function."""
    _checks[:] = [check]


def check_function(caller: Caller, definition: Definition) -> None:
    for check in _checks:
        check(caller, definition)


def add_system_table(table: SystemTable) -> None:
    _tables[table.full_name] = table


def lent_system_tables() -> dict[str, SystemTable]:
    """By full name."""
    return dict(_tables)
