"""Example models and example endpoints, so that an empty workspace has something to call within a minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.console import endpoints
from sandbox.errors import ApiError, InvalidState, ResourceAlreadyExists
from sandbox.registry import store
from sandbox.registry.example_models import EXAMPLES, install_models
from sandbox.registry.store import RegisteredModel
from sandbox.serving.entity_rules import default_name
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace

CUSTOM_ENDPOINT = "example-churn"
EXTERNAL_ENDPOINT = "example-chat"
EXAMPLE_MODEL = "main.default.churn"
SIMULATOR_KEY = "sk-any-key-will-do"
"""The local provider simulator takes any key that begins with sk-; a real provider refuses this one and says so."""


@dataclass(frozen=True)
class Deployable:
    """The example endpoints: their names, and those that are not there yet."""

    custom: str
    todo: tuple[str, ...]


def registered_models(workspace: Workspace) -> tuple[list[RegisteredModel], str]:
    """The workspace's models; with a sentence instead when the registry cannot be asked now."""
    try:
        return store.list_models(workspace.id), ""
    except ApiError as error:
        return [], error.message


def deployable(there: Sequence[str]) -> Deployable:
    """What is left to deploy when endpoints of these names are there."""
    return Deployable(CUSTOM_ENDPOINT, tuple(name for name in (CUSTOM_ENDPOINT, EXTERNAL_ENDPOINT) if name not in there))


def deploy_one_of_each(caller: Caller) -> list[str]:
    """Create the example endpoints that are not there; returns their names. Installs the example models when they are missing."""
    there = {endpoint.name for endpoint in endpoints.list_endpoints(caller)}
    bodies = {CUSTOM_ENDPOINT: _custom_body, EXTERNAL_ENDPOINT: _external_body}
    created = []
    for name in deployable(list(there)).todo:
        try:
            endpoints.create(caller, {"name": name, "config": bodies[name](caller.workspace)})
        except ResourceAlreadyExists:
            continue  # a second click, or another tab
        created.append(name)
    return created


def install(workspace: Workspace) -> list[str]:
    """Register the example models that are not there yet; returns the names of all of them."""
    install_models(workspace.id)
    return sorted({example.name for example in EXAMPLES})


def _custom_body(workspace: Workspace) -> dict[str, Any]:
    """Two versions of the churn model at 80/20, champion and challenger."""
    versions = _example_versions(workspace)
    names = [default_name(EXAMPLE_MODEL, version) for version in versions]
    shares = (80, 20)
    return {
        "served_entities": [
            {
                "name": name,
                "entity_name": EXAMPLE_MODEL,
                "entity_version": version,
                "workload_size": "Small",
                "scale_to_zero_enabled": True,
            }
            for name, version in zip(names, versions, strict=True)
        ],
        "traffic_config": {
            "routes": [
                {"served_entity_name": name, "traffic_percentage": share} for name, share in zip(names, shares, strict=True)
            ]
        },
    }


def _example_versions(workspace: Workspace) -> list[str]:
    """The two oldest versions of the example model; installs it first where it is missing."""
    for attempt in ("as it is", "installed"):
        model = next((m for m in store.list_models(workspace.id) if m.name == EXAMPLE_MODEL), None)
        if model is not None and len(model.versions) >= 2:
            return sorted((version.version for version in model.versions), key=int)[:2]
        if attempt == "as it is":
            install(workspace)
    raise InvalidState(f"The registry has no two versions of {EXAMPLE_MODEL}. Add the example models once more.")


def _external_body(workspace: Workspace) -> dict[str, Any]:
    """A chat model of provider openai, answered by the local simulator."""
    external = {
        "provider": "openai",
        "name": "gpt-4o-mini",
        "task": "llm/v1/chat",
        "openai_config": {"openai_api_key_plaintext": SIMULATOR_KEY},
    }
    return {"served_entities": [{"name": "chat", "external_model": external}]}
