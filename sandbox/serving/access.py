"""Who may see, query and manage an endpoint: the check of every operation, and what gateways are told.

Levels include those before them. Workspace admins have CAN_MANAGE on everything, by inheritance; the creator is given it
with the endpoint; everybody else has nothing until it is given [docs: serving-endpoint-acl page].
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sandbox import live
from sandbox.errors import PermissionDenied, ResourceDoesNotExist
from sandbox.registry.registered_models import get_model
from sandbox.serving import lookup_plans, payload_tables
from sandbox.serving.inputs import ConfigInput, EndpointInput
from sandbox.serving.models import Endpoint, EndpointPermission, PermissionLevel
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Member
from sandbox.workspaces.secret_store import REFERENCE

CAN_VIEW, CAN_QUERY, CAN_MANAGE = PermissionLevel.CAN_VIEW, PermissionLevel.CAN_QUERY, PermissionLevel.CAN_MANAGE
ORDER = (CAN_VIEW, CAN_QUERY, CAN_MANAGE)
WORDS = {CAN_VIEW: "View", CAN_QUERY: "Query", CAN_MANAGE: "Manage"}


def level_of(endpoint: Endpoint, caller: Caller) -> PermissionLevel | None:
    """The highest level of the caller on an endpoint that her workspace sees; None without any."""
    return levels_of([endpoint], caller).get(endpoint.id)


def levels_of(endpoints: Iterable[Endpoint], caller: Caller) -> dict[str, PermissionLevel]:
    """By endpoint id; endpoints on which the caller has nothing are left out."""
    found = list(endpoints)
    preconfigured = {e.id: CAN_QUERY for e in found if e.workspace_id != caller.workspace.id}
    own = [e for e in found if e.id not in preconfigured]
    if caller.is_admin:
        return preconfigured | {e.id: CAN_MANAGE for e in own}
    groups = members.group_names(caller.workspace, caller.user)
    levels: dict[str, PermissionLevel] = dict(preconfigured)
    for each in EndpointPermission.objects.filter(endpoint__in=own):
        if each.user_id == caller.user.pk or (each.user_id is None and each.group_name in groups):
            levels[each.endpoint_id] = _higher(levels.get(each.endpoint_id), PermissionLevel(each.level))
    return levels


def require(caller: Caller, name: str, level: PermissionLevel) -> None:
    """Raises ResourceDoesNotExist for an endpoint of nobody or of another workspace, PermissionDenied below the level."""
    visible = Endpoint.objects.filter(name=name, workspace_id__in=[caller.workspace.id, live.SYSTEM_WORKSPACE])
    endpoint = visible.first()
    if endpoint is None:
        raise ResourceDoesNotExist(f"Serving endpoint with name {name} not found.")
    require_level(endpoint, caller, level)


def check_endpoint(caller: Caller, asked: EndpointInput) -> None:
    """The rules of `check_config` for a new endpoint, and the same for the table that its AI Gateway logs to."""
    check_config(caller, asked.config)
    check_ai_gateway(caller, asked.ai_gateway)


def check_ai_gateway(caller: Caller, ai_gateway: dict[str, Any], endpoint: Endpoint | None = None) -> None:
    """Raises PermissionDenied for an inference table where the caller may make none; `endpoint` is the one that is changed."""
    now = endpoint.ai_gateway if endpoint is not None else {}
    field = "inference_table_config"
    payload_tables.require_may_choose(caller, ai_gateway.get(field), now.get(field))


def check_config(caller: Caller, config: ConfigInput, endpoint: Endpoint | None = None) -> None:
    """Whoever lets an endpoint read a secret, run a model or write a table must be allowed to do that herself.

    Secrets are for admins [docs: secret ACLs]; models and feature specs need EXECUTE [docs: Manage model lifecycle in Unity
    Catalog], the feature tables that they look up SELECT, the schema of an inference table CREATE TABLE. `endpoint` is the one
    that is changed.
    Raises PermissionDenied; of a model that is not there the operation tells.
    """
    if caller.is_admin:
        return
    active = endpoint.configs.filter(config_version=endpoint.active_version or 0).first() if endpoint is not None else None
    payload_tables.require_may_choose(caller, config.auto_capture_config, active.auto_capture_config if active else None)
    for entity in config.entities:
        if entity.entity_name:
            with suppress(ResourceDoesNotExist):
                if entity.entity_version:
                    get_model(caller, entity.entity_name)
                lookup_plans.require_readable(caller, entity.entity_name, entity.entity_version)
        if entity.external_model or any(REFERENCE.match(value) for value in entity.environment_vars.values()):
            raise PermissionDenied(
                f"Served entity {entity.name} refers to secrets of the workspace, which its admins may read. Ask one of them."
            )


def may_query(endpoint: Endpoint) -> frozenset[str] | None:
    """For the live snapshot: ids of the people who may send invocations; None where every token of the workspace may."""
    workspace = endpoint.workspace
    if workspace.owner_id is None:
        return None
    if not Member.objects.filter(workspace=workspace).exists():
        return frozenset({str(workspace.owner_id)})
    given = list(endpoint.permissions.filter(level__in=[CAN_QUERY, CAN_MANAGE]))
    here = set(members.people(workspace).values_list("pk", flat=True))
    found = set(members.admins(workspace).values_list("pk", flat=True)) | {g.user_id for g in given if g.user_id is not None}
    found |= members.people_of_groups(workspace, (g.group_name for g in given if g.user_id is None))
    return frozenset(str(pk) for pk in found & here)


def require_level(endpoint: Endpoint, caller: Caller, level: PermissionLevel) -> None:
    """The same for an endpoint that the caller's workspace sees."""
    has = level_of(endpoint, caller)
    if has is not None and ORDER.index(has) >= ORDER.index(level):
        return
    if endpoint.workspace_id != caller.workspace.id:
        raise PermissionDenied(f"Endpoint {endpoint.name} is preconfigured: it can be queried, but not changed or deleted.")
    raise PermissionDenied(f"User does not have permission '{WORDS[level]}' on Endpoint {endpoint.name}.")


def _higher(one: PermissionLevel | None, other: PermissionLevel) -> PermissionLevel:
    return other if one is None or ORDER.index(other) > ORDER.index(one) else one
