"""How far one statement may go, and how it fails."""

from dataclasses import dataclass

from sandbox.jail.limits import GIB

MAX_STATEMENT_BYTES = 20_000


@dataclass(frozen=True)
class SqlLimits:
    """Of one statement."""

    max_rows: int = 10_000
    max_bytes: int = 5_000_000
    """Of the result's texts together."""
    soft_timeout_s: float = 20.0
    """The engine is asked to stop."""
    hard_timeout_s: float = 25.0
    """The process is killed; the time that endpoints and Python functions take counts too."""
    address_space_bytes: int = 2 * GIB
    """Besides the interpreter and the files of the tables, which are mapped."""


DEFAULT_LIMITS = SqlLimits()
LINKED_LIMITS = SqlLimits(max_rows=1_000_000_000, max_bytes=512 * 1024 * 1024)
"""For results in Arrow behind links."""
PAGE_LIMITS = SqlLimits(soft_timeout_s=4.0, hard_timeout_s=6.0)
"""For a page that somebody waits for."""


@dataclass(frozen=True)
class SqlColumn:
    """A column of a result: `type_name` as the SDK's ColumnInfoTypeName, `type_text` as in DDL."""

    name: str
    type_name: str
    type_text: str

    @property
    def is_number(self) -> bool:
        return self.type_name in {"BYTE", "SHORT", "INT", "LONG", "FLOAT", "DOUBLE", "DECIMAL"}


@dataclass(frozen=True)
class SqlResult:
    """What a statement gave: each value as text, None for NULL. Statements that give no rows have no columns."""

    columns: tuple[SqlColumn, ...]
    rows: list[list[str | None]]
    truncated: bool
    """There were more rows or bytes than the limits."""
    elapsed_s: float
    statement_type: str = "SELECT"
    """As in the query history: SELECT, INSERT, CREATE, …"""
    chunk_rows: tuple[int, ...] = ()
    """Of a result in Arrow: rows in each part; `rows` is empty then."""


class SqlFailed(Exception):
    """The statement was refused or failed: `message` for the learner, `error_code` as in the SDK's ServiceErrorCode."""

    def __init__(self, message: str, error_code: str = "BAD_REQUEST") -> None:
        super().__init__(message)
        self.message = message
        self.error_code = error_code


class SqlCanceled(Exception):
    """Somebody canceled the statement while it ran."""
