"""Registered models and versions in Unity Catalog's REST API [SDK 0.156: RegisteredModelsAPI, ModelVersionsAPI]."""

from typing import Any

from django.db.models import QuerySet

from sandbox.catalog import access, securables
from sandbox.catalog.models import Securable, SecurableType
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.registry import aliases, bodies, registered_models, search, versions
from sandbox.registry.representation import catalog_alias, catalog_model, catalog_version
from sandbox.registry.rest import Asked, rest_view
from sandbox.registry.version_files import EXECUTE
from sandbox.workspaces.members import Caller

Answer = dict[str, Any]
MOST_OF_SCHEMA = 10_000
OF_METASTORE, MOST_OF_METASTORE = 100, 1000
VERSIONS_PER_PAGE, MOST_VERSIONS = 100, 1000
"""As the SDK documents them."""


# --- models -------------------------------------------------------------------------------------------


def create_model(caller: Caller, asked: Asked) -> Answer:
    if asked["storage_location"]:
        raise InvalidParameterValue("storage_location cannot be chosen: the site keeps the files of models itself. Leave it out.")
    name = ".".join(f"`{asked[part].replace('`', '``')}`" for part in ("catalog_name", "schema_name", "name"))
    return catalog_model(registered_models.create_model(caller, name, comment=asked["comment"]))


def list_models(caller: Caller, asked: Asked) -> Answer:
    """Of a schema, or all of the metastore; with `include_browse` also those that the caller may only know of."""
    found, most, default = _listed_models(caller, asked)
    size = search.page_size(asked["max_results"], default, most, zero_is_default=True)
    page, token = search.page(found.select_related(None).order_by("full_name"), size, asked["page_token"])
    for model in page:
        model.workspace = caller.workspace  # all that is shown of other rows; reading them takes longer than the models
    if not asked["include_browse"] or caller.is_admin:
        return _page("registered_models", [catalog_model(model) for model in page], token)
    loadable = set(registered_models.readable(caller).filter(pk__in=[model.pk for model in page]).values_list("pk", flat=True))
    return _page("registered_models", [catalog_model(m) | {"browse_only": m.pk not in loadable} for m in page], token)


def _listed_models(caller: Caller, asked: Asked) -> tuple[QuerySet[Securable], int, int]:
    found = registered_models.readable(caller)
    if asked["include_browse"]:
        found = access.visible(caller, registered_models.of_workspace(caller.workspace))
    found = found.exclude(parent=None)
    if not asked["catalog_name"] and not asked["schema_name"]:
        return found, MOST_OF_METASTORE, OF_METASTORE
    if not asked["catalog_name"] or not asked["schema_name"]:
        raise InvalidParameterValue("catalog_name and schema_name must be sent together, or neither of them.")
    name = ".".join(f"`{asked[part].replace('`', '``')}`" for part in ("catalog_name", "schema_name"))
    schema = securables.find(caller.workspace, SecurableType.SCHEMA, name)
    return found.filter(parent=schema), MOST_OF_SCHEMA, MOST_OF_SCHEMA


def get_model(caller: Caller, asked: Asked) -> Answer:
    model = _model(caller, asked)
    is_loadable = registered_models.readable(caller).filter(pk=model.pk).exists()
    return catalog_model(model, with_aliases=asked["include_aliases"]) | ({} if is_loadable else {"browse_only": True})


def update_model(caller: Caller, asked: Asked) -> Answer:
    changes = {name: asked[name] for name in ("comment", "new_name", "owner")}
    return catalog_model(registered_models.update_model(caller, _catalog_name(asked), **changes))


def delete_model(caller: Caller, asked: Asked) -> Answer:
    registered_models.delete_model(caller, _catalog_name(asked))
    return {}


# --- aliases ------------------------------------------------------------------------------------------


def set_alias(caller: Caller, asked: Asked) -> Answer:
    kept = aliases.set_alias(caller, _catalog_name(asked), asked["alias"], asked["version_num"])
    return catalog_alias(kept.registered_model, kept)


def delete_alias(caller: Caller, asked: Asked) -> Answer:
    if not aliases.delete_alias(caller, _catalog_name(asked), asked["alias"]):
        raise ResourceDoesNotExist(f"Alias '{asked['alias'][:100]}' of model '{asked['full_name'][:200]}' does not exist.")
    return {}


def version_by_alias(caller: Caller, asked: Asked) -> Answer:
    found = aliases.version_by_alias(caller, _catalog_name(asked), asked["alias"])
    return catalog_version(found, with_aliases=asked["include_aliases"])


# --- versions -----------------------------------------------------------------------------------------


def list_versions(caller: Caller, asked: Asked) -> Answer:
    model = _model(caller, asked)
    size = search.page_size(asked["max_results"], VERSIONS_PER_PAGE, MOST_VERSIONS, zero_is_default=True)
    page, token = search.page(versions.versions_of(model), size, asked["page_token"])
    for version in page:
        version.registered_model = model
    return _page("model_versions", [catalog_version(version) for version in page], token)


def get_version(caller: Caller, asked: Asked) -> Answer:
    found = versions.find_version(_model(caller, asked), asked["version"])
    return catalog_version(found, with_aliases=asked["include_aliases"])


def update_version(caller: Caller, asked: Asked) -> Answer:
    return catalog_version(versions.update_version(caller, _catalog_name(asked), asked["version"], asked["comment"]))


def delete_version(caller: Caller, asked: Asked) -> Answer:
    versions.delete_version(caller, _catalog_name(asked), asked["version"])
    return {}


def _model(caller: Caller, asked: Asked) -> Securable:
    """The model of the path, for who may load it, or with `include_browse` know of it."""
    if not asked["include_browse"]:
        return registered_models.get_model(caller, _catalog_name(asked))
    model = registered_models.find_model(caller.workspace, _catalog_name(asked))
    if not access.allows(caller, model, EXECUTE):
        access.require_visible(caller, model)
    return model


def _catalog_name(asked: Asked) -> str:
    """The model's name in the path. One-part names are not this API's: they are missing."""
    name = str(asked["full_name"])
    if "." not in name:
        raise securables.missing(SecurableType.MODEL, name)
    return name


def _page(name: str, found: list[Answer], token: str) -> Answer:
    return {name: found} | ({"next_page_token": token} if token else {})


VIEWS = {
    "models": rest_view(GET=(bodies.CatalogList, list_models), POST=(bodies.NewCatalogModel, create_model)),
    "models/<str:full_name>": rest_view(
        GET=(bodies.Flags, get_model), PATCH=(bodies.CatalogModelChanges, update_model), DELETE=(bodies.Nothing, delete_model)
    ),
    "models/<str:full_name>/aliases/<str:alias>": rest_view(
        GET=(bodies.Flags, version_by_alias), PUT=(bodies.CatalogAlias, set_alias), DELETE=(bodies.Nothing, delete_alias)
    ),
    "models/<str:full_name>/versions": rest_view(GET=(bodies.CatalogPage, list_versions)),
    "models/<str:full_name>/versions/<str:version>": rest_view(
        GET=(bodies.Flags, get_version),
        PATCH=(bodies.CatalogVersionChanges, update_version),
        DELETE=(bodies.Nothing, delete_version),
    ),
}
"""By the path below /api/2.1/unity-catalog/."""
