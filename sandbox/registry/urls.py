"""Addresses of the registry service; MLflow's tracking paths are answered by `proxy`, before Django."""

from django.urls import URLPattern, URLResolver, path

from sandbox.registry import catalog_views, mlflow_views, uc_views
from sandbox.registry.routes import V2
from sandbox.registry.ui_session import without_mlflow

urlpatterns: list[URLPattern | URLResolver] = [
    *(path(V2.lstrip("/") + call, view) for call, view in mlflow_views.VIEWS.items()),
    *(path(V2.lstrip("/") + "unity-catalog/" + call, view) for call, view in uc_views.VIEWS.items()),
    *(path("api/2.1/unity-catalog/" + call, view) for call, view in catalog_views.VIEWS.items()),
    path("sandbox/mlflow/", without_mlflow, name="mlflow"),
]
