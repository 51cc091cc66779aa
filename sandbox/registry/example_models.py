"""Give a workspace the example models, by uploading what lies in fixtures/models."""

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from sandbox.errors import ResourceDoesNotExist
from sandbox.registry import store


@dataclass(frozen=True)
class Example:
    """One version that a workspace gets: registered name, folder in fixtures/models, alias."""

    name: str
    directory: str
    alias: str


EXAMPLES = (
    Example("main.default.churn", "churn_champion", "champion"),
    Example("main.default.churn", "churn_challenger", "challenger"),
    Example("main.default.fraud", "fraud", "champion"),
)
"""In the order of their versions."""


def install_models(workspace_id: str) -> list[tuple[str, str]]:
    """Register every example that the workspace does not have yet; returns (name, version) of what is new.

    An alias marks what has been installed, so that doing it again does nothing.
    """
    installed = []
    for example in EXAMPLES:
        if not _has(workspace_id, example):
            version = store.register_directory(workspace_id, example.name, model_directory(example))
            store.set_alias(workspace_id, example.name, example.alias, version)
            installed.append((example.name, version))
    return installed


def model_directory(example: Example) -> Path:
    return Path(settings.FIXTURES_DIR) / "models" / example.directory / "model"


def _has(workspace_id: str, example: Example) -> bool:
    try:
        store.resolve_alias(workspace_id, example.name, example.alias)
    except ResourceDoesNotExist:
        return False
    return True
