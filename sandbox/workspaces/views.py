"""REST views of the Token, Secrets and SCIM APIs and of client discovery."""

import base64
from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework import serializers
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import WorkspaceMember, caller_of, token_of
from sandbox.errors import InvalidParameterValue
from sandbox.workspaces import members, operations, secret_store
from sandbox.workspaces.discovery import DISCOVERY
from sandbox.workspaces.serializers import (
    CreateTokenBody,
    PutSecretBody,
    RevokeTokenBody,
    ScopeBody,
    SecretBody,
    scim_user,
    scope_info,
    secret_info,
    token_info,
)


def databricks_config(request: HttpRequest) -> JsonResponse:
    """Where no ASGI application stands before Django and answers it itself."""
    return JsonResponse(DISCOVERY)


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def me(request: Request) -> Response:
    caller = caller_of(request)
    return Response(scim_user(caller.user, members.group_names(caller.workspace, caller.user)))


@api_view(["POST"])
@permission_classes([WorkspaceMember])
def create_token(request: Request) -> Response:
    body = _read(CreateTokenBody, request.data)
    caller = token_of(request)
    token, plain = operations.issue_token(caller.workspace, caller.user, body["comment"], body["lifetime_seconds"])
    return Response({"token_value": plain, "token_info": token_info(token)})


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def list_tokens(request: Request) -> Response:
    """The caller's own, as documented; an admin's list is another API."""
    caller = caller_of(request)
    return Response({"token_infos": [token_info(t) for t in operations.list_tokens(caller.workspace, caller.user)]})


@api_view(["POST"])
@permission_classes([WorkspaceMember])
def delete_token(request: Request) -> Response:
    caller = caller_of(request)
    operations.revoke_token(caller.workspace, _read(RevokeTokenBody, request.data)["token_id"], caller.user)
    return Response({})


@api_view(["POST"])
def create_scope(request: Request) -> Response:
    secret_store.create_scope(token_of(request).workspace, _read(ScopeBody, request.data)["scope"])
    return Response({})


@api_view(["GET"])
def list_scopes(request: Request) -> Response:
    return Response({"scopes": [scope_info(s) for s in secret_store.list_scopes(token_of(request).workspace)]})


@api_view(["POST"])
def delete_scope(request: Request) -> Response:
    secret_store.delete_scope(token_of(request).workspace, _read(ScopeBody, request.data)["scope"])
    return Response({})


@api_view(["POST"])
def put_secret(request: Request) -> Response:
    body = _read(PutSecretBody, request.data)
    secret_store.put_secret(token_of(request).workspace, body["scope"], body["key"], body["value"])
    return Response({})


@api_view(["GET"])
def list_secrets(request: Request) -> Response:
    scope_name = _read(ScopeBody, request.query_params.dict())["scope"]
    return Response({"secrets": [secret_info(s) for s in secret_store.list_secrets(token_of(request).workspace, scope_name)]})


@api_view(["GET"])
def get_secret(request: Request) -> Response:
    """The value in base64, as documented for callers with READ on the scope: here only its owner."""
    asked = _read(SecretBody, request.query_params.dict())
    value = secret_store.read_secret(token_of(request).workspace, asked["scope"], asked["key"])
    return Response({"key": asked["key"], "value": base64.b64encode(value.encode()).decode()})


@api_view(["POST"])
def delete_secret(request: Request) -> Response:
    body = _read(SecretBody, request.data)
    secret_store.delete_secret(token_of(request).workspace, body["scope"], body["key"])
    return Response({})


def _read(body: type[serializers.Serializer[Any]], data: Any) -> dict[str, Any]:
    """The checked body; the first problem becomes INVALID_PARAMETER_VALUE."""
    if not isinstance(data, dict):
        raise InvalidParameterValue("The body must be a JSON object.")
    serializer = body(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
