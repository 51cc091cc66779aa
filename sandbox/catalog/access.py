"""Who may do what with a securable object: ownership, grants, and what is inherited from schema and catalog.

An owner and a workspace admin may do everything; MANAGE lets change, drop and grant, but not read; ALL_PRIVILEGES stands for
every privilege but MANAGE; a privilege on a catalog or schema holds for what lies in it; and nothing in a catalog can be reached
without USE_CATALOG and USE_SCHEMA [docs: Manage privileges in Unity Catalog; Unity Catalog privileges and securable objects].
"""

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet

from sandbox.catalog.models import Grant, Securable, SecurableType
from sandbox.errors import PermissionDenied
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

ALL_PRIVILEGES, MANAGE = "ALL_PRIVILEGES", "MANAGE"
_ENTRY = ("USE_CATALOG", "USE_SCHEMA")
"""They open the way to what lies below, and show none of it."""
_WORDS = {
    SecurableType.CATALOG: "Catalog",
    SecurableType.SCHEMA: "Schema",
    SecurableType.TABLE: "Table",
    SecurableType.VOLUME: "Volume",
    SecurableType.FUNCTION: "Routine or Model",
    SecurableType.MODEL: "Routine or Model",
}


def chain(securable: Securable) -> list[Securable]:
    """The object, then its schema, then its catalog."""
    found = [securable]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found


def privileges_of(caller: Caller, securable: Securable) -> frozenset[str]:
    """What is granted to the caller on the object or above it; {ALL_PRIVILEGES, MANAGE} for owner and admin."""
    line = chain(securable)
    if caller.is_admin or any(owns(caller, each) for each in line):
        return frozenset({ALL_PRIVILEGES, MANAGE})
    grants = Grant.objects.filter(securable__in=line, principal__in=principals(caller))
    return frozenset(grants.values_list("privilege", flat=True))


def owns(caller: Caller, securable: Securable) -> bool:
    return securable.owner in principals(caller)


def principals(caller: Caller) -> frozenset[str]:
    """The names under which the caller may own or be granted something: her own, her groups', `users` and `account users`."""
    return frozenset({person(caller.user), "account users", *members.group_names(caller.workspace, caller.user)})


def allows(caller: Caller, securable: Securable, privilege: str) -> bool:
    """Whether the caller has the privilege; USE_CATALOG and USE_SCHEMA above the object are asked for by `require`."""
    held = privileges_of(caller, securable)
    return privilege in held or (ALL_PRIVILEGES in held and privilege != MANAGE)


def require(caller: Caller, securable: Securable, *any_of: str) -> None:
    """Raises PermissionDenied unless the caller may use what lies above, and has one of the privileges, if any is named."""
    if caller.is_admin:
        return
    for above in reversed(chain(securable)[1:]):
        use = "USE_CATALOG" if above.securable_type == SecurableType.CATALOG else "USE_SCHEMA"
        if not allows(caller, above, use):
            raise _denied((use,), above)
    if any_of and not any(allows(caller, securable, privilege) for privilege in any_of):
        raise _denied(any_of, securable)


def visible(caller: Caller, securables: QuerySet[Securable]) -> QuerySet[Securable]:
    """Those of the objects that the caller owns or was granted anything on, and what lies below something she owns or was
    granted more on than the way in. The database decides, so that a list can be paged there.
    """
    if caller.is_admin:
        return securables
    names = principals(caller)
    grants = Grant.objects.filter(principal__in=names)
    below = grants.exclude(privilege__in=_ENTRY)
    return securables.filter(
        Q(owner__in=names)
        | Q(parent__owner__in=names)
        | Q(parent__parent__owner__in=names)
        | Exists(grants.filter(securable=OuterRef("pk")))
        | Exists(below.filter(securable=OuterRef("parent")))
        | Exists(below.filter(securable=OuterRef("parent__parent")))
    )


def require_visible(caller: Caller, securable: Securable) -> None:
    """Raises PermissionDenied unless the caller may know what the object is (any privilege, BROWSE included)."""
    if not visible(caller, Securable.objects.filter(pk=securable.pk)).exists():
        raise _denied(("BROWSE",), securable)


def _denied(any_of: Iterable[str], securable: Securable) -> PermissionDenied:
    words = " or ".join(privilege.replace("_", " ") for privilege in any_of)
    kind = _WORDS[SecurableType(securable.securable_type)]
    return PermissionDenied(
        f"User does not have {words} on {kind} '{securable.full_name}'. Its owner or an admin of the workspace can grant it."
    )
