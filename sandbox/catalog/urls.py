"""Addresses of the Unity Catalog API and of lineage."""

from django.urls import URLPattern, URLResolver, path

from sandbox.catalog import object_views, table_views, views

ROOT = "api/2.1/unity-catalog"
_GRANTS = "<str:securable_type>/<str:full_name>"
_TAGS = f"{ROOT}/entity-tag-assignments"

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{ROOT}/catalogs", views.catalogs),
    path(f"{ROOT}/catalogs/<str:name>", views.catalog),
    path(f"{ROOT}/schemas", views.schemas),
    path(f"{ROOT}/schemas/<str:full_name>", views.schema),
    path(f"{ROOT}/tables", table_views.all_tables),
    path(f"{ROOT}/table-summaries", table_views.table_summaries),
    path(f"{ROOT}/tables/<str:full_name>", table_views.table),
    path(f"{ROOT}/tables/<str:full_name>/exists", table_views.exists),
    path(f"{ROOT}/constraints", table_views.constraints),
    path(f"{ROOT}/constraints/<str:full_name>", table_views.constraint),
    path(f"{ROOT}/volumes", views.all_volumes),
    path(f"{ROOT}/volumes/<str:full_name>", views.volume),
    path(f"{ROOT}/functions", object_views.all_functions),
    path(f"{ROOT}/functions/<str:full_name>", object_views.function),
    path(f"{ROOT}/permissions/{_GRANTS}", object_views.permissions),
    path(f"{ROOT}/effective-permissions/{_GRANTS}", object_views.effective_permissions),
    path(f"{ROOT}/privilege-assignments/{_GRANTS}", object_views.all_permissions),
    path(f"{ROOT}/effective-privilege-assignments/{_GRANTS}", object_views.all_effective_permissions),
    path(_TAGS, object_views.add_tag),
    path(f"{_TAGS}/<str:entity_type>/<str:entity_name>/tags", object_views.all_tags),
    path(f"{_TAGS}/<str:entity_type>/<str:entity_name>/tags/<str:tag_key>", object_views.tag),
    path(f"{ROOT}/metastore_summary", views.metastore),
    path(f"{ROOT}/current-metastore-assignment", views.metastore_assignment),
    path(f"{ROOT}/metastores/<str:metastore>/systemschemas", views.system_schemas),
    path("api/2.0/lineage-tracking/table-lineage", table_views.table_lineage),
]
