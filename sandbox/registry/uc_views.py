"""The registry calls of MLflow's Unity Catalog API, as clients with the registry `databricks-uc` make them.

A version is created, its files are sent to the Files API below /Models, and it is finalized
[mlflow 3.17: databricks_uc_registry_messages.proto; recorded].
"""

from typing import Any

from sandbox.catalog.names import split_name
from sandbox.errors import InvalidParameterValue
from sandbox.registry import aliases, bodies, mlflow_views, origins, registered_models, search, sources, version_files, versions
from sandbox.registry.representation import storage_location, uc_model, uc_model_summary, uc_version, uc_version_summary
from sandbox.registry.rest import Asked, Operation, rest_view, tags_of
from sandbox.workspaces.members import Caller

Answer = dict[str, Any]
PER_PAGE, MOST = 100, 1000


def in_catalog(operation: Operation) -> Operation:
    """The same operation for three-level names only: this API knows no workspace registry.

    Raises InvalidParameterValue with the words "specify all three levels", which MLflow looks for.
    """

    def checked(caller: Caller, asked: Asked) -> Answer:
        split_name(asked["name"], 3, "registered model")
        return operation(caller, asked)

    return checked


# --- models -------------------------------------------------------------------------------------------


def create_model(caller: Caller, asked: Asked) -> Answer:
    name, facts = asked["name"], {"comment": asked["description"], "tags": tags_of(asked)}
    created = registered_models.create_model(caller, name, **facts, deployment_job_id=asked["deployment_job_id"])
    return {"registered_model": uc_model(created)}


def get_model(caller: Caller, asked: Asked) -> Answer:
    return {"registered_model": uc_model(registered_models.get_model(caller, asked["name"]))}


def search_models(caller: Caller, asked: Asked) -> Answer:
    size = search.page_size(asked["max_results"], PER_PAGE, MOST)
    found = registered_models.readable(caller).exclude(parent=None).order_by("full_name")
    shown = found.select_related(None).select_related("model")
    page, token = search.page(shown, size, asked["page_token"])
    return {"registered_models": [uc_model_summary(model) for model in page], "next_page_token": token}


def update_model(caller: Caller, asked: Asked) -> Answer:
    changed = registered_models.update_model(
        caller,
        asked["name"],
        comment=asked["description"],
        new_name=asked["new_name"] or None,
        deployment_job_id=asked["deployment_job_id"],
    )
    return {"registered_model": uc_model(changed)}


def version_by_alias(caller: Caller, asked: Asked) -> Answer:
    return {"model_version": uc_version(aliases.version_by_alias(caller, asked["name"], asked["alias"]))}


def enabled_artifact_repository(caller: Caller, asked: Asked) -> Answer:
    """Clients then send files through the Files API with the token that they have."""
    return {"is_databricks_sdk_models_artifact_repository_enabled": True}


# --- versions -----------------------------------------------------------------------------------------


def create_version(caller: Caller, asked: Asked) -> Answer:
    """Pending, with a number of its own; `source` is only kept, the files come from the client."""
    stated = [dict(each) for each in asked["model_version_dependencies"]]
    dependencies = origins.checked_dependencies(caller, stated, asked["feature_deps"])
    facts = {"source": sources.checked_source(asked.get("source", "")), "comment": asked["description"], "tags": tags_of(asked)}
    ids = {"run_id": asked["run_id"], "model_id": sources.logged_model_id(asked["model_id"])}
    created = versions.create_version(caller, asked["name"], **facts, **ids, dependencies=dependencies)
    return {"model_version": uc_version(created)}


def finalize(caller: Caller, asked: Asked) -> Answer:
    ready = versions.finalize(caller, asked["name"], asked["version"])
    origins.note_origins(caller, ready)
    return {"model_version": uc_version(ready)}


def get_version(caller: Caller, asked: Asked) -> Answer:
    return {"model_version": uc_version(versions.get_version(caller, asked["name"], asked["version"]))}


def search_versions(caller: Caller, asked: Asked) -> Answer:
    """By `name = '…'` or `run_id = '…'`, as the client documents; newest first."""
    size = search.page_size(asked["max_results"], PER_PAGE, MOST)
    known = mlflow_views.readable_versions(caller).exclude(registered_model__parent=None)
    found = search.filter_versions(known, asked["filter"]).order_by("registered_model_id", "-version")
    page, token = search.page(found, size, asked["page_token"])
    return {"model_versions": [uc_version_summary(version) for version in page], "next_page_token": token}


