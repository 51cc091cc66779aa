"""What the names in a statement stand for, and what of it the statement turned out to need.

`objects` maps `key(kind, name, argument, via)` to a dict with `kind`:
- table: `files` (positions among the files handed over), `schema` (hex of an Arrow schema; "": that of the first file), `columns`
  ([name, type text])
- view: `text`, `catalog`, `schema`
- function: `language`, `parameters` ([name, type text, default or null]), `returns`, `definition`, `catalog`, `schema`
- error: `message`, `error_code`
`via` is the view or function through which the object is reached, "" for the statement itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sandbox.sql.dialect_keys import key
from sandbox.sql.refusals import Refused

MAX_DEPTH = 8
"""Of views and functions in each other."""


def require_no_periods(parts: Sequence[str]) -> None:
    """Raises Refused for a quoted part with a period in it, as in `a.b` or csv.`/Volumes/x.csv`: no object has one."""
    for part in parts:
        if "." in part:
            raise Refused(
                f"`{part[:200]}` cannot be part of a name, because it holds a period: a name is catalog.schema.name. "
                "Of files only those of volumes that are Parquet are queried by their path: parquet.`/Volumes/…`."
            )


@dataclass(frozen=True)
class Parameter:
    """The value of a named parameter marker; None is NULL."""

    name: str
    value: str | None
    type_text: str = "STRING"


@dataclass
class Used:
    """Collected while a statement is translated."""

    needs: list[list[Any]] = field(default_factory=list)
    """Keys of objects that the site has not sent yet."""
    relations: dict[str, str] = field(default_factory=dict)
    """Key of each table -> the name under which it is registered."""
    python: dict[str, str] = field(default_factory=dict)
    """Key of each Python function -> the name under which it is registered."""
    calls_endpoints: bool = False
    columns: dict[str, list[list[str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """Where names are looked up."""

    objects: Mapping[str, dict[str, Any]]
    catalog: str = "main"
    schema: str = "default"
    parameters: Sequence[Parameter] = ()
    user: str = ""
    via: str = ""
    depth: int = 0
    used: Used = field(default_factory=Used)

    def full_name(self, parts: Sequence[str]) -> str:
        """Three parts in lower case, the missing ones filled in."""
        if len(parts) > 3:
            raise Refused(f"{'.'.join(parts)[:200]} has more than three parts: a name is catalog.schema.name.")
        require_no_periods(parts)
        full = [*(self.catalog, self.schema)[: max(0, 3 - len(parts))], *parts]
        return ".".join(part.lower() for part in full)

    def find(self, kind: str, name: str, argument: Any = None) -> dict[str, Any] | None:
        """The object, or None when the site was asked for it. Raises Refused for one that is missing or not allowed."""
        wanted = [kind, name, argument, self.via]
        found = self.objects.get(key(*wanted))
        if found is None:
            if wanted not in self.used.needs:
                self.used.needs.append(wanted)
            return None
        if found["kind"] == "error":
            raise Refused(str(found["message"]), str(found["error_code"]))
        return found

    def relation(self, kind: str, name: str, argument: Any = None) -> str:
        """The name under which the engine knows the table."""
        known = self.used.relations
        return known.setdefault(key(kind, name, argument, self.via), f"t{len(known)}")

    def inside(self, name: str, catalog: str, schema: str) -> "Scope":
        """Names as they are meant in the text of the view or function `name`."""
        if self.depth >= MAX_DEPTH:
            raise Refused(f"Views and functions are nested more than {MAX_DEPTH} deep, or name themselves: {name}.")
        return replace(self, catalog=catalog, schema=schema, via=name, depth=self.depth + 1, parameters=())
