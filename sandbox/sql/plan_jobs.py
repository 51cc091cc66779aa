"""What carrying out a plan takes, and what it gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.catalog import securables
from sandbox.catalog.models import Securable, SecurableType
from sandbox.errors import ResourceDoesNotExist
from sandbox.sql.job import SqlRequest
from sandbox.sql.limits import SqlColumn
from sandbox.sql.objects import Objects, quoted
from sandbox.workspaces.members import Caller

Plan = dict[str, Any]
Tables = Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """What a statement that is no query answers with."""

    statement_type: str
    columns: tuple[SqlColumn, ...] = ()
    rows: list[list[str | None]] = field(default_factory=list)
    target: str = ""
    """Full name of the table that was written or created, for its lineage."""


@dataclass(frozen=True)
class Job:
    """All that carrying out a plan takes."""

    caller: Caller
    plan: Plan
    tables: Tables
    objects: Objects
    request: SqlRequest

    @property
    def name(self) -> str:
        """As the catalog takes names."""
        return quoted(str(self.plan["name"]))

    def securable(self) -> Securable:
        return securables.find(self.caller.workspace, SecurableType(str(self.plan["kind"])), self.name)


def counted(**counts: int) -> Done:
    """The one row of numbers that INSERT and its like answer with."""
    columns = tuple(SqlColumn(name, "LONG", "BIGINT") for name in counts)
    return Done("", columns, [[str(count) for count in counts.values()]])


def exists(job: Job, kind: str) -> bool:
    """Whether the object that the plan names is there."""
    try:
        securables.find(job.caller.workspace, SecurableType(kind), job.name)
    except ResourceDoesNotExist:
        return False
    return True
