"""The registry calls of MLflow's own REST API, as clients with a plain tracking address make them.

Source: mlflow 3.17, model_registry.proto. Three-level names are Unity Catalog's here too. Stages are refused: they are
deprecated, and Unity Catalog never had them.
"""

from typing import Any

from django.db.models import QuerySet

from sandbox.catalog.models import ModelVersion
from sandbox.errors import InvalidParameterValue
from sandbox.registry import aliases, bodies, origins, registered_models, search, sources, version_files, versions
from sandbox.registry.representation import NO_STAGE, mlflow_model, mlflow_version, newest_versions
from sandbox.registry.rest import Asked, rest_view, tags_of
from sandbox.registry.version_downloads import download_uri
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

Answer = dict[str, Any]
MODELS_PER_PAGE, MOST_MODELS = 100, 1000
VERSIONS_PER_PAGE = MOST_VERSIONS = 10_000
NO_STAGES = (
    "A stage can be neither set nor asked for here: stages are deprecated, and models in the Unity Catalog have none. Set an "
    "alias on a version with MlflowClient().set_registered_model_alias(name, alias, version) and load it as "
    "'models:/<name>@<alias>'."
)


# --- models -------------------------------------------------------------------------------------------


def create_model(caller: Caller, asked: Asked) -> Answer:
    created = registered_models.create_model(
        caller,
        asked["name"],
        comment=asked["description"],
        tags=tags_of(asked),
        deployment_job_id=asked["deployment_job_id"],
    )
    return {"registered_model": mlflow_model(created, None)}


def get_model(caller: Caller, asked: Asked) -> Answer:
    found = registered_models.get_model(caller, asked["name"])
    return {"registered_model": mlflow_model(found, newest_versions([found]).get(found.id))}


def search_models(caller: Caller, asked: Asked) -> Answer:
    size = search.page_size(asked["max_results"], MODELS_PER_PAGE, MOST_MODELS)
    ordered = search.order(asked["order_by"], search.MODEL_ORDER, ["full_name"], ["full_name"])
    found = search.filter_models(registered_models.readable(caller), asked["filter"]).order_by(*ordered)
    page, token = search.page(found.prefetch_related("aliases", "tags"), size, asked["page_token"])
    newest = newest_versions(page)
    return _listed("registered_models", [mlflow_model(model, newest.get(model.id)) for model in page], token)


def update_model(caller: Caller, asked: Asked) -> Answer:
    changes = {"comment": asked["description"], "deployment_job_id": asked["deployment_job_id"]}
    changed = registered_models.update_model(caller, asked["name"], **changes)
    return {"registered_model": mlflow_model(changed, newest_versions([changed]).get(changed.id))}


def rename_model(caller: Caller, asked: Asked) -> Answer:
    changed = registered_models.update_model(caller, asked["name"], new_name=asked["new_name"])
    return {"registered_model": mlflow_model(changed, newest_versions([changed]).get(changed.id))}


def delete_model(caller: Caller, asked: Asked) -> Answer:
    registered_models.delete_model(caller, asked["name"])
    return {}


def set_model_tag(caller: Caller, asked: Asked) -> Answer:
    registered_models.set_tag(caller, asked["name"], asked["key"], asked["value"])
    return {}


def delete_model_tag(caller: Caller, asked: Asked) -> Answer:
    registered_models.delete_tag(caller, asked["name"], asked["key"])
    return {}


# --- aliases ------------------------------------------------------------------------------------------


def set_alias(caller: Caller, asked: Asked) -> Answer:
    aliases.set_alias(caller, asked["name"], asked["alias"], asked["version"])
    return {}


def delete_alias(caller: Caller, asked: Asked) -> Answer:
    """One that is not there is fine, as in MLflow."""
    aliases.delete_alias(caller, asked["name"], asked["alias"])
    return {}


def version_by_alias(caller: Caller, asked: Asked) -> Answer:
    return {"model_version": mlflow_version(aliases.version_by_alias(caller, asked["name"], asked["alias"]))}


# --- versions -----------------------------------------------------------------------------------------


def create_version(caller: Caller, asked: Asked) -> Answer:
    """READY at once: the files are copied from the source, where they must be."""
    model = registered_models.find_model(caller.workspace, asked["name"])
    version_files.may_register(caller, model)
    source = sources.checked_source(asked.get("source"))
    model_id = sources.logged_model_id(asked["model_id"])
    found = sources.find_source(caller, source, model_id)
    versions.check_files(model, found.folder)
    facts = {"source": source, "comment": asked["description"], "tags": tags_of(asked), "run_link": asked["run_link"]}
    made_by = {"run_id": asked["run_id"] or found.run_id, "model_id": model_id or found.model_id}
    pending = versions.add_version(model, person(caller.user), **facts, **made_by)
    ready = versions.register_copy(pending, found.folder, person(caller.user))
    origins.note_origins(caller, ready)
    return {"model_version": mlflow_version(ready)}


