"""The Permissions API of serving endpoints, by endpoint id [sdk: ServingEndpointsAPI.set_permissions and its siblings]."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F

from sandbox import live
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.serving import afterwards
from sandbox.serving.access import CAN_MANAGE, CAN_QUERY, CAN_VIEW, require_level
from sandbox.serving.models import Endpoint, EndpointPermission, PermissionLevel
from sandbox.workspaces import members
from sandbox.workspaces.members import ADMINS, USERS, Caller
from sandbox.workspaces.models import User, Workspace
from sandbox.workspaces.operations import person

DESCRIPTIONS = {
    CAN_MANAGE: "Can manage the serving endpoint: change its config and settings, delete it, and give permissions",
    CAN_QUERY: "Can query the serving endpoint, and view it",
    CAN_VIEW: "Can view the serving endpoint, its state and its metrics",
}
ROOT = "/serving-endpoints/"
"""What permissions of admins are inherited from (assumed: the form that other objects of the Permissions API show)."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Grant:
    """A level for one person or one group."""

    level: PermissionLevel
    user: User | None = None
    group_name: str = ""


def read_list(caller: Caller, endpoint_id: str) -> Json:
    """`ServingEndpointPermissions` of the endpoint, for whoever may view it."""
    return _shown(_by_id(caller, endpoint_id, CAN_VIEW))


def levels(caller: Caller, endpoint_id: str) -> Json:
    """What can be given on an endpoint."""
    _by_id(caller, endpoint_id, CAN_VIEW)
    return {"permission_levels": [{"permission_level": level, "description": text} for level, text in DESCRIPTIONS.items()]}


def replace_list(caller: Caller, endpoint_id: str, asked: Sequence[Json]) -> Json:
    """Make `asked` all that is given directly; nothing in it takes every direct permission away [sdk: set_permissions]."""
    endpoint = _by_id(caller, endpoint_id, CAN_MANAGE)
    grants = _read(endpoint.workspace, asked)
    with transaction.atomic():
        endpoint.permissions.all().delete()
        _store(endpoint, grants)
        _tell_gateways(endpoint)
    return _shown(endpoint)


def update_list(caller: Caller, endpoint_id: str, asked: Sequence[Json]) -> Json:
    """Give what is in `asked`; who is not in it keeps what she has [sdk: update_permissions]."""
    endpoint = _by_id(caller, endpoint_id, CAN_MANAGE)
    grants = _read(endpoint.workspace, asked)
    with transaction.atomic():
        _store(endpoint, grants)
        _tell_gateways(endpoint)
    return _shown(endpoint)


def give_creator(endpoint: Endpoint, user: User | None) -> None:
    """The creator manages what she creates; part of the transaction that creates it. Two people may share her name."""
    creator = user or members.find_person(endpoint.workspace, endpoint.creator)
    if creator is not None:
        EndpointPermission.objects.create(endpoint=endpoint, user=creator, level=CAN_MANAGE)


def _by_id(caller: Caller, endpoint_id: str, level: PermissionLevel) -> Endpoint:
    visible = Endpoint.objects.select_related("workspace").filter(
        id=endpoint_id, workspace_id__in=[caller.workspace.id, live.SYSTEM_WORKSPACE]
    )
    endpoint = visible.first()
    if endpoint is None:
        raise ResourceDoesNotExist(
            f"Serving endpoint with id {endpoint_id} not found. The id is in the endpoint's GET, not its name."
        )
    require_level(endpoint, caller, level)
    return endpoint


def _read(workspace: Workspace, asked: Sequence[Json]) -> list[Grant]:
    """Who is meant by each entry. Raises InvalidParameterValue and ResourceDoesNotExist."""
    grants = [_grant(workspace, entry) for entry in asked]
    principals = [(grant.user, grant.group_name) for grant in grants]
    for grant, principal in zip(grants, principals, strict=True):
        if principals.count(principal) > 1:
            name = person(grant.user) if grant.user else grant.group_name
            raise InvalidParameterValue(f"access_control_list names {name} more than once. Give each principal one entry.")
    return grants


def _grant(workspace: Workspace, entry: Json) -> Grant:
    named = [name for name in ("user_name", "group_name", "service_principal_name") if entry.get(name)]
    if len(named) != 1:
        raise InvalidParameterValue(
            "Each entry of access_control_list names exactly one of user_name, group_name and service_principal_name."
        )
    kind, name, level = named[0], str(entry[named[0]]), PermissionLevel(entry["permission_level"])
    if kind == "user_name":
        user = members.find_person(workspace, name)
        if user is None:
            raise ResourceDoesNotExist(f"Principal: UserName({name}) does not exist")
        return Grant(level, user=user)
    if kind == "service_principal_name":
        raise ResourceDoesNotExist(f"Principal: ServicePrincipalName({name}) does not exist")
    if not members.has_group(workspace, name):
        raise ResourceDoesNotExist(f"Principal: GroupName({name}) does not exist")
    if name == ADMINS and level != CAN_MANAGE:
        raise InvalidParameterValue(f"Cannot change permissions for group 'admins' to {level}: admins manage every endpoint.")
    return Grant(level, group_name=name)


def _store(endpoint: Endpoint, grants: Iterable[Grant]) -> None:
    for grant in grants:
        EndpointPermission.objects.update_or_create(
            endpoint=endpoint, user=grant.user, group_name=grant.group_name, defaults={"level": grant.level}
        )


def _shown(endpoint: Endpoint) -> Json:
    given = [_entry(each) for each in endpoint.permissions.select_related("user") if each.group_name != ADMINS]
    inherited = _all_permissions(CAN_MANAGE, inherited_from=ROOT)
    if endpoint.workspace_id == live.SYSTEM_WORKSPACE:
        given = [{"group_name": USERS, **_all_permissions(CAN_QUERY, inherited_from=ROOT)}]
    else:
        given.append({"group_name": ADMINS, **inherited})
    return {"object_id": f"{ROOT}{endpoint.id}", "object_type": "serving-endpoint", "access_control_list": given}


def _entry(given: EndpointPermission) -> Json:
    if given.user is None:
        return {"group_name": given.group_name, **_all_permissions(given.level)}
    name = person(given.user)
    return {"user_name": name, "display_name": given.user.get_full_name() or name, **_all_permissions(given.level)}


def _all_permissions(level: str, inherited_from: str = "") -> Json:
    permission: Json = {"permission_level": level, "inherited": bool(inherited_from)}
    if inherited_from:
        permission["inherited_from_object"] = [inherited_from]
    return {"all_permissions": [permission]}


# --- telling gateways --------------------------------------------------------------------------


def _tell_gateways(endpoint: Endpoint) -> None:
    """Publish the endpoint anew once the transaction has committed."""
    Endpoint.objects.filter(id=endpoint.id).update(access_version=F("access_version") + 1, published_version=None)
    endpoint.published_version = None
    afterwards.reconcile(endpoint)


def people_have_changed(workspace: Workspace, deleted_group: str = "", **_: Any) -> None:
    """Receiver of `people_changed`: permissions of who is gone end, and every endpoint is published anew."""
    endpoints = Endpoint.objects.filter(workspace=workspace)
    own = EndpointPermission.objects.filter(endpoint__in=endpoints)
    own.filter(user__isnull=False).exclude(user__in=members.people(workspace)).delete()
    if deleted_group:
        own.filter(group_name=deleted_group).delete()
    for endpoint in endpoints.select_related("workspace"):
        _tell_gateways(endpoint)
