"""What the layers above lend the catalog: checking a function's text (in the jail), and rows of system tables it cannot know.

Registered when the process starts, so nothing heavy is imported here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.catalog.functions import Definition
    from sandbox.workspaces.members import Caller


@dataclass(frozen=True)
class SystemTable:
    """A table of catalog `system`: `rows` gives an Arrow table with exactly the columns of the Arrow `schema`."""

    full_name: str
    schema: Any
    comment: str
    rows: "Callable[[Caller], Any]"


FunctionCheck = Callable[["Caller", "Definition"], None]
_checks: list[FunctionCheck] = []
_tables: dict[str, Callable[[], SystemTable]] = {}


def use_function_check(check: FunctionCheck) -> None:
    """`check` runs before a function is created by REST; it raises an ApiError when the text is no function."""
    _checks[:] = [check]


def check_function(caller: "Caller", definition: "Definition") -> None:
    for check in _checks:
        check(caller, definition)


def lend_system_table(full_name: str, load: Callable[[], SystemTable]) -> None:
    """`load` imports the table's module when somebody first asks for it."""
    _tables[full_name] = load


def lent_system_tables() -> dict[str, SystemTable]:
    """By full name."""
    return {name: load() for name, load in _tables.items()}
