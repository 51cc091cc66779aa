"""Registered models as the choices of a picker: one group for each model, one line for each version."""

from collections.abc import Iterable
from typing import Any

from sandbox.console.inputs import MODEL_SEPARATOR
from sandbox.registry.mlflow_store import ModelVersion, RegisteredModel


def version_choices(models: Iterable[RegisteredModel]) -> list[tuple[str, Any]]:
    """Groups as Django's select takes them; models without a version are left out."""
    return [(model.name, [(value_of(v), _words(v)) for v in model.versions]) for model in models if model.versions]


def value_of(version: ModelVersion) -> str:
    return f"{version.name}{MODEL_SEPARATOR}{version.version}"


def _words(version: ModelVersion) -> str:
    aliases = f" ({', '.join(version.aliases)})" if version.aliases else ""
    return f"{version.name}, version {version.version}{aliases}"
