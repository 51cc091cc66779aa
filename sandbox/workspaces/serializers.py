"""Bodies of the Token, Secrets and SCIM APIs, field for field [sdk: settings.py, workspace.py, iam.py]."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from sandbox.workspaces.clock import epoch_ms
from sandbox.workspaces.models import Secret, SecretScope, Token, User
from sandbox.workspaces.operations import person


class CreateTokenBody(serializers.Serializer[Any]):
    comment = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    lifetime_seconds = serializers.IntegerField(required=False, allow_null=True, default=None)


class RevokeTokenBody(serializers.Serializer[Any]):
    token_id = serializers.CharField()


class ScopeBody(serializers.Serializer[Any]):
    scope = serializers.CharField()


class SecretBody(serializers.Serializer[Any]):
    scope = serializers.CharField()
    key = serializers.CharField()


class PutSecretBody(SecretBody):
    """Exactly one of `string_value` and `bytes_value` (base64) [sdk: SecretsAPI.put_secret]."""

    string_value = serializers.CharField(required=False, trim_whitespace=False, allow_blank=True)
    bytes_value = serializers.CharField(required=False, allow_blank=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("string_value" in attrs) == ("bytes_value" in attrs):
            raise serializers.ValidationError("Give the value as exactly one of string_value and bytes_value.")
        attrs["value"] = attrs["string_value"] if "string_value" in attrs else _from_base64(attrs["bytes_value"])
        return attrs


def _from_base64(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise serializers.ValidationError({"bytes_value": "It must be base64 of UTF-8 text."}) from None


def token_info(token: Token) -> dict[str, Any]:
    """`PublicTokenInfo`; times in ms, expiry -1 for never."""
    return {
        "token_id": token.id,
        "creation_time": epoch_ms(token.created_at),
        "expiry_time": epoch_ms(token.expires_at) if token.expires_at else -1,
        "comment": token.comment,
    }


def scope_info(scope: SecretScope) -> dict[str, Any]:
    return {"name": scope.name, "backend_type": "DATABRICKS"}


def secret_info(secret: Secret) -> dict[str, Any]:
    return {"key": secret.key, "last_updated_timestamp": epoch_ms(secret.updated_at)}


def scim_user(user: User, group_names: Iterable[str]) -> dict[str, Any]:
    """A SCIM core user as `current_user.me()` and `users.list()` read it."""
    return {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "id": str(user.pk),
        "userName": person(user),
        "displayName": user.get_full_name() or user.username,
        "active": user.is_active,
        "emails": [{"type": "work", "value": person(user), "primary": True}],
        "groups": [{"display": name, "type": "direct"} for name in sorted(group_names)],
        "entitlements": [{"value": "workspace-access"}],
    }
