"""What can be changed of any object: its name, owner, comment and properties."""

from typing import Any

from django.db import transaction

from sandbox.catalog import access, grants, securables
from sandbox.catalog.models import Securable, SecurableType
from sandbox.catalog.names import checked_name
from sandbox.errors import InvalidParameterValue, InvalidState
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

MAX_COMMENT_CHARACTERS = 64 * 1024


def change(
    caller: Caller,
    securable: Securable,
    *,
    new_name: str | None = None,
    owner: str | None = None,
    comment: str | None = None,
    properties: dict[str, Any] | None = None,
) -> Securable:
    """Give another name (one part), owner, comment or properties; None leaves what is there. All of it happens, or none.

    Needs ownership or MANAGE; a comment on a table needs MODIFY only. Raises PermissionDenied, ResourceAlreadyExists,
    ResourceDoesNotExist (no such person or group), InvalidParameterValue, InvalidState (the first catalog keeps its name).
    """
    is_comment_only = comment is not None and (new_name, owner, properties) == (None, None, None)
    may_comment = is_comment_only and securable.securable_type == SecurableType.TABLE
    access.require(caller, securable, *(("MODIFY",) if may_comment else ()), access.MANAGE)
    with transaction.atomic():
        if owner is not None:
            grants.require_principal(caller.workspace, owner)
            securable.owner = owner
        if comment is not None:
            securable.comment = checked_comment(comment)
        if properties is not None:
            securable.properties = properties
        if new_name is not None:
            _rename(caller, securable, new_name)
        securables.touch(securable, person(caller.user))
    return securable


def checked_comment(comment: str) -> str:
    """Raises InvalidParameterValue when it is too long."""
    if len(comment) > MAX_COMMENT_CHARACTERS:
        raise InvalidParameterValue(f"A comment has at most {MAX_COMMENT_CHARACTERS} characters, not {len(comment)}.")
    return comment


def _rename(caller: Caller, securable: Securable, new_name: str) -> None:
    name = checked_name(new_name)
    if name == securable.name:
        return
    if securable.parent is None and securable.name == caller.workspace.catalog.lower():
        raise InvalidState(f"Catalog '{securable.name}' is the one that this workspace begins with; it keeps its name.")
    prefix = f"{securable.parent.full_name}." if securable.parent is not None else ""
    securables.rename(securable, prefix + name, person(caller.user))