def update_version(caller: Caller, asked: Asked) -> Answer:
    changed = versions.update_version(caller, asked["name"], asked["version"], asked["description"])
    return {"model_version": uc_version(changed)}


def get_download_uri(caller: Caller, asked: Asked) -> Answer:
    return {"artifact_uri": storage_location(versions.get_version(caller, asked["name"], asked["version"]))}


def temporary_credentials(caller: Caller, asked: Asked) -> Answer:
    """No cloud storage here: the mode tells clients to ask the Files API for an address of each file."""
    version = versions.find_version(registered_models.find_model(caller.workspace, asked["name"]), asked["version"])
    if version.status == versions.Status.PENDING_REGISTRATION:
        version_files.may_write(caller, version)
    else:
        version_files.may_read(caller, version)
    return {"credentials": {"storage_mode": "DEFAULT_STORAGE"}}


def emit_lineage(caller: Caller, asked: Asked) -> Answer:
    """A table that the version was used with; jobs and notebooks, which clients name too, do not exist here."""
    version = versions.get_version(caller, asked["name"], asked["version"])
    info, securable = asked["model_version_lineage_info"], asked["securable"]
    if not isinstance(info, dict) or not isinstance(securable, dict):
        raise InvalidParameterValue("model_version_lineage_info and securable must be JSON objects.")
    table = securable.get("table")
    if isinstance(table, dict) and isinstance(table.get("name"), str):
        is_downstream = str(info.get("direction", "")).upper().endswith("DOWNSTREAM")
        origins.note_use(caller, version, table["name"], downstream=is_downstream)
    return {}


VIEWS = {
    "registered-models:is-databricks-sdk-models-artifact-repository-enabled": rest_view(
        GET=(bodies.Nothing, enabled_artifact_repository)
    ),
    "registered-models/create": rest_view(POST=(bodies.NewModel, in_catalog(create_model))),
    "registered-models/get": rest_view(GET=(bodies.Named, in_catalog(get_model))),
    "registered-models/search": rest_view(GET=(bodies.Search, search_models)),
    "registered-models/update": rest_view(PATCH=(bodies.ModelChanges, in_catalog(update_model))),
    "registered-models/delete": rest_view(DELETE=(bodies.Named, in_catalog(mlflow_views.delete_model))),
    "registered-models/set-tag": rest_view(POST=(bodies.ModelTag, in_catalog(mlflow_views.set_model_tag))),
    "registered-models/delete-tag": rest_view(DELETE=(bodies.ModelTag, in_catalog(mlflow_views.delete_model_tag))),
    "registered-models/alias": rest_view(
        GET=(bodies.Alias, in_catalog(version_by_alias)),
        POST=(bodies.SetAlias, in_catalog(mlflow_views.set_alias)),
        DELETE=(bodies.Alias, in_catalog(mlflow_views.delete_alias)),
    ),
    "model-versions/create": rest_view(POST=(bodies.NewCatalogVersion, in_catalog(create_version))),
    "model-versions/finalize": rest_view(POST=(bodies.Numbered, in_catalog(finalize))),
    "model-versions/get": rest_view(GET=(bodies.Numbered, in_catalog(get_version))),
    "model-versions/search": rest_view(GET=(bodies.Search, search_versions)),
    "model-versions/update": rest_view(PATCH=(bodies.VersionChanges, in_catalog(update_version))),
    "model-versions/delete": rest_view(DELETE=(bodies.Numbered, in_catalog(mlflow_views.delete_version))),
    "model-versions/set-tag": rest_view(POST=(bodies.VersionTag, in_catalog(mlflow_views.set_version_tag))),
    "model-versions/delete-tag": rest_view(DELETE=(bodies.VersionTag, in_catalog(mlflow_views.delete_version_tag))),
    "model-versions/get-download-uri": rest_view(GET=(bodies.Numbered, in_catalog(get_download_uri))),
    "model-versions/generate-temporary-credentials": rest_view(POST=(bodies.Numbered, in_catalog(temporary_credentials))),
    "model-versions/emit-lineage": rest_view(POST=(bodies.Use, in_catalog(emit_lineage))),
}
"""By the path below /api/2.0/mlflow/unity-catalog/."""
