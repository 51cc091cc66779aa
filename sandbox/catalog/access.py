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
    return frozenset({ALL_PRIVILEGES, MANAGE}) if caller.is_admin else _held(principals(caller), securable)


def _held(names: frozenset[str], securable: Securable) -> frozenset[str]:
    """What is granted to one of the names on the object or above it."""
    line = chain(securable)
    if any(each.owner in names for each in line):
        return frozenset({ALL_PRIVILEGES, MANAGE})
    grants = Grant.objects.filter(securable__in=line, principal__in=names)
    return frozenset(grants.values_list("privilege", flat=True))


def owns(caller: Caller, securable: Securable) -> bool:
    return securable.owner in principals(caller)


def principals(caller: Caller) -> frozenset[str]:
    """The names under which the caller may own or be granted something: her own, her groups', `users` and `account users`."""
    own = members.names_of(caller.workspace, caller.user)
    return own | {"account users"} | members.group_names(caller.workspace, caller.user)


def allows(caller: Caller, securable: Securable, privilege: str) -> bool:
    """Whether the caller has the privilege; USE_CATALOG and USE_SCHEMA above the object are asked for by `require`."""
    return _is_among(privilege, privileges_of(caller, securable))


def _is_among(privilege: str, held: frozenset[str]) -> bool:
    return privilege in held or (ALL_PRIVILEGES in held and privilege != MANAGE)


def require(caller: Caller, securable: Securable, *any_of: str) -> None:
    """Raises PermissionDenied unless the caller may use what lies above, and has one of the privileges, if any is named."""
    if not caller.is_admin:
        _require(principals(caller), securable, any_of)


def require_of_owner(holder: Securable, securable: Securable, *any_of: str) -> None:
    """As `require`, for whoever owns `holder` (a view, a function) now: a person or a group of its workspace."""
    workspace = holder.workspace
    owner = members.find_person(workspace, holder.owner)
    try:
        if owner is not None:
            require(Caller(workspace, owner), securable, *any_of)
        elif workspace.owner_id is not None and holder.owner != members.ADMINS:
            _require(frozenset({holder.owner, members.USERS, "account users"}), securable, any_of)
    except PermissionDenied as denied:
        raise PermissionDenied(f"'{holder.full_name}' reads with the rights of its owner. {denied.message}") from None


def _require(names: frozenset[str], securable: Securable, any_of: tuple[str, ...]) -> None:
    for above in reversed(chain(securable)[1:]):
        use = "USE_CATALOG" if above.securable_type == SecurableType.CATALOG else "USE_SCHEMA"
        if not _is_among(use, _held(names, above)):
            raise _denied((use,), above)
    if any_of:
        held = _held(names, securable)
        if not any(_is_among(privilege, held) for privilege in any_of):
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
