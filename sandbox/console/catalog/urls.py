"""Addresses of the catalog's pages, /sandbox/catalog/…, and of the models', /sandbox/models/…."""

from django.urls import URLPattern, URLResolver, path

from sandbox.console.catalog import (
    browse_views,
    create_views,
    detail_views,
    function_views,
    lineage_views,
    model_views,
    permission_views,
    table_views,
    tree,
    version_views,
    volume_views,
)
from sandbox.console.catalog.kinds import FUNCTION, KINDS, MODEL, TABLE, VOLUME, Kind
from sandbox.console.features import create_views as feature_create_views
from sandbox.console.features import lookup_views
from sandbox.console.features import table_views as feature_table_views

_FIRST = {
    "catalogs": browse_views.catalog_page,
    "schemas": browse_views.schema_page,
    "tables": table_views.table_columns,
    "volumes": volume_views.volume_page,
    "functions": function_views.function_page,
    "models": model_views.model_page,
}
_TABS = {
    "details": detail_views.securable_details,
    "delete": detail_views.securable_delete,
    "permissions": permission_views.securable_permissions,
}
_MORE = {
    TABLE: {
        "sample": table_views.table_sample,
        "history": table_views.table_history,
        "features": feature_table_views.table_features,
        "online": feature_create_views.create_online_table,
        "publish": feature_create_views.publish_table,
        "lineage": lineage_views.lineage_page,
    },
    VOLUME: {
        "download": volume_views.volume_download,
        "upload-url": volume_views.volume_upload_url,
        "delete-file": volume_views.volume_delete_file,
    },
    FUNCTION: {"lineage": lineage_views.lineage_page, "try": lookup_views.spec_lookup},
    MODEL: {
        "lineage": lineage_views.lineage_page,
        "versions/<int:number>": version_views.version_page,
        "versions/<int:number>/delete": version_views.version_delete,
    },
}


def _pages_of(kind: Kind) -> list[URLPattern | URLResolver]:
    base = "models/" if kind is MODEL else f"catalog/{kind.slug}/"
    pages = {"": _FIRST[kind.slug], **_TABS, **_MORE.get(kind, {})}
    return [path(f"{base}<str:full_name>/{tab and tab + '/'}", view, {"kind": kind.slug}) for tab, view in pages.items()]


urlpatterns: list[URLPattern | URLResolver] = [
    path("catalog/", browse_views.catalog_home, name="catalog"),
    path("catalog/tree/", tree.catalog_tree, name="catalog_tree"),
    path("catalog/new/<str:kind>/", create_views.catalog_create, name="catalog_create"),
    path("models/", model_views.model_list, name="model_list"),
    path("catalog/tables/<str:full_name>/features.csv", feature_table_views.table_statistics_file, {"kind": TABLE.slug}),
    *(page for kind in KINDS for page in _pages_of(kind)),
]
