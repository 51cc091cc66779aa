"""What a statement reads: tables with their files, views, functions, under the caller's privileges.

What lies behind a view or function is read with the privileges that its owner has now. What it reads was noted when it was
created, by somebody who could read it then, so that nothing else is reached through it.
"""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.catalog import access, captured, delta, delta_history, functions, securables, tables
from sandbox.catalog.models import Securable, SecurableType
from sandbox.errors import ApiError, InvalidParameterValue, PermissionDenied, ResourceDoesNotExist
from sandbox.files import places
from sandbox.sql.dialect_keys import key
from sandbox.sql.parquet import parquet_bytes
from sandbox.workspaces.members import Caller

READS, FUNCTIONS, CATALOG, SCHEMA = "sql.reads", "sql.functions", "sql.catalog", "sql.schema"
"""Properties of views and functions: what they read and call, and where names in their text are looked up."""
_SUGGESTED = 10


@dataclass
class Objects:
    """Collected for one statement, over as many rounds as it takes."""

    caller: Caller
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[Path | bytes] = field(default_factory=list)
    snapshots: dict[str, delta.Snapshot] = field(default_factory=dict)
    """Of the tables that the statement changes, by full name: the version that it has seen."""
    opened: dict[str, dict[str, Securable]] = field(default_factory=dict)
    """Views and functions that were found, by full name and kind: a view and a function may have one name."""

    @property
    def read(self) -> set[str]:
        """Full names of the tables and views that were found and may be read, whatever the jailed process says that it read."""
        asked = ((json.loads(need), put) for need, put in self.found.items())
        return {need[1] for need, put in asked if need[0] in {"table", "target", "changes"} and put["kind"] != "error"}

    def add(self, need: list[Any], new_function: str = "") -> None:
        """Find what the jailed process asks for; what is missing or not allowed becomes an object that says so."""
        kind, name, argument, via = need
        find = _FINDERS.get(kind)
        if find is None or not isinstance(name, str) or not isinstance(via, str):
            raise ValueError("not a need")
        try:
            through = "" if via == new_function else via
            self._require_noted(through, kind, name)
            put = find(self, name, argument, through)
        except ApiError as error:
            put = {"kind": "error", "message": _sentence(self.caller, kind, name, error), "error_code": "BAD_REQUEST"}
        self.found[key(kind, name, argument, via)] = put

    def require(self, securable: Securable, privilege: str, via: str) -> None:
        """Raises PermissionDenied unless the caller, or the owner of what the object is reached through, has the privilege."""
        if not via:
            access.require(self.caller, securable, privilege)
        for holder in self.opened.get(via, {}).values():
            access.require_of_owner(holder, securable, privilege)

    def _require_noted(self, via: str, kind: str, name: str) -> None:
        """Raises ResourceDoesNotExist unless `via` was found, and was noted to read or call the object when it was created.

        When a view and a function of that name were found both must have been: the name does not tell which one asks.
        """
        if not via:
            return
        noted = FUNCTIONS if kind == "function" else READS
        holders = self.opened.get(via, {})
        if not holders or any(name not in _names(holder.properties.get(noted)) for holder in holders.values()):
            raise ResourceDoesNotExist(f"{via} was made without reading {name}; create it again.")

    def table(self, snapshot: delta.Snapshot) -> dict[str, Any]:
        """A table's version as an object; its files are handed over."""
        first = len(self.files)
        self.files += [snapshot.folder / file.name for file in snapshot.files]
        return {
            "kind": "table",
            "files": list(range(first, len(self.files))),
            "schema": _schema(snapshot.schema),
            "columns": [[column.name, column.type_text] for column in snapshot.columns],
        }

    def rows(self, content: Any) -> dict[str, Any]:
        """An Arrow table as an object."""
        self.files.append(parquet_bytes(content))
        return {"kind": "table", "files": [len(self.files) - 1], "schema": _schema(content.schema), "columns": []}


def _schema(schema: Any) -> str:
    return str(schema.serialize().to_pybytes().hex())


def quoted(full_name: str) -> str:
    """A dotted name as `sandbox.catalog` takes it."""
    return securables.quoted(full_name.split("."))


def _table(objects: Objects, name: str, argument: Any, via: str) -> dict[str, Any]:
    system = _system_rows(objects.caller, name)
    if system is not None:
        return objects.rows(system)
    table = tables.find(objects.caller, quoted(name))
    objects.require(table, "SELECT", via)
    if table.table.table_type == tables.VIEW:
        objects.opened.setdefault(name, {})["view"] = table
        return {
            "kind": "view",
            "text": table.table.view_definition,
            "catalog": str(table.properties.get(CATALOG, name.split(".")[0])),
            "schema": str(table.properties.get(SCHEMA, name.split(".")[1])),
        }
    folder = tables.folder_of(table)
    return objects.table(delta.read(folder, _version(folder, argument)))


