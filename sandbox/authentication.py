"""Access token of a REST request -> user (`request.user`) and token with its workspace (`request.auth`); who may call what."""

from typing import TYPE_CHECKING, Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from sandbox.credentials import access_token
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Token, User, Workspace
from sandbox.workspaces.operations import authenticate

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports the settings, which import this


SIGNED_IN = "sandbox.signed_in"
"""Key of an ASGI scope under which an application of ours, and no client, says who calls: (workspace id, user id)."""


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer dapi…`, as databricks-sdk and MLflow send it, or curl's `-u token:dapi…`.

    Or nothing, when an application before Django knows who calls (`SIGNED_IN`).
    """

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        known = getattr(request._request, "scope", {}).get(SIGNED_IN)
        if known is not None:
            return _signed_in(*known)
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


def _signed_in(workspace_id: str, user_id: str) -> tuple[User, Token]:
    """With a token that is not kept, for the views that ask it for the workspace."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    workspace = Workspace.objects.filter(id=workspace_id).first()
    if user is None or workspace is None:
        raise AuthenticationFailed
    return user, Token(workspace=workspace, user=user)


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
