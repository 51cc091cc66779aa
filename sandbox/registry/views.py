"""The page of the workspace's registered models."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from sandbox.errors import ApiError
from sandbox.registry import snippets, store
from sandbox.registry.example_models import EXAMPLES
from sandbox.registry.mlmodel import ModelDescription
from sandbox.registry.store import ModelVersion, RegisteredModel
from sandbox.workspaces.sessions import workspace_of

DESCRIBED_VERSIONS = 60
"""So many versions of the page say their flavour; each costs two calls to the registry the first time."""


@dataclass(frozen=True)
class VersionLine:
    """One line of the page; `description` is None when the files could not be read."""

    version: ModelVersion
    created_at: datetime
    description: ModelDescription | None


@dataclass(frozen=True)
class ModelCard:
    model: RegisteredModel
    lines: list[VersionLine]


@login_required
@require_GET
def model_list(request: HttpRequest) -> HttpResponse:
    """Registered models with their versions, aliases and flavours, and how to log one."""
    workspace = workspace_of(request)
    shown: dict[str, Any] = {"snippets": snippets.log_a_model(settings.SITE_URL)}
    try:
        models = store.list_models(workspace.id)
        shown["cards"] = _cards(workspace.id, models)
        shown["has_examples"] = {example.name for example in EXAMPLES} <= {model.name for model in models}
    except ApiError as error:
        shown["registry_message"] = error.message
    return render(request, "sandbox/model_list.html", shown)


def _cards(workspace_id: str, models: Iterable[RegisteredModel]) -> list[ModelCard]:
    left = DESCRIBED_VERSIONS
    cards = []
    for model in models:
        lines = []
        for version in model.versions:
            description = _describe(workspace_id, version) if left > 0 else None
            created_at = datetime.fromtimestamp(version.created_ms / 1000, tz=UTC)
            lines.append(VersionLine(version, created_at, description))
            left -= 1
        cards.append(ModelCard(model, lines))
    return cards


def _describe(workspace_id: str, version: ModelVersion) -> ModelDescription | None:
    try:
        return _described(workspace_id, version.name, version.version, version.created_ms)
    except ApiError:
        return None


@lru_cache(maxsize=4096)
def _described(workspace_id: str, name: str, version: str, created_ms: int) -> ModelDescription:
    """A version's description is read once; `created_ms` tells a version from an earlier one of the same number."""
    return store.describe(workspace_id, store.get_version(workspace_id, name, version))
