"""What happens to online tables: create, publish, show, sync now, delete; one function for each operation.

Sources: the archived online-tables page and SDK 0.156 `online_tables` for the older API; "Databricks Online Feature Stores"
and SDK `feature_store` for the newer one.
"""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from redis.exceptions import RedisError

from sandbox.catalog import access, securables, tables
from sandbox.catalog.delta_log import CHANGE_FEED
from sandbox.catalog.models import Securable, SecurableType
from sandbox.catalog.names import split_name
from sandbox.control_queue import enqueue
from sandbox.errors import InvalidParameterValue, PermissionDenied, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.features import quota, sync
from sandbox.features.models import OnlineStore, OnlineTable, Sync
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

SYNC = "features.sync"
MAX_COLUMNS = 1_000
"""[docs: limitations of online tables]"""
Mode = OnlineTable.Mode
online_table_deleted = Signal()
"""Sent with `table` inside the transaction that deletes it."""


def create_online_table(
    caller: Caller,
    full_name: str,
    source_name: str,
    *,
    mode: OnlineTable.Mode,
    primary_key: Sequence[str] = (),
    timeseries_key: str = "",
    store: OnlineStore | None = None,
) -> OnlineTable:
    """An online table that fills in the background. `primary_key` may be left out: it is the source's.

    Needs SELECT on the source and CREATE_TABLE on the schema of the new name. Raises ResourceAlreadyExists,
    ResourceDoesNotExist, PermissionDenied, InvalidParameterValue (no primary key, another key, no change data feed),
    ResourceExhausted.
    """
    name = ".".join(split_name(full_name, 3, "online table"))
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, securables.quoted(name.split(".")[:2]))
    access.require(caller, schema, "CREATE_TABLE")
    source = tables.find(caller, source_name)
    access.require(caller, source, "SELECT")
    quota.require_some(caller.workspace)
    key, series = _checked_key(source, primary_key, timeseries_key)
    _check_mode(source, mode)
    taken = securables.children(schema, SecurableType.TABLE).filter(full_name=name).exists()
    try:
        with transaction.atomic():
            if taken:
                raise IntegrityError
            table = OnlineTable.objects.create(
                workspace=caller.workspace,
                full_name=name,
                store=store,
                source_id=source.pk,
                source_name=source.full_name,
                primary_key=key,
                timeseries_key=series,
                mode=mode,
                created_by=caller.name,
            )
            request_sync(table, "created")
    except IntegrityError:
        raise ResourceAlreadyExists(f"Table '{name}' already exists.") from None
    return table


def publish_table(
    caller: Caller, source_name: str, store_name: str, online_table_name: str, mode: OnlineTable.Mode
) -> OnlineTable:
    """Make the online table in the store, or bring the one that is there up to date [docs: publish_table].

    Raises as `create_online_table`, and InvalidParameterValue when the name is that of another source's online table.
    """
    store = find_store(caller, store_name)
    existing = _named(caller, online_table_name).first()
    if existing is None:
        return create_online_table(caller, online_table_name, source_name, mode=mode, store=store)
    source = tables.find(caller, source_name)
    access.require(caller, source, "SELECT")
    if existing.source_id != source.pk or existing.store_id != store.pk:
        raise InvalidParameterValue(
            f"'{existing.full_name}' is already an online table of {existing.source_name}"
            f"{f' in {existing.store}' if existing.store else ''}. Choose another name, or delete it first."
        )
    if existing.mode != mode:
        _check_mode(source, mode)
        existing.mode = mode
        existing.save(update_fields=["mode"])
    request_sync(existing, "published again")
    return existing


def get_online_table(caller: Caller, full_name: str) -> OnlineTable:
    """Raises ResourceDoesNotExist; PermissionDenied without SELECT on its source, for anybody but its creator."""
    table = _find(caller, full_name)
    _require_select(caller, table)
    return table


def list_online_tables(caller: Caller) -> QuerySet[OnlineTable]:
    """Those of the workspace, by name; for an admin. Others find theirs by name."""
    found = OnlineTable.objects.filter(workspace=caller.workspace).select_related("store").order_by("full_name")
    return found if caller.is_admin else found.filter(created_by__in=members.names_of(caller.workspace, caller.user))


def sync_now(caller: Caller, full_name: str) -> Sync:
    """Start a sync; the one that is waiting is returned instead. Needs the rights of its creator."""
    table = _find(caller, full_name)
    _require_owner(caller, table)
    return request_sync(table, f"started by {person(caller.user)}")


def find_by_pipeline(caller: Caller, pipeline_id: str) -> OnlineTable:
    """The online table whose pipeline this is, for whoever may see that. Raises ResourceDoesNotExist, PermissionDenied."""
    found = OnlineTable.objects.filter(workspace=caller.workspace, pipeline_id=pipeline_id).first()
    if found is None:
        raise ResourceDoesNotExist(f"The pipeline {pipeline_id[:100]} does not exist.")
    _require_select(caller, found)
    return found


