"""What happens to online stores [docs: Databricks Online Feature Stores; SDK 0.156: feature_store]."""

import re

from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet

from sandbox.errors import InvalidParameterValue, InvalidState, PermissionDenied, ResourceAlreadyExists
from sandbox.features.models import OnlineStore
from sandbox.features.online_tables import find_store
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller

CAPACITIES = ("CU_1", "CU_2", "CU_4", "CU_8")
MAX_READ_REPLICAS = 3
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


def create_online_store(caller: Caller, name: str, capacity: str, read_replica_count: int = 0) -> OnlineStore:
    """Raises InvalidParameterValue, ResourceAlreadyExists."""
    if not _NAME.fullmatch(name):
        raise InvalidParameterValue(
            f"'{name[:100]}' is not a valid name of an online store: 1 to 63 characters, lower-case letters, digits and hyphens, "
            "beginning with a letter and ending with a letter or digit."
        )
    _check(capacity, read_replica_count)
    try:
        with transaction.atomic():
            return OnlineStore.objects.create(
                workspace=caller.workspace,
                name=name,
                capacity=capacity,
                read_replica_count=read_replica_count,
                creator=caller.name,
            )
    except IntegrityError:
        raise ResourceAlreadyExists(f"Online store '{name}' already exists.") from None


def list_online_stores(caller: Caller) -> QuerySet[OnlineStore]:
    """By name."""
    return OnlineStore.objects.filter(workspace=caller.workspace).order_by("name")


def update_online_store(
    caller: Caller, name: str, *, capacity: str | None = None, read_replica_count: int | None = None
) -> OnlineStore:
    """Raises ResourceDoesNotExist, PermissionDenied, InvalidParameterValue."""
    store = find_store(caller, name)
    _require_creator(caller, store)
    store.capacity = store.capacity if capacity is None else capacity
    store.read_replica_count = store.read_replica_count if read_replica_count is None else read_replica_count
    _check(store.capacity, store.read_replica_count)
    store.save()
    return store


def delete_online_store(caller: Caller, name: str) -> None:
    """Raises ResourceDoesNotExist, PermissionDenied, InvalidState while tables are published to it."""
    store = find_store(caller, name)
    _require_creator(caller, store)
    try:
        store.delete()
    except ProtectedError:
        published = ", ".join(store.tables.order_by("full_name").values_list("full_name", flat=True)[:5])
        raise InvalidState(f"Online store '{name}' has published tables ({published}). Delete them first.") from None


def _check(capacity: str, read_replica_count: int) -> None:
    if capacity not in CAPACITIES:
        raise InvalidParameterValue(f"capacity must be one of {', '.join(CAPACITIES)}, not '{capacity[:50]}'.")
    if not 0 <= read_replica_count <= MAX_READ_REPLICAS:
        raise InvalidParameterValue(f"read_replica_count must be 0 to {MAX_READ_REPLICAS}, not {read_replica_count}.")


def _require_creator(caller: Caller, store: OnlineStore) -> None:
    if not caller.is_admin and store.creator not in members.names_of(caller.workspace, caller.user):
        raise PermissionDenied(f"Only its creator or an admin of the workspace may change online store '{store.name}'.")