def get_version(caller: Caller, asked: Asked) -> Answer:
    return {"model_version": mlflow_version(versions.get_version(caller, asked["name"], asked["version"]))}


def search_versions(caller: Caller, asked: Asked) -> Answer:
    size = search.page_size(asked["max_results"], VERSIONS_PER_PAGE, MOST_VERSIONS)
    default = ["-updated_at", "registered_model__full_name", "-version"]
    ordered = search.order(asked["order_by"], search.VERSION_ORDER, default, default[1:])
    found = search.filter_versions(readable_versions(caller), asked["filter"]).order_by(*ordered)
    page, token = search.page(found, size, asked["page_token"])
    return _listed("model_versions", [mlflow_version(version) for version in page], token)


def readable_versions(caller: Caller) -> QuerySet[ModelVersion]:
    """Versions of every model that the caller may load, the model and its aliases with them."""
    found = ModelVersion.objects.filter(registered_model__in=registered_models.readable(caller).order_by())
    return found.select_related("registered_model").prefetch_related("registered_model__aliases")


def update_version(caller: Caller, asked: Asked) -> Answer:
    changed = versions.update_version(caller, asked["name"], asked["version"], asked["description"])
    return {"model_version": mlflow_version(changed)}


def delete_version(caller: Caller, asked: Asked) -> Answer:
    versions.delete_version(caller, asked["name"], asked["version"])
    return {}


def set_version_tag(caller: Caller, asked: Asked) -> Answer:
    versions.set_version_tag(caller, asked["name"], asked["version"], asked["key"], asked["value"])
    return {}


def delete_version_tag(caller: Caller, asked: Asked) -> Answer:
    versions.delete_version_tag(caller, asked["name"], asked["version"], asked["key"])
    return {}


def get_download_uri(caller: Caller, asked: Asked) -> Answer:
    return {"artifact_uri": download_uri(versions.get_version(caller, asked["name"], asked["version"]))}


def latest_versions(caller: Caller, asked: Asked) -> Answer:
    """The newest version; clients ask for it to load 'models:/<name>/latest'."""
    if [stage for stage in asked["stages"] if stage.lower() != NO_STAGE.lower()]:
        raise InvalidParameterValue(NO_STAGES)
    model = registered_models.get_model(caller, asked["name"])
    newest = versions.versions_of(model).filter(status=versions.Status.READY).first()
    if newest is None:
        return {}
    newest.registered_model = model
    return {"model_versions": [mlflow_version(newest)]}


def refuse_stages(caller: Caller, asked: Asked) -> Answer:
    raise InvalidParameterValue(NO_STAGES)


def _listed(name: str, found: list[Answer], token: str) -> Answer:
    """Empty parts are left out, as protocol buffers are written."""
    return ({name: found} if found else {}) | ({"next_page_token": token} if token else {})


VIEWS = {
    "registered-models/create": rest_view(POST=(bodies.NewModel, create_model)),
    "registered-models/get": rest_view(GET=(bodies.Named, get_model)),
    "registered-models/search": rest_view(GET=(bodies.Search, search_models)),
    "registered-models/update": rest_view(PATCH=(bodies.ModelChanges, update_model)),
    "registered-models/rename": rest_view(POST=(bodies.Renamed, rename_model)),
    "registered-models/delete": rest_view(DELETE=(bodies.Named, delete_model)),
    "registered-models/set-tag": rest_view(POST=(bodies.ModelTag, set_model_tag)),
    "registered-models/delete-tag": rest_view(DELETE=(bodies.ModelTag, delete_model_tag)),
    "registered-models/alias": rest_view(
        GET=(bodies.Alias, version_by_alias), POST=(bodies.SetAlias, set_alias), DELETE=(bodies.Alias, delete_alias)
    ),
    "registered-models/get-latest-versions": rest_view(
        GET=(bodies.Latest, latest_versions), POST=(bodies.Latest, latest_versions)
    ),
    "model-versions/create": rest_view(POST=(bodies.NewVersion, create_version)),
    "model-versions/get": rest_view(GET=(bodies.Numbered, get_version)),
    "model-versions/search": rest_view(GET=(bodies.Search, search_versions)),
    "model-versions/update": rest_view(PATCH=(bodies.VersionChanges, update_version)),
    "model-versions/delete": rest_view(DELETE=(bodies.Numbered, delete_version)),
    "model-versions/set-tag": rest_view(POST=(bodies.VersionTag, set_version_tag)),
    "model-versions/delete-tag": rest_view(DELETE=(bodies.VersionTag, delete_version_tag)),
    "model-versions/get-download-uri": rest_view(GET=(bodies.Numbered, get_download_uri)),
    "model-versions/transition-stage": rest_view(POST=(bodies.Nothing, refuse_stages)),
}
"""By the path below /api/2.0/mlflow/."""
