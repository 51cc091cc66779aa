"""SCIM Users and Groups of a workspace, as far as databricks-sdk's `w.users` and `w.groups` need them [sdk: iam.py]."""

import re
from collections.abc import Sequence
from typing import Any

from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import WorkspaceMember, caller_of
from sandbox.errors import InvalidParameterValue, PermissionDenied
from sandbox.workspaces import members
from sandbox.workspaces.members import ADMINS, BUILT_IN, USERS, Caller
from sandbox.workspaces.models import Group, User, Workspace
from sandbox.workspaces.operations import person
from sandbox.workspaces.serializers import scim_user

PAGE = 100
FILTER = re.compile(r'(?:userName|displayName)\s+(eq|co)\s+(?:"([^"]*)"|([^"\s]+))', re.I)
"""No two parts of it match the same character, so that a long filter is refused in one pass."""
LIST_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
GROUP_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Group"
MEMBER_PATH = re.compile(r'^members\[value eq "?(\d+)"?\]$')


class MemberBody(serializers.Serializer[Any]):
    value = serializers.CharField(max_length=16)


class UserBody(serializers.Serializer[Any]):
    userName = serializers.CharField(max_length=254)  # noqa: N815 - SCIM's spelling
    groups = serializers.ListField(child=serializers.DictField(), required=False, default=list)


class GroupBody(serializers.Serializer[Any]):
    displayName = serializers.CharField(max_length=members.MAX_NAME_CHARACTERS)  # noqa: N815 - SCIM's spelling
    members = MemberBody(many=True, required=False)


class OperationBody(serializers.Serializer[Any]):
    op = serializers.CharField()
    path = serializers.CharField(required=False, allow_blank=True, allow_null=True)
    value = serializers.JSONField(required=False, allow_null=True)


class PatchBody(serializers.Serializer[Any]):
    Operations = OperationBody(many=True, allow_empty=False)


@api_view(["GET", "POST"])
@permission_classes([WorkspaceMember])
def users(request: Request) -> Response:
    """List, and add a person of this site."""
    caller = caller_of(request)
    if request.method == "POST":
        _require_admin(caller)
        body = _read(UserBody, request.data)
        wants_admin = any(group.get("display", group.get("value")) == ADMINS for group in body["groups"])
        added = members.add_member(caller.workspace, body["userName"], is_admin=wants_admin)
        return Response(_user(caller.workspace, added), status=201)
    found = [(person(user), user) for user in members.people(caller.workspace)]
    return Response(_page(request, [_user(caller.workspace, user) for user in _filtered(request, found)]))


@api_view(["GET", "DELETE"])
@permission_classes([WorkspaceMember])
def user(request: Request, user_id: str) -> Response:
    caller = caller_of(request)
    found = members.person_by_id(caller.workspace, user_id)
    if request.method == "DELETE":
        _require_admin(caller)
        members.remove_member(caller.workspace, found)
        return Response(status=204)
    return Response(_user(caller.workspace, found))


@api_view(["GET", "POST"])
@permission_classes([WorkspaceMember])
def groups(request: Request) -> Response:
    """List, and create."""
    caller = caller_of(request)
    if request.method == "POST":
        _require_admin(caller)
        body = _read(GroupBody, request.data)
        people = _people(caller.workspace, [member["value"] for member in body.get("members", ())])
        return Response(_group(members.create_group(caller.workspace, body["displayName"], people)), status=201)
    shown = [_built_in(caller.workspace, name) for name in BUILT_IN] + [_group(g) for g in members.groups(caller.workspace)]
    return Response(_page(request, _filtered(request, [(g["displayName"], g) for g in shown])))


@api_view(["GET", "PATCH", "DELETE"])
@permission_classes([WorkspaceMember])
def group(request: Request, group_id: str) -> Response:
    """A group; adding to and removing from `admins` gives and takes admin rights."""
    caller = caller_of(request)
    if request.method != "GET":
        _require_admin(caller)
    if group_id in BUILT_IN:
        return _built_in_group(request, caller.workspace, group_id)
    found = members.group_by_id(caller.workspace, group_id)
    if request.method == "DELETE":
        members.delete_group(found)
        return Response(status=204)
    if request.method == "PATCH":
        add, remove = _changes(caller.workspace, request.data)
        members.change_group(found, add, remove)
        return Response(status=204)
    return Response(_group(found))


