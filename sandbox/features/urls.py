"""Addresses of online tables, online stores and their pipelines."""

from django.urls import URLPattern, URLResolver, path

from sandbox.features import views

STORE = "api/2.0/feature-store"

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/2.0/online-tables", views.all_online_tables),
    path("api/2.0/online-tables/<str:name>", views.online_table),
    path(f"{STORE}/online-stores", views.all_online_stores),
    path(f"{STORE}/online-stores/<str:name>", views.online_store),
    path(f"{STORE}/online-tables/<str:name>", views.online_table),
    path(f"{STORE}/tables/<str:source_name>/publish", views.publish),
    path("api/2.0/pipelines/<str:pipeline_id>", views.pipeline),
    path("api/2.0/pipelines/<str:pipeline_id>/updates", views.start_update),
]
