"""Bearer token of a REST request -> user (`request.user`) and token with its workspace (`request.auth`)."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from sandbox.workspaces.models import Token, User
from sandbox.workspaces.operations import authenticate


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer dapi…`, as databricks-sdk, MLflow and curl send it."""

    def authenticate(self, request: Request) -> tuple[User, Token] | None:
        plain = bearer_token(request.META.get("HTTP_AUTHORIZATION", ""))
        if plain is None:
            return None
        token = authenticate(plain)
        if token is None:
            raise AuthenticationFailed
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Makes DRF answer 401 instead of 403."""
        return "Bearer"


def bearer_token(header: str) -> str | None:
    """The credential of an Authorization header; None when it is of another kind or absent."""
    kind, _, credential = header.partition(" ")
    return credential.strip() if kind.lower() == "bearer" and credential.strip() else None


def token_of(request: Request) -> Token:
    """The token that authenticated a REST request; views behind IsAuthenticated always have one."""
    token: Any = request.auth
    assert isinstance(token, Token)
    return token
