"""How three protocols show models and versions: MLflow's own registry, its Unity Catalog one, Unity Catalog's REST API."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery

from sandbox.catalog.models import ModelAlias, ModelVersion, Securable
from sandbox.workspaces.models import Workspace

NO_STAGE = "None"


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def tag_list(tags: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags]


def model_tags(model: Securable) -> list[dict[str, str]]:
    return tag_list(sorted((tag.key, tag.value) for tag in model.tags.all() if not tag.column))


def alias_list(aliases: Iterable[ModelAlias]) -> list[dict[str, str]]:
    return [{"alias": each.alias, "version": str(each.version)} for each in sorted(aliases, key=lambda each: each.alias_key)]


def aliases_of(version: ModelVersion) -> list[ModelAlias]:
    return [each for each in version.registered_model.aliases.all() if each.version == version.version]


def newest_versions(models: Iterable[Securable]) -> dict[str, ModelVersion]:
    """The newest version of each model, by the model's id: one look into an index for each."""
    by_id = {model.id: model for model in models}
    newest = ModelVersion.objects.filter(registered_model=OuterRef("pk")).order_by("-version").values("pk")[:1]
    keys = Securable.objects.filter(pk__in=list(by_id)).annotate(newest=Subquery(newest)).values_list("newest", flat=True)
    found = ModelVersion.objects.in_bulk([key for key in keys if key is not None])
    for version in found.values():
        version.registered_model = by_id[version.registered_model_id]
    return {version.registered_model_id: version for version in found.values()}


def _without_empty(facts: dict[str, Any]) -> dict[str, Any]:
    """As protocol buffers are written: what is not set is left out."""
    return {name: value for name, value in facts.items() if value not in ("", None, [])}


# --- MLflow's own registry ----------------------------------------------------------------------------


def mlflow_model(model: Securable, newest: ModelVersion | None) -> dict[str, Any]:
    return _without_empty(
        {
            "name": model.full_name,
            "creation_timestamp": milliseconds(model.created_at),
            "last_updated_timestamp": milliseconds(model.updated_at),
            "user_id": model.created_by,
            "description": model.comment,
            "latest_versions": [mlflow_version(newest)] if newest else [],
            "tags": model_tags(model),
            "aliases": alias_list(model.aliases.all()),
            "deployment_job_id": model.model.deployment_job_id,
        }
    )


def mlflow_version(version: ModelVersion) -> dict[str, Any]:
    return _without_empty(
        {
            **_version_facts(version),
            "current_stage": NO_STAGE,
            "run_link": version.run_link,
            "tags": tag_list(sorted(version.tags.items())),
            "aliases": [each.alias for each in aliases_of(version)],
        }
    )


# --- MLflow's Unity Catalog registry ------------------------------------------------------------------


def uc_model(model: Securable) -> dict[str, Any]:
    return {**uc_model_summary(model), "tags": model_tags(model), "aliases": alias_list(model.aliases.all())}


def uc_model_summary(model: Securable) -> dict[str, Any]:
    """As searches show it: without tags and aliases, which clients drop."""
    return {
        "name": model.full_name,
        "creation_timestamp": milliseconds(model.created_at),
        "last_updated_timestamp": milliseconds(model.updated_at),
        "user_id": model.owner,
        "description": model.comment,
        "deployment_job_id": model.model.deployment_job_id,
    }


def uc_version(version: ModelVersion) -> dict[str, Any]:
    tags = tag_list(sorted(version.tags.items()))
    return {**uc_version_summary(version), "tags": tags, "aliases": alias_list(aliases_of(version))}


def uc_version_summary(version: ModelVersion) -> dict[str, Any]:
    return {**_version_facts(version), "storage_location": storage_location(version)}


def _version_facts(version: ModelVersion) -> dict[str, Any]:
    return {
        "name": version.registered_model.full_name,
        "version": str(version.version),
        "creation_timestamp": milliseconds(version.created_at),
        "last_updated_timestamp": milliseconds(version.updated_at),
        "user_id": version.created_by,
        "description": version.comment,
        "source": version.source,
        "run_id": version.run_id,
        "model_id": version.model_id,
        "status": version.status,
        "status_message": version.status_message,
    }


def storage_location(version: ModelVersion) -> str:
    """The folder of the version in the Files API."""
    return f"dbfs:/Models/{version.registered_model.full_name.replace('.', '/')}/{version.version}"


# --- Unity Catalog's REST API -------------------------------------------------------------------------


def catalog_model(model: Securable, *, with_aliases: bool = False) -> dict[str, Any]:
    """RegisteredModelInfo of the SDK."""
    catalog_name, schema_name, name = model.full_name.split(".")
    info = {
        "name": name,
        "catalog_name": catalog_name,
        "schema_name": schema_name,
        "full_name": model.full_name,
        "metastore_id": metastore_id(model.workspace),
        "owner": model.owner,
        "comment": model.comment,
        "created_at": milliseconds(model.created_at),
        "created_by": model.created_by,
        "updated_at": milliseconds(model.updated_at),
        "updated_by": model.updated_by,
        "storage_location": f"dbfs:/Models/{model.full_name.replace('.', '/')}",
        "securable_type": "FUNCTION",
    }
    return info | ({"aliases": [catalog_alias(model, each) for each in model.aliases.all()]} if with_aliases else {})


def catalog_version(version: ModelVersion, *, with_aliases: bool = False) -> dict[str, Any]:
    """ModelVersionInfo of the SDK."""
    model = version.registered_model
    catalog_name, schema_name, name = model.full_name.split(".")
    info = {
        "id": f"{model.id}-{version.version}",
        "model_name": name,
        "catalog_name": catalog_name,
        "schema_name": schema_name,
        "metastore_id": metastore_id(model.workspace),
        "version": version.version,
        "status": version.status,
        "source": version.source,
        "run_id": version.run_id,
        "comment": version.comment,
        "created_at": milliseconds(version.created_at),
        "created_by": version.created_by,
        "updated_at": milliseconds(version.updated_at),
        "updated_by": version.updated_by,
        "storage_location": storage_location(version),
    }
    return info | ({"aliases": [catalog_alias(model, each) for each in aliases_of(version)]} if with_aliases else {})


def catalog_alias(model: Securable, alias: ModelAlias) -> dict[str, Any]:
    """RegisteredModelAlias of the SDK."""
    catalog_name, schema_name, name = model.full_name.split(".")
    return {
        "alias_name": alias.alias,
        "version_num": alias.version,
        "id": f"{model.id}-{alias.alias_key}",
        "model_name": name,
        "catalog_name": catalog_name,
        "schema_name": schema_name,
    }


def metastore_id(workspace: Workspace) -> str:
    """Every workspace is a metastore of its own here."""
    return workspace.id
