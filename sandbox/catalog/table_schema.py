"""ALTER TABLE: columns, properties, comment and constraints. Each is one Delta commit, repeated when somebody was faster."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from sandbox.catalog import access, captured, delta, delta_files, securables, table_properties, tables
from sandbox.catalog.column_types import Column, arrow_schema, checked_columns
from sandbox.catalog.delta import Snapshot
from sandbox.catalog.delta_log import Commit
from sandbox.catalog.models import Securable
from sandbox.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceConflict, ResourceDoesNotExist
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

ATTEMPTS = 20


def set_properties(caller: Caller, full_name: str, properties: Mapping[str, str]) -> Securable:
    """Add and change table properties (SET TBLPROPERTIES). Raises InvalidParameterValue for one of Delta that is not known."""
    wanted = table_properties.checked(properties)
    return _describe(
        caller,
        full_name,
        "SET TBLPROPERTIES",
        {"properties": wanted},
        lambda now: replace(now, configuration={**now.configuration, **wanted}),
    )


def unset_properties(caller: Caller, full_name: str, keys: Iterable[str], *, if_exists: bool = False) -> Securable:
    """Remove table properties. Raises ResourceDoesNotExist for one that is not set, unless `if_exists`."""
    keys = list(keys)

    def without(now: Snapshot) -> Snapshot:
        missing = [key for key in keys if key not in now.configuration]
        if missing and not if_exists:
            raise ResourceDoesNotExist(f"Table '{full_name[:200]}' has no property '{missing[0][:200]}'.")
        return replace(now, configuration={key: value for key, value in now.configuration.items() if key not in keys})

    return _describe(caller, full_name, "UNSET TBLPROPERTIES", {"properties": keys, "ifExists": if_exists}, without)


def set_comment(caller: Caller, full_name: str, comment: str) -> Securable:
    """COMMENT ON TABLE. Needs MODIFY or ownership, like every change that keeps the rows."""
    table = tables.find(caller, full_name)
    access.require(caller, table, "MODIFY", access.MANAGE)
    table.comment = comment
    securables.touch(table, person(caller.user))
    return table


def add_columns(caller: Caller, full_name: str, columns: list[Column]) -> Securable:
    """New columns at the end; in rows that are there they are null. Raises InvalidParameterValue (there already, NOT NULL)."""
    added = checked_columns(columns)
    required = [column.name for column in added if not column.nullable]
    if required:
        raise InvalidParameterValue(f"The new column '{required[0]}' cannot be NOT NULL: the rows that are there have no value.")

    def with_them(now: Snapshot) -> Snapshot:
        return replace(now, columns=tuple(checked_columns([*now.columns, *added])))

    shown = [{"column": {"name": column.name, "type": column.type_text}} for column in added]
    return _describe(caller, full_name, "ADD COLUMNS", {"columns": shown}, with_them)


def change_column(
    caller: Caller, full_name: str, name: str, *, comment: str | None = None, nullable: bool | None = None
) -> Securable:
    """ALTER COLUMN: comment, SET and DROP NOT NULL. Raises ResourceDoesNotExist, InvalidParameterValue (there are nulls)."""

    def changed(now: Snapshot) -> Snapshot:
        column = _column(now, name)
        if nullable is False and column.nullable:
            _check_no_nulls(now, column)
        wanted = replace(
            column,
            comment=column.comment if comment is None else comment,
            nullable=column.nullable if nullable is None else nullable,
        )
        return replace(now, columns=tuple(wanted if each is column else each for each in now.columns))

    if nullable and _is_key(tables.find(caller, full_name), name):
        raise InvalidParameterValue(f"'{name}' belongs to the primary key and stays NOT NULL. Drop the constraint first.")
    return _describe(caller, full_name, "CHANGE COLUMN", {"column": {"name": name}}, changed)


def rename_column(caller: Caller, full_name: str, old: str, new: str) -> Securable:
    """Rename a column; the rows are written anew. Raises ResourceDoesNotExist, InvalidParameterValue (there already)."""
    return _rewrite(
        caller,
        full_name,
        Commit("RENAME COLUMN", person(caller.user), {"oldColumnPath": old, "newColumnPath": new}),
        lambda now: {column.name: new if column is _column(now, old) else column.name for column in now.columns},
    )


def drop_columns(caller: Caller, full_name: str, names: Iterable[str]) -> Securable:
    """Remove columns; the rows are written anew. Raises ResourceDoesNotExist, InvalidParameterValue (key, last column)."""
    names = list(names)

    def without(now: Snapshot) -> dict[str, str]:
        gone = [_column(now, name) for name in names]
        return {column.name: column.name for column in now.columns if column not in gone}

    return _rewrite(caller, full_name, Commit("DROP COLUMNS", person(caller.user), {"columns": names}), without, names)


def add_primary_key(
    caller: Caller, full_name: str, columns: Iterable[str], *, name: str = "", timeseries: Iterable[str] = ()
) -> Securable:
    """ALTER TABLE ADD CONSTRAINT … PRIMARY KEY. Its columns must be NOT NULL already [docs: CONSTRAINT clause].

    Raises ResourceAlreadyExists (the table has one), InvalidParameterValue.
    """
    table = _own(caller, full_name)
    if table.table.primary_key:
        raise ResourceAlreadyExists(f"Table '{table.full_name}' already has the primary key {table.table.primary_key_name}.")
    known = [Column.from_json(each) for each in table.table.columns]
    _, primary, series = tables.keyed_columns(known, columns, timeseries)
    if not primary:
        raise InvalidParameterValue("A primary key needs one column or more.")
    nullable = [column.name for column in known if column.name in primary and column.nullable]
    constraint = (name or f"{table.name}_pk").lower()
    if nullable:
        raise InvalidParameterValue(
            f"Cannot create the primary key `{constraint}` because its child column(s) `{'`, `'.join(nullable)}` is nullable. "
            "Please change the column nullability and retry."
        )
    detail = table.table
    detail.primary_key, detail.primary_key_name, detail.timeseries_columns = primary, constraint, series
    return _saved(caller, table)


def drop_constraint(caller: Caller, full_name: str, name: str | None = None, *, if_exists: bool = False) -> Securable:
    """Drop the primary key, by its name or (None) as PRIMARY KEY. Raises ResourceDoesNotExist."""
    table = _own(caller, full_name)
    detail = table.table
    if not detail.primary_key or (name is not None and name.lower() != detail.primary_key_name.lower()):
        if if_exists:
            return table
        raise ResourceDoesNotExist(f"Table '{table.full_name}' has no constraint '{(name or 'PRIMARY KEY')[:200]}'.")
    detail.primary_key, detail.primary_key_name, detail.timeseries_columns = [], "", []
    return _saved(caller, table)


def remember(table: Securable, now: Snapshot) -> None:
    """Bring the database's copy of columns and properties in line with what the Delta table says.

    A kill between commit and copy is healed by the next one who reads the table. Constraints over columns that are gone end.
    """
    columns = [column.as_json() for column in now.columns]
    names = {column.name for column in now.columns}
    detail = table.table
    if detail.columns == columns and table.properties == dict(now.configuration):
        return
    detail.columns, table.properties = columns, dict(now.configuration)
    if not set(detail.primary_key) <= names:
        detail.primary_key, detail.primary_key_name, detail.timeseries_columns = [], "", []
    with transaction.atomic():
        detail.save(update_fields=["columns", "primary_key", "primary_key_name", "timeseries_columns"])
        table.save(update_fields=["properties"])


def _own(caller: Caller, full_name: str) -> Securable:
    """A table whose columns and properties the caller may change."""
    table = tables.find(caller, full_name)
    access.require(caller, table, "MODIFY", access.MANAGE)
    captured.require_own_rows(table)
    return table


def _saved(caller: Caller, table: Securable) -> Securable:
    with transaction.atomic():
        table.table.save()
        securables.touch(table, person(caller.user))
    return table


def _describe(
    caller: Caller,
    full_name: str,
    operation: str,
    parameters: Mapping[str, Any],
    change: Callable[[Snapshot], Snapshot],
) -> Securable:
    """Commit what `change` makes of columns and properties, upon whatever version is the newest by then."""
    table = _own(caller, full_name)
    commit = Commit(operation, person(caller.user), parameters)
    for attempt in range(ATTEMPTS):
        before = delta.read(tables.folder_of(table))
        wanted = change(before)
        try:
            now = delta.describe(before, commit, list(wanted.columns), wanted.configuration)
        except ResourceConflict:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        remember(table, now)
        securables.touch(table, person(caller.user))
        break
    return table


def _rewrite(
    caller: Caller,
    full_name: str,
    commit: Commit,
    new_names: Callable[[Snapshot], dict[str, str]],
    dropped: Iterable[str] = (),
) -> Securable:
    """Write the rows anew with the columns that are left, under their new names; the key follows a renamed column."""
    table = _own(caller, full_name)
    if any(_is_key(table, name) for name in dropped):
        raise InvalidParameterValue("A column of the primary key cannot be dropped. Drop the constraint first.")
    before = delta.read(tables.folder_of(table))
    names = new_names(before)
    columns = checked_columns([replace(each, name=names[each.name]) for each in before.columns if each.name in names])
    reader = delta_files.stream(before.folder, before.files, before.schema, names, arrow_schema(columns))
    now = delta.overwrite(before, commit, reader, columns)
    detail = table.table
    detail.primary_key = [names[name] for name in detail.primary_key]
    detail.timeseries_columns = [names[name] for name in detail.timeseries_columns]
    detail.save(update_fields=["primary_key", "timeseries_columns"])
    remember(table, now)
    securables.touch(table, person(caller.user))
    return table


def _column(now: Snapshot, name: str) -> Column:
    found = next((column for column in now.columns if column.name.lower() == name.lower()), None)
    if found is None:
        raise ResourceDoesNotExist(
            f"The column '{name[:200]}' does not exist. Columns: {', '.join(column.name for column in now.columns)[:500]}."
        )
    return found


def _is_key(table: Securable, name: str) -> bool:
    return name.lower() in {column.lower() for column in table.table.primary_key}


def _check_no_nulls(now: Snapshot, column: Column) -> None:
    schema = arrow_schema([column])
    if any(delta_files.read(now.folder, file, schema).column(0).null_count for file in now.files):
        raise InvalidParameterValue(f"The column '{column.name}' has null values; it cannot become NOT NULL.")
