"""Grants of privileges, and ownership [docs: Unity Catalog privileges and securable objects; SDK: GrantsAPI]."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from sandbox.catalog import access
from sandbox.catalog.models import Grant, Securable, SecurableType
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.operations import person

ACCOUNT_USERS = "account users"
_TABLE = frozenset({"APPLY_TAG", "MODIFY", "SELECT"})
_VOLUME = frozenset({"APPLY_TAG", "READ_VOLUME", "WRITE_VOLUME"})
_FUNCTION = frozenset({"EXECUTE"})
_MODEL = frozenset({"APPLY_TAG", "EXECUTE", "CREATE_MODEL_VERSION"})
_COMMON = frozenset({"ALL_PRIVILEGES", "MANAGE"})
_SCHEMA = (
    _TABLE
    | _VOLUME
    | _FUNCTION
    | _MODEL
    | {"CREATE_FUNCTION", "CREATE_MATERIALIZED_VIEW", "CREATE_MODEL", "CREATE_TABLE", "CREATE_VOLUME"}
    | {"EXTERNAL_USE_SCHEMA", "REFRESH", "USE_SCHEMA"}
)
_CATALOG = _SCHEMA | {"BROWSE", "CREATE_SCHEMA", "USE_CATALOG"}
PRIVILEGES: Mapping[SecurableType, frozenset[str]] = {
    SecurableType.CATALOG: _COMMON | _CATALOG,
    SecurableType.SCHEMA: _COMMON | _SCHEMA,
    SecurableType.TABLE: _COMMON | _TABLE,
    SecurableType.VOLUME: _COMMON | _VOLUME,
    SecurableType.FUNCTION: _COMMON | _FUNCTION,
    SecurableType.MODEL: _COMMON | _MODEL,
}
"""Which privileges each kind of object takes: its own, and those that what lies in it inherits."""


@dataclass(frozen=True)
class Effective:
    """A privilege that somebody has on an object, and the object that she has it from (itself: granted there)."""

    principal: str
    privilege: str
    source: Securable


def grants_on(caller: Caller, securable: Securable, principal: str | None = None) -> dict[str, list[str]]:
    """Privileges that were granted on the object itself, by principal; both sorted. Raises PermissionDenied.

    Needs MANAGE; anybody may ask for her own.
    """
    _require_look(caller, securable, principal)
    rows = Grant.objects.filter(securable=securable).order_by("principal", "privilege")
    if principal is not None:
        rows = rows.filter(principal=principal)
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row.principal, []).append(row.privilege)
    return found


def effective(caller: Caller, securable: Securable, principal: str | None = None) -> list[Effective]:
    """What was granted on the object or above it, of those privileges that this kind of object takes. Raises PermissionDenied."""
    _require_look(caller, securable, principal)
    taken = PRIVILEGES[SecurableType(securable.securable_type)]
    rows = Grant.objects.filter(securable__in=access.chain(securable)).select_related("securable")
    if principal is not None:
        rows = rows.filter(principal=principal)
    return [
        Effective(row.principal, row.privilege, row.securable)
        for row in rows.order_by("principal", "privilege")
        if row.privilege in taken or row.securable_id == securable.pk
    ]


def change(caller: Caller, securable: Securable, add: Mapping[str, Iterable[str]], remove: Mapping[str, Iterable[str]]) -> None:
    """Grant and revoke, by principal: `{"ada@example.org": ["SELECT"]}`. All of it happens, or none.

    Needs ownership or MANAGE. Raises PermissionDenied, InvalidParameterValue (a privilege that this kind of object does not
    take), ResourceDoesNotExist (nobody of that name in the workspace). Revoking what is not granted is no error.
    """
    access.require(caller, securable, access.MANAGE)
    for principal, privileges in (*add.items(), *remove.items()):
        require_principal(caller.workspace, principal)
        _check_privileges(securable, privileges)
    with transaction.atomic():
        for principal, privileges in remove.items():
            Grant.objects.filter(securable=securable, principal=principal, privilege__in=list(privileges)).delete()
        rows = [
            Grant(securable=securable, principal=principal, privilege=privilege)
            for principal, privileges in add.items()
            for privilege in dict.fromkeys(privileges)
        ]
        Grant.objects.bulk_create(rows, ignore_conflicts=True)


def require_principal(workspace: Workspace, principal: str) -> None:
    """Raises ResourceDoesNotExist unless it is a person or group of the workspace."""
    is_known = (
        principal == ACCOUNT_USERS
        or members.has_group(workspace, principal)
        or members.find_person(workspace, principal) is not None
    )
    if not is_known:
        raise ResourceDoesNotExist(f"Could not find principal with name {principal[:254]} in this workspace.")


def people_have_changed(
    sender: type, workspace: Workspace, deleted_group: str = "", told_apart: Mapping[str, str] | None = None, **_: Any
) -> None:
    """Grants end with the person or group that had them, and what a group owned goes to the workspace's owner.

    Otherwise the next group of that name would have them. What a person owned and was granted under a name that somebody else
    has as well now, or may have when she is gone, stays hers under her user name.
    """
    for shared, own in (told_apart or {}).items():
        _rename_principal(workspace, shared, own)
    known = {name for user in members.people(workspace) for name in (person(user), user.username)}
    known |= {*members.BUILT_IN, ACCOUNT_USERS, *(group.name for group in members.groups(workspace))} - {deleted_group}
    Grant.objects.filter(securable__workspace=workspace).exclude(principal__in=known).delete()
    if deleted_group and workspace.owner is not None:
        Securable.objects.filter(workspace=workspace, owner=deleted_group).update(owner=person(workspace.owner))


def _rename_principal(workspace: Workspace, old: str, new: str) -> None:
    if old == new:
        return
    Securable.objects.filter(workspace=workspace, owner=old).update(owner=new)
    given = Grant.objects.filter(securable__workspace=workspace, principal=old)
    again = [Grant(securable_id=each.securable_id, principal=new, privilege=each.privilege) for each in given]
    Grant.objects.bulk_create(again, ignore_conflicts=True)
    given.delete()


def _require_look(caller: Caller, securable: Securable, principal: str | None) -> None:
    if principal is None or principal not in access.principals(caller):
        access.require(caller, securable, access.MANAGE)
    else:
        access.require_visible(caller, securable)


def _check_privileges(securable: Securable, privileges: Iterable[str]) -> None:
    kind = SecurableType(securable.securable_type)
    wrong = [privilege for privilege in privileges if privilege not in PRIVILEGES[kind]]
    if wrong:
        raise InvalidParameterValue(
            f"Privilege {wrong[0][:100]} is not applicable to this entity [{securable.full_name}:{kind}]. "
            f"Applicable: {', '.join(sorted(PRIVILEGES[kind]))}."
        )
