"""Tables and views as objects: create, replace, find, list, rename, drop. Rows are in `table_rows`, columns in `table_schema`.

Rows and columns of a table lie in a Delta table; owner, grants, comment, tags and constraints in the database. The folder of a
table is named by its id, so that a rename moves nothing and a half-made table is a folder that nobody knows.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
from django.db import transaction
from django.db.models import QuerySet

from sandbox.catalog import access, captured, delta, securables, table_properties
from sandbox.catalog.column_types import Column, checked_columns
from sandbox.catalog.delta_log import Commit
from sandbox.catalog.folders import MANAGED_FOLDER, tables_folder
from sandbox.catalog.models import Securable, SecurableType, TableDetail
from sandbox.catalog.names import split_name
from sandbox.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import new_id
from sandbox.workspaces.operations import person

MANAGED, VIEW = "MANAGED", "VIEW"
TABLE = SecurableType.TABLE


def get_table(caller: Caller, full_name: str) -> Securable:
    """A table or view with its `table` detail. Raises ResourceDoesNotExist, PermissionDenied (not even BROWSE)."""
    table = find(caller, full_name)
    access.require_visible(caller, table)
    return table


def find(caller: Caller, full_name: str) -> Securable:
    """As `get_table`, whatever the caller may do: whoever calls this asks `access` first. Adopts inference tables."""
    try:
        return securables.find(caller.workspace, TABLE, full_name)
    except ResourceDoesNotExist:
        captured.adopt(caller.workspace)
        return securables.find(caller.workspace, TABLE, full_name)


def list_tables(caller: Caller, schema_full_name: str) -> QuerySet[Securable]:
    """What the caller sees in the schema, by name, tables and views. Raises ResourceDoesNotExist, PermissionDenied."""
    captured.adopt(caller.workspace)
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, schema_full_name)
    access.require(caller, schema)
    return access.visible(caller, securables.children(schema, TABLE).select_related("table"))


def folder_of(table: Securable) -> Path:
    """Where the Delta table lies. Raises InvalidParameterValue for a view."""
    if table.table.table_type == VIEW:
        raise InvalidParameterValue(f"'{table.full_name}' is a view: it has no rows of its own.")
    return tables_folder(table.workspace) / table.table.location


def create_table(
    caller: Caller,
    full_name: str,
    columns: list[Column],
    *,
    rows: pa.Table | None = None,
    primary_key: Iterable[str] = (),
    primary_key_name: str = "",
    timeseries: Iterable[str] = (),
    properties: Mapping[str, str] | None = None,
    comment: str = "",
    or_replace: bool = False,
    if_not_exists: bool = False,
) -> Securable:
    """A managed Delta table, with the rows of a query when there are any (CREATE TABLE AS SELECT).

    Columns of the primary key become NOT NULL [docs: CONSTRAINT clause]. `or_replace` makes the next version of an existing
    table, so that its history and grants stay; `if_not_exists` leaves an existing one as it is.
    Needs CREATE_TABLE on the schema, or for a replacement ownership of the table. Raises ResourceAlreadyExists,
    ResourceDoesNotExist (schema), PermissionDenied, InvalidParameterValue (columns, properties, key), ResourceConflict.
    """
    schema, key = _place(caller, full_name)
    existing = securables.children(schema, TABLE).select_related("table").filter(full_name=key).first()
    if existing is not None and if_not_exists:
        return existing
    if existing is not None and not or_replace:
        raise ResourceAlreadyExists(f"Table '{key}' already exists.")
    wanted = table_properties.checked(properties or {})
    columns, primary, series = keyed_columns(checked_columns(columns), primary_key, timeseries)
    operation = ("CREATE OR REPLACE TABLE" if or_replace else "CREATE TABLE") + (" AS SELECT" if rows is not None else "")
    commit = Commit(operation, person(caller.user), {"description": comment, "properties": dict(wanted), "partitionBy": []})
    detail = TableDetail(
        table_type=MANAGED,
        columns=[column.as_json() for column in columns],
        primary_key=primary,
        primary_key_name=primary_key_name or (f"{key.rpartition('.')[2]}_pk" if primary else ""),
        timeseries_columns=series,
    )
    if existing is not None:
        return _replace(caller, existing, detail, columns, wanted, commit, rows, comment)
    access.require(caller, schema, "CREATE_TABLE")
    table_id = new_id()
    detail.location = f"{MANAGED_FOLDER}/{table_id}"
    folder = tables_folder(caller.workspace) / detail.location
    try:
        delta.create(folder, columns, wanted, commit, rows)
        return _enter(caller, schema, key, detail, dict(wanted), comment, table_id)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def create_view(
    caller: Caller,
    full_name: str,
    definition: str,
    columns: list[Column],
    *,
    comment: str = "",
    or_replace: bool = False,
    if_not_exists: bool = False,
) -> Securable:
    """A view: `definition` is the query, checked and typed by whoever calls (it runs only in the jail).

    Needs CREATE_TABLE on the schema, or for a replacement ownership of the view. Raises as `create_table`.
    """
    schema, key = _place(caller, full_name)
    existing = securables.children(schema, TABLE).select_related("table").filter(full_name=key).first()
    if existing is not None and if_not_exists:
        return existing
    if existing is not None and (not or_replace or existing.table.table_type != VIEW):
        raise ResourceAlreadyExists(f"Table '{key}' already exists.")
    described = [column.as_json() for column in checked_columns(columns)]
    if existing is not None:
        access.require(caller, existing, access.MANAGE)
        existing.table.view_definition, existing.table.columns, existing.comment = definition, described, comment
        with transaction.atomic():
            existing.table.save()
            securables.touch(existing, person(caller.user))
        return existing
    access.require(caller, schema, "CREATE_TABLE")
    detail = TableDetail(table_type=VIEW, location="", columns=described, view_definition=definition)
    return _enter(caller, schema, key, detail, {}, comment, new_id())


def drop_table(caller: Caller, full_name: str, *, if_exists: bool = False) -> None:
    """Delete a table with its rows, or a view. Needs ownership or MANAGE. Raises ResourceDoesNotExist, PermissionDenied."""
    try:
        table = find(caller, full_name)
    except ResourceDoesNotExist:
        if if_exists:
            return
        raise
    access.require(caller, table, access.MANAGE)
    delete_with_rows([table])


def rename_table(caller: Caller, full_name: str, new_full_name: str) -> Securable:
    """Give another name, in the same schema or another of the same catalog. Needs MANAGE, and CREATE_TABLE there when it moves.

    Raises ResourceAlreadyExists, ResourceDoesNotExist, PermissionDenied, InvalidParameterValue (other catalog).
    """
    table = find(caller, full_name)
    access.require(caller, table, access.MANAGE)
    captured.require_own_rows(table)
    schema, key = _place(caller, new_full_name)
    if schema.parent_id != table.parent.parent_id:  # type: ignore[union-attr]  # a table always has a schema
        raise InvalidParameterValue(f"'{key}' lies in another catalog; a table stays in its own.")
    if schema != table.parent:
        access.require(caller, schema, "CREATE_TABLE")
    return securables.rename(table, key, person(caller.user), parent=schema)


def delete_with_rows(tables: Iterable[Securable]) -> None:
    """Rows of the database first, folders once that is certain: a kill in between leaves folders that nobody knows."""
    folders = [folder_of(table) for table in tables if table.table.table_type != VIEW]
    with transaction.atomic():
        for table in tables:
            table.delete()
        for folder in folders:
            transaction.on_commit(partial(shutil.rmtree, folder, ignore_errors=True))


def keyed_columns(
    columns: list[Column], primary_key: Iterable[str], timeseries: Iterable[str]
) -> tuple[list[Column], list[str], list[str]]:
    """The columns with those of the key NOT NULL, and key and time-series columns under the names that the columns have.

    Raises InvalidParameterValue: a name that is no column, or twice; a time-series column outside the key; more than one.
    """
    names = {column.name.lower(): column.name for column in columns}
    wanted = [*primary_key, *timeseries]
    unknown = [name for name in wanted if name.lower() not in names]
    if unknown:
        raise InvalidParameterValue(
            f"The primary key names '{unknown[0]}', which is no column. Columns: {', '.join(names.values())}."
        )
    primary = [names[name.lower()] for name in primary_key]
    series = [names[name.lower()] for name in timeseries]
    if len(set(primary)) != len(primary):
        raise InvalidParameterValue(f"The primary key ({', '.join(primary)}) names a column twice.")
    if len(series) > 1 or not set(series) <= set(primary):
        raise InvalidParameterValue("TIMESERIES can stand at one column of the primary key.")
    return [replace(column, nullable=column.nullable and column.name not in primary) for column in columns], primary, series


def _place(caller: Caller, full_name: str) -> tuple[Securable, str]:
    """The schema that the name lies in, and the name in the form that is kept."""
    parts = split_name(full_name, 3, "table")
    captured.adopt(caller.workspace)
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, securables.quoted(parts[:2]))
    access.require(caller, schema)
    return schema, ".".join(parts)


def _enter(
    caller: Caller, schema: Securable, key: str, detail: TableDetail, properties: dict[str, str], comment: str, table_id: str
) -> Securable:
    with transaction.atomic():
        table = securables.add(
            TABLE,
            key,
            parent=schema,
            owner=caller.name,
            comment=comment,
            properties=properties,
            securable_id=table_id,
        )
        detail.securable = table
        detail.save()
    return table


def _replace(
    caller: Caller,
    table: Securable,
    detail: TableDetail,
    columns: list[Column],
    properties: Mapping[str, str],
    commit: Commit,
    rows: pa.Table | None,
    comment: str,
) -> Securable:
    """The next version of the Delta table, with other columns, rows and key; location, owner and grants stay."""
    access.require(caller, table, access.MANAGE)
    captured.require_own_rows(table)
    delta.overwrite(delta.read(folder_of(table)), commit, rows, columns, properties)
    detail.securable, detail.location = table, table.table.location
    table.comment, table.properties = comment, dict(properties)
    with transaction.atomic():
        detail.save(force_update=True)
        securables.touch(table, person(caller.user))
    return find(caller, table.full_name)