def _built_in_group(request: Request, workspace: Workspace, name: str) -> Response:
    if request.method == "GET":
        return Response(_built_in(workspace, name))
    if request.method == "DELETE" or name == USERS:
        raise InvalidParameterValue(f"The group {name} is there in every workspace and cannot be changed like this.")
    add, remove = _changes(workspace, request.data)
    for each in add:
        members.set_admin(workspace, each, True)
    for each in remove:
        members.set_admin(workspace, each, False)
    return Response(status=204)


def _changes(workspace: Workspace, data: Any) -> tuple[list[User], list[User]]:
    """Who is added and who is removed by a PATCH of `members`."""
    add: list[User] = []
    remove: list[User] = []
    for operation in _read(PatchBody, data)["Operations"]:
        kind, path = operation["op"].lower(), operation.get("path") or "members"
        if kind == "remove" and (match := MEMBER_PATH.match(path)):
            remove += _people(workspace, [match[1]])
        elif kind in {"add", "remove"} and path == "members":
            (add if kind == "add" else remove).extend(_people(workspace, _values(operation.get("value"))))
        else:
            raise InvalidParameterValue(f"Operations may add or remove members; '{operation['op']} {path}' is not supported.")
    return add, remove


def _values(value: Any) -> list[str]:
    """User ids of `[{"value": id}]`, also inside `{"members": […]}` or alone."""
    if isinstance(value, dict):
        value = value.get("members", [value])
    items = value if isinstance(value, list) else []
    found = [str(item["value"]) for item in items if isinstance(item, dict) and "value" in item]
    if not found:
        raise InvalidParameterValue('The value of an operation on members is a list such as [{"value": "12"}].')
    return found


def _people(workspace: Workspace, ids: Sequence[str]) -> list[User]:
    return [members.person_by_id(workspace, user_id) for user_id in ids]


def _user(workspace: Workspace, found: User) -> dict[str, Any]:
    return scim_user(found, members.group_names(workspace, found))


def _group(found: Group) -> dict[str, Any]:
    return _group_body(found.id, found.name, sorted(found.people.all(), key=person))


def _built_in(workspace: Workspace, name: str) -> dict[str, Any]:
    people = members.people(workspace) if name == USERS else members.admins(workspace)
    return _group_body(name, name, list(people))


def _group_body(group_id: str, name: str, people: Sequence[User]) -> dict[str, Any]:
    return {
        "schemas": [GROUP_SCHEMA],
        "id": group_id,
        "displayName": name,
        "members": [{"display": person(user), "value": str(user.pk), "$ref": f"Users/{user.pk}"} for user in people],
        "meta": {"resourceType": "WorkspaceGroup"},
    }


def _filtered(request: Request, named: Sequence[tuple[str, Any]]) -> list[Any]:
    """Those whose name fits `filter=userName eq "…"` (or `displayName`, or `co`); all of them without a filter."""
    written = request.query_params.get("filter", "")
    if not written:
        return [thing for _, thing in named]
    match = FILTER.fullmatch(written.strip())
    if match is None:
        raise InvalidParameterValue(f'The filter {written[:200]!r} is not supported. Use userName eq "…" or displayName eq "…".')
    operator, wanted = match[1].lower(), (match[2] or match[3] or "").lower()
    return [thing for name, thing in named if (name.lower() == wanted if operator == "eq" else wanted in name.lower())]


def _page(request: Request, resources: Sequence[Any]) -> dict[str, Any]:
    """From `startIndex` (1 is the first) at most `count`; a page beyond the end is empty, by which clients know to stop."""
    start, count = _whole(request, "startIndex", 1), _whole(request, "count", PAGE)
    shown = resources[max(start, 1) - 1 :][: max(count, 0)]
    return {
        "schemas": [LIST_SCHEMA],
        "totalResults": len(resources),
        "startIndex": start,
        "itemsPerPage": len(shown),
        "Resources": shown,
    }


def _whole(request: Request, name: str, default: int) -> int:
    written = request.query_params.get(name, str(default))
    if not (written.isascii() and written.isdecimal() and len(written) < 10):
        raise InvalidParameterValue(f"{name} must be a whole number, not {written!r}.")
    return int(written)


def _require_admin(caller: Caller) -> None:
    if not caller.is_admin:
        raise PermissionDenied("Only admins of this workspace may change its users and groups.")


def _read(body: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise InvalidParameterValue("The body must be a JSON object.")
    serializer = body(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
