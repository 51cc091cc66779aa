"""Addresses of the pages of features, /sandbox/features/…; those of one table lie under its page in the catalog."""

from django.urls import URLPattern, URLResolver, path

from sandbox.console.features import list_views, online_views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", list_views.feature_list, name="feature_list"),
    path("online/<str:full_name>/", online_views.online_table, name="online_table"),
    path("online/<str:full_name>/sync/", online_views.online_sync, name="online_sync"),
    path("online/<str:full_name>/delete/", online_views.online_delete, name="online_delete"),
    path("online/<str:full_name>/syncs.csv", online_views.online_syncs_file, name="online_syncs_file"),
]
