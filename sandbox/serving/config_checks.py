"""What only a look into the workspace and at the endpoint can tell of a config: models, secrets, and what may not change."""

from typing import Any

from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.serving import lookup_plans, model_builds
from sandbox.serving.inputs import ConfigInput, EntityInput
from sandbox.serving.models import Endpoint, EndpointKind, ModelBuild
from sandbox.workspaces.models import Workspace
from sandbox.workspaces.secret_store import REFERENCE, resolve

Builds = dict[str, ModelBuild]
"""By served entity name; external models and feature specs have none."""


def find_builds(workspace: Workspace, asked: ConfigInput) -> Builds:
    """What only a look into the workspace can tell: that the models and the secrets are there."""
    builds: Builds = {}
    for entity in asked.entities:
        if entity.external_model:
            _check_secret(workspace, entity)
            continue
        _check_variables(workspace, entity)
        if not entity.entity_version:
            lookup_plans.require_spec(workspace, entity.entity_name)
            continue
        try:
            builds[entity.name] = model_builds.find_or_open(workspace, entity.entity_name, entity.entity_version)
        except ResourceDoesNotExist as error:
            if lookup_plans.is_spec(workspace, entity.entity_name):
                raise InvalidParameterValue(
                    f"'{entity.entity_name}' is a feature spec, which has no versions. Leave entity_version out."
                ) from error
            raise ResourceDoesNotExist(
                f"Model '{entity.entity_name}' version {entity.entity_version} does not exist in this workspace. {error.message}"
            ) from error
    return builds


def _check_secret(workspace: Workspace, entity: EntityInput) -> None:
    reference = entity.external_model.get("openai_config", {}).get("openai_api_key")
    if not reference:
        return
    try:
        resolve(workspace, reference)
    except ResourceDoesNotExist as error:
        raise InvalidParameterValue(f"openai_config.openai_api_key refers to {reference}. {error.message}") from error


def _check_variables(workspace: Workspace, entity: EntityInput) -> None:
    """Secrets that environment variables refer to are there [docs: store-env-variable page]."""
    for name, value in entity.environment_vars.items():
        if REFERENCE.match(value):
            try:
                resolve(workspace, value)
            except ResourceDoesNotExist as error:
                raise InvalidParameterValue(f"environment_vars.{name} refers to {value}. {error.message}") from error


def check_change(endpoint: Endpoint, asked: ConfigInput) -> None:
    """External models cannot be added to or removed from an existing endpoint [sdk: ServedEntityInput.external_model]."""
    if endpoint.kind != asked.kind:
        direction = "without" if endpoint.kind == EndpointKind.EXTERNAL else "with"
        raise InvalidParameterValue(
            f"Endpoint {endpoint.name} serves {endpoint.kind} models and cannot be updated to a config {direction} "
            "external_model. Create another endpoint."
        )
    if endpoint.active_version is not None:
        active = next(c for c in endpoint.configs.all() if c.config_version == endpoint.active_version)
        check_table_move("auto_capture_config", active.auto_capture_config, asked.auto_capture_config)


def check_table_move(field: str, now: dict[str, Any] | None, asked: dict[str, Any] | None) -> None:
    """An enabled inference table stays where it is; to move it, switch it off first [sdk: AutoCaptureConfigInput]."""
    if not now or not asked or not now.get("enabled", True) or not asked.get("enabled", True):
        return
    for name in ("catalog_name", "schema_name", "table_name_prefix"):
        if asked.get(name) != now.get(name):
            raise InvalidParameterValue(
                f"{field}.{name} cannot change from {now.get(name)!r} to {asked.get(name)!r} while the inference table is "
                "enabled. Disable it first."
            )
