"""Access token of a REST request -> user (`request.user`) and token with its workspace (`request.auth`); who may call what."""

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from sandbox.credentials import access_token
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Token, User
from sandbox.workspaces.operations import authenticate

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports the settings, which import this


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer dapi…`, as databricks-sdk and MLflow send it, or curl's `-u token:dapi…`."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        plain = access_token(request.META.get("HTTP_AUTHORIZATION", "").encode()).decode("utf-8", "replace")
        if not plain:
            return None
        token = authenticate(plain)
        if token is None:
            raise AuthenticationFailed
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Makes DRF answer 401 instead of 403."""
        return "Bearer"


class WorkspaceAdmin(IsAuthenticated):
    """The rule of every view that says nothing else: what has no permissions of its own is for the workspace's admins."""

    message = "Only admins of this workspace may do this. Ask its owner for admin rights."

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return super().has_permission(request, view) and caller_of(request).is_admin


class WorkspaceMember(IsAuthenticated):
    """For views that decide themselves what the caller may see and do."""


def token_of(request: Request) -> Token:
    """The token that authenticated a REST request; views behind IsAuthenticated always have one."""
    token: Any = request.auth
    assert isinstance(token, Token)
    return token


def caller_of(request: Request) -> Caller:
    """Who asks, in which workspace."""
    token = token_of(request)
    return Caller(token.workspace, token.user)
