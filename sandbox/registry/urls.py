"""Addresses of the registry service; MLflow's own paths are answered by `proxy`, before Django."""

from django.urls import URLPattern, URLResolver, path

from sandbox.registry import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("sandbox/models/", views.model_list, name="model_list"),
]
