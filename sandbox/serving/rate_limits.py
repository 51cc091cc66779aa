"""Rate limits of the AI Gateway as gateways need them: principals by id, groups as the people in them."""

from typing import Any

from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.live import LiveLimit
from sandbox.serving.models import Endpoint
from sandbox.workspaces import members
from sandbox.workspaces.models import Workspace

MAX_GROUP_LIMITS = 5
"""Of one endpoint [docs: ai-gateway/rate-limits page]."""
Json = dict[str, Any]


def live_limits(endpoint: Endpoint) -> tuple[LiveLimit, ...]:
    """What is enforced; a limit whose principal has gone since is for nobody."""
    return tuple(_live(endpoint.workspace, limit) for limit in endpoint.ai_gateway.get("rate_limits") or ())


def check(workspace: Workspace, ai_gateway: Json) -> None:
    """Raises InvalidParameterValue for too many groups, ResourceDoesNotExist for principals that the workspace does not have."""
    limits = ai_gateway.get("rate_limits") or ()
    groups = [limit for limit in limits if limit.get("key") == "user_group"]
    if len(groups) > MAX_GROUP_LIMITS:
        raise InvalidParameterValue(
            f"ai_gateway.rate_limits: an endpoint has at most {MAX_GROUP_LIMITS} limits for groups; these are {len(groups)}."
        )
    for limit in limits:
        key, name = limit.get("key", "endpoint"), limit.get("principal", "")
        if key == "service_principal":
            raise ResourceDoesNotExist(f"Principal: ServicePrincipalName({name}) does not exist")
        if key == "user_group" and not members.has_group(workspace, name):
            raise ResourceDoesNotExist(f"Principal: GroupName({name}) does not exist")
        if key == "user" and name and members.find_person(workspace, name) is None:
            raise ResourceDoesNotExist(f"Principal: UserName({name}) does not exist")


def _live(workspace: Workspace, limit: Json) -> LiveLimit:
    key, name = limit.get("key", "endpoint"), limit.get("principal", "")
    calls, tokens = limit.get("calls"), limit.get("tokens")
    if key == "user_group":
        return LiveLimit(f"group:{name}", calls, tokens, _ids(members.people_of_groups(workspace, [name])))
    if key == "user" and name:
        person = members.find_person(workspace, name)
        return LiveLimit("user", calls, tokens, _ids([person.pk] if person else []))
    return LiveLimit("user" if key == "user" else "endpoint", calls, tokens)


def _ids(people: Any) -> frozenset[str]:
    return frozenset(str(pk) for pk in people)