def _system_rows(caller: Caller, name: str) -> Any:
    """Rows of a system or information_schema table; None when the name is no such table's."""
    catalog, schema, _ = name.split(".")
    if catalog != "system" and schema != "information_schema":
        return None
    from sandbox.catalog import system_tables

    return system_tables.read(caller, quoted(name))


def _version(folder: Path, argument: Any) -> int | None:
    if argument is None:
        return None
    how, value = argument
    return int(value) if how == "version" else delta_history.version_at(folder, moment(str(value)))


def moment(text: str) -> dt.datetime:
    """A time as SQL writes it, in UTC unless it says otherwise. Raises InvalidParameterValue."""
    try:
        found = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        raise InvalidParameterValue(f"'{text[:60]}' is not a time such as 2026-01-31 12:00:00.") from None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def _target(objects: Objects, name: str, argument: Any, via: str) -> dict[str, Any]:
    """The table that is written."""
    table = tables.find(objects.caller, quoted(name))
    access.require(objects.caller, table, "MODIFY")
    captured.require_own_rows(table)
    snapshot = delta.read(tables.folder_of(table))
    objects.snapshots[name] = snapshot
    return objects.table(snapshot)


def _changes(objects: Objects, name: str, argument: Any, via: str) -> dict[str, Any]:
    table = tables.find(objects.caller, quoted(name))
    objects.require(table, "SELECT", via)
    folder = tables.folder_of(table)
    first, last = (delta_history.version_at(folder, moment(each)) if isinstance(each, str) else each for each in argument)
    return objects.rows(delta.changes(folder, int(first), None if last is None else int(last)))


def _function(objects: Objects, name: str, argument: Any, via: str) -> dict[str, Any]:
    function = securables.find(objects.caller.workspace, SecurableType.FUNCTION, quoted(name))
    objects.require(function, "EXECUTE", via)
    objects.opened.setdefault(name, {})["function"] = function
    definition = functions.definition_of(function)
    return {
        "kind": "function",
        "language": definition.language,
        "parameters": [[each.name, each.type_text, each.default] for each in definition.parameters],
        "returns": definition.return_type_text,
        "definition": definition.body,
        "catalog": str(function.properties.get(CATALOG, name.split(".")[0])),
        "schema": str(function.properties.get(SCHEMA, name.split(".")[1])),
    }


def _file(objects: Objects, name: str, argument: Any, via: str) -> dict[str, Any]:
    """Parquet files of a volume: one, or all of a folder. They are read in the jail only."""
    first = len(objects.files)
    objects.files += places.volume_files(objects.caller, name, ".parquet")
    return {"kind": "table", "files": list(range(first, len(objects.files))), "schema": "", "columns": []}


_FINDERS: dict[str, Callable[[Objects, str, Any, str], dict[str, Any]]] = {
    "table": _table,
    "target": _target,
    "changes": _changes,
    "function": _function,
    "file": _file,
}


def _names(noted: Any) -> list[Any]:
    """Notes are a list; a property that somebody set by hand is a text, and names nothing."""
    return noted if isinstance(noted, list) else []


def _sentence(caller: Caller, kind: str, name: str, error: ApiError) -> str:
    if isinstance(error, PermissionDenied):
        return f"[INSUFFICIENT_PERMISSIONS] Insufficient privileges: {error.message} SQLSTATE: 42501"
    if kind == "file":
        return f"[PATH_NOT_FOUND] {error.message} SQLSTATE: 42K03" if error.status == 404 else error.message
    if isinstance(error, ResourceDoesNotExist) and kind == "function":
        hint = " ai_query calls a serving endpoint." if name.endswith(".ai_query") else ""
        return f"[UNRESOLVED_ROUTINE] Cannot resolve routine {_ticked(name)} on search path. SQLSTATE: 42883{hint}"
    if isinstance(error, ResourceDoesNotExist) and "does not exist" in error.message:
        return (
            f"[TABLE_OR_VIEW_NOT_FOUND] The table or view {_ticked(name)} cannot be found. Verify the spelling and correctness "
            f"of the schema and catalog. {_suggestion(caller, name)}SQLSTATE: 42P01"
        )
    return error.message


def _suggestion(caller: Caller, name: str) -> str:
    """The tables of the schema that the caller sees."""
    try:
        schema = name.rpartition(".")[0]
        names = [table.full_name for table in tables.list_tables(caller, quoted(schema))[:_SUGGESTED]]
    except ApiError:
        return ""
    return f"Its schema has: {', '.join(names)}. " if names else ""


def _ticked(name: str) -> str:
    return ".".join(f"`{part}`" for part in name.split("."))
