"""Aliases: movable names of a model's versions, found in any case and shown as they were written."""

import re

from django.db import transaction

from sandbox.catalog.models import ModelAlias, ModelVersion, Securable
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist, ResourceExhausted
from sandbox.registry.registered_models import get_model, own_model
from sandbox.registry.versions import find_version
from sandbox.workspaces.members import Caller

MAX_ALIASES = 100
_ALIAS = re.compile(r"[A-Za-z0-9_\-]{1,255}")
_RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)


def set_alias(caller: Caller, name: str, alias: str, number: str | int) -> ModelAlias:
    """Point the alias at a version, wherever it pointed before.

    Raises ResourceDoesNotExist, PermissionDenied (only the owner and who has MANAGE), InvalidParameterValue.
    """
    return point(own_model(caller, name), alias, number)


def point(model: Securable, alias: str, number: str | int) -> ModelAlias:
    """The same without asking who it is for."""
    key = checked_alias(alias).lower()
    version = find_version(model, number)
    with transaction.atomic():
        if not model.aliases.filter(alias_key=key).exists() and model.aliases.count() >= MAX_ALIASES:
            raise ResourceExhausted(f"Model '{model.full_name}' has {MAX_ALIASES} aliases already. Delete one of them.")
        kept, _ = ModelAlias.objects.update_or_create(
            registered_model=model, alias_key=key, defaults={"alias": alias, "version": version.version}
        )
    return kept


def delete_alias(caller: Caller, name: str, alias: str) -> bool:
    """Whether there was one."""
    deleted, _ = own_model(caller, name).aliases.filter(alias_key=alias.lower()).delete()
    return bool(deleted)


def version_by_alias(caller: Caller, name: str, alias: str) -> ModelVersion:
    """Raises ResourceDoesNotExist and PermissionDenied."""
    model = get_model(caller, name)
    return find_version(model, find_alias(model, alias).version)


def find_alias(model: Securable, alias: str) -> ModelAlias:
    """Raises ResourceDoesNotExist with the aliases that the model has."""
    found = model.aliases.filter(alias_key=alias.lower()).first()
    if found is None:
        known = ", ".join(model.aliases.order_by("alias_key").values_list("alias", flat=True)[:20]) or "none"
        raise ResourceDoesNotExist(f"Registered model '{model.full_name}' has no alias '{alias[:100]}' (it has: {known}).")
    return found


def checked_alias(alias: str) -> str:
    """Raises InvalidParameterValue for an alias that MLflow would not take either."""
    if not _ALIAS.fullmatch(alias):
        raise InvalidParameterValue(
            f"Invalid alias name: '{alias[:100]}'. Aliases have 1 to 255 letters, digits, underscores and hyphens."
        )
    if _RESERVED.fullmatch(alias):
        raise InvalidParameterValue(f"Alias '{alias}' is reserved: 'latest' and 'v' with a number name versions themselves.")
    return alias
