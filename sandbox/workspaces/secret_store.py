"""Secret scopes and secrets, one function for each operation of the Secrets API."""

import re

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from sandbox.errors import InvalidParameterValue, ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.workspaces.encryption import decrypt, encrypt
from sandbox.workspaces.models import Secret, SecretScope, Workspace

NAME = re.compile(r"^[A-Za-z0-9_.@-]{1,128}$")
VALUE_LIMIT_BYTES = 128 * 1024
REFERENCE = re.compile(r"^\{\{\s*secrets/(?P<scope>[^/{}\s]+)/(?P<key>[^/{}\s]+)\s*\}\}$")
"""`{{secrets/scope/key}}` [sdk: ServedEntityInput.environment_vars]. No two parts of it match the same character, so that a
long text that is none is refused in one pass."""


def reference(scope_name: str, key: str) -> str:
    """How a config refers to the secret: `{{secrets/scope/key}}`."""
    return f"{{{{secrets/{scope_name}/{key}}}}}"


def create_scope(workspace: Workspace, name: str) -> SecretScope:
    _check_name("scope", name)
    try:
        with transaction.atomic():
            return SecretScope.objects.create(workspace=workspace, name=name)
    except IntegrityError:
        raise ResourceAlreadyExists(f"Scope {name} already exists!") from None


def list_scopes(workspace: Workspace) -> QuerySet[SecretScope]:
    return SecretScope.objects.filter(workspace=workspace).order_by("name")


def delete_scope(workspace: Workspace, name: str) -> None:
    scope(workspace, name).delete()


def scope(workspace: Workspace, name: str) -> SecretScope:
    """The workspace's scope of that name; raises ResourceDoesNotExist."""
    found = SecretScope.objects.filter(workspace=workspace, name=name).first()
    if found is None:
        raise ResourceDoesNotExist(f"Scope {name} does not exist!")
    return found


def put_secret(workspace: Workspace, scope_name: str, key: str, value: str) -> None:
    """Write the value, over an older one of that key."""
    _check_name("key", key)
    if len(value.encode()) > VALUE_LIMIT_BYTES:
        raise InvalidParameterValue(f"A secret may have at most {VALUE_LIMIT_BYTES} bytes; this one has {len(value.encode())}.")
    Secret.objects.update_or_create(scope=scope(workspace, scope_name), key=key, defaults={"ciphertext": encrypt(value)})


def list_secrets(workspace: Workspace, scope_name: str) -> QuerySet[Secret]:
    """Keys and times; nothing here decrypts."""
    return Secret.objects.filter(scope=scope(workspace, scope_name)).order_by("key")


def delete_secret(workspace: Workspace, scope_name: str, key: str) -> None:
    deleted, _ = Secret.objects.filter(scope=scope(workspace, scope_name), key=key).delete()
    if not deleted:
        raise _no_secret(scope_name, key)


def read_secret(workspace: Workspace, scope_name: str, key: str) -> str:
    """The plain value, for those with READ on the scope: in this sandbox its owner and the serving control plane."""
    secret = Secret.objects.filter(scope=scope(workspace, scope_name), key=key).first()
    if secret is None:
        raise _no_secret(scope_name, key)
    return decrypt(secret.ciphertext)


def resolve(workspace: Workspace, written: str) -> str:
    """The value behind `{{secrets/scope/key}}`; raises InvalidParameterValue or ResourceDoesNotExist."""
    match = REFERENCE.match(written)
    if match is None:
        raise InvalidParameterValue(
            "A key is given as a secret reference, {{secrets/<scope>/<key>}}; "
            "to paste the key itself use the field's _plaintext twin."
        )
    return read_secret(workspace, match["scope"], match["key"])


def _check_name(what: str, name: str) -> None:
    if not NAME.match(name):
        raise InvalidParameterValue(
            f"The {what} {name!r} is not a valid name: use 1 to 128 letters, digits, dashes, underscores, periods or @."
        )


def _no_secret(scope_name: str, key: str) -> ResourceDoesNotExist:
    return ResourceDoesNotExist(f"Secret does not exist with scope: {scope_name} and key: {key}")