def delete_online_table(caller: Caller, full_name: str) -> None:
    """Take it and its rows away; the source stays. Raises ResourceDoesNotExist, PermissionDenied.

    Endpoints that look features up in it refuse requests from then on [docs: Databricks Online Feature Stores, "deleting a
    published table can lead to unexpected failures in downstream dependencies"]; they hear of it.
    """
    table = _find(caller, full_name)
    _require_owner(caller, table)
    table_id = table.pk
    with transaction.atomic():
        online_table_deleted.send(OnlineTable, table=table)
        table.delete()
        transaction.on_commit(lambda: _forget(table_id))


def request_sync(table: OnlineTable, cause: str) -> Sync:
    """Queue a sync, unless one waits: one that runs may have read the source before its last change. What the queue loses, the
    schedule finds.
    """
    waiting = table.syncs.filter(state=Sync.State.QUEUED).first()
    made = waiting or Sync.objects.create(table=table, cause=cause[:200])
    transaction.on_commit(lambda: enqueue(SYNC, made.pk))
    return made


def find_store(caller: Caller, name: str) -> OnlineStore:
    """Raises ResourceDoesNotExist."""
    found = OnlineStore.objects.filter(workspace=caller.workspace, name=name).first()
    if found is None:
        raise ResourceDoesNotExist(f"Online store '{name[:100]}' does not exist. Create it with create_online_store first.")
    return found


# --- leaves ---------------------------------------------------------------------------------------


def _named(caller: Caller, full_name: str) -> QuerySet[OnlineTable]:
    try:
        name = ".".join(split_name(full_name, 3, "online table"))
    except InvalidParameterValue:
        return OnlineTable.objects.none()
    return OnlineTable.objects.select_related("workspace", "store").filter(workspace=caller.workspace, full_name=name)


def _find(caller: Caller, full_name: str) -> OnlineTable:
    found = _named(caller, full_name).first()
    if found is None:
        raise ResourceDoesNotExist(f"Online table '{full_name[:200]}' does not exist.")
    return found


def is_creator(caller: Caller, table: OnlineTable) -> bool:
    """By the names that mean this person and nobody else."""
    return table.created_by in members.names_of(caller.workspace, caller.user)


def _require_owner(caller: Caller, table: OnlineTable) -> None:
    if not caller.is_admin and not is_creator(caller, table):
        raise PermissionDenied(f"Only its creator or an admin of the workspace may change online table '{table.full_name}'.")


def _require_select(caller: Caller, table: OnlineTable) -> None:
    if caller.is_admin or is_creator(caller, table):
        return
    source = Securable.objects.filter(workspace=caller.workspace, pk=table.source_id).select_related("parent__parent").first()
    if source is None:
        raise PermissionDenied(f"Only its creator or an admin of the workspace may see online table '{table.full_name}'.")
    access.require(caller, source, "SELECT")


def _checked_key(source: Securable, primary_key: Sequence[str], timeseries_key: str) -> tuple[list[str], str]:
    """The look-up key and the time-series column, both under the names that the source has them."""
    detail = source.table
    if detail.table_type == tables.VIEW:
        raise InvalidParameterValue(f"'{source.full_name}' is a view; an online table needs a Delta table with a primary key.")
    if not detail.primary_key:
        raise InvalidParameterValue(
            f"'{source.full_name}' has no primary key, which rows are looked up by. Add one: "
            f"ALTER TABLE {source.full_name} ADD CONSTRAINT {source.name}_pk PRIMARY KEY (<column>)"
        )
    if len(detail.columns) > MAX_COLUMNS:
        raise InvalidParameterValue(
            f"'{source.full_name}' has {len(detail.columns)} columns; an online table takes at most {MAX_COLUMNS}."
        )
    declared = {name.lower(): name for name in detail.primary_key}
    series = timeseries_key or next(iter(detail.timeseries_columns), "")
    if series and series.lower() not in declared:
        raise InvalidParameterValue(f"timeseries_key '{series}' is no column of the primary key of '{source.full_name}'.")
    series = declared.get(series.lower(), "")
    wanted = {name.lower() for name in primary_key} | ({series.lower()} if series else set())
    if primary_key and wanted != set(declared):
        raise InvalidParameterValue(
            f"primary_key_columns ({', '.join(primary_key)}) is not the primary key of '{source.full_name}', which is "
            f"({', '.join(detail.primary_key)})."
        )
    return [name for name in detail.primary_key if name != series], series


def _check_mode(source: Securable, mode: OnlineTable.Mode) -> None:
    if mode == Mode.SNAPSHOT or source.properties.get(CHANGE_FEED, "").lower() == "true":
        return
    raise InvalidParameterValue(
        f"{mode.lower().capitalize()} sync reads the change data feed, which is off for '{source.full_name}'. Turn it on with "
        f"ALTER TABLE {source.full_name} SET TBLPROPERTIES (delta.enableChangeDataFeed = true), or choose snapshot."
    )


def _forget(table_id: str) -> None:
    try:
        sync.forget(table_id)
    except (RedisError, OSError):
        return  # the schedule takes away rows that belong to no table
