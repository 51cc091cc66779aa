"""Addresses of the serving-endpoints API; each also with a trailing slash, as mlflow.deployments writes the first one."""

from django.urls import URLPattern, URLResolver, path

from sandbox.serving import views

ROOT = "api/2.0/serving-endpoints"
OPERATIONS = (
    (ROOT, views.endpoints),
    (f"{ROOT}/<str:name>", views.endpoint),
    (f"{ROOT}/<str:name>/config", views.config),
    (f"{ROOT}/<str:name>/tags", views.tags),
    (f"{ROOT}/<str:name>/ai-gateway", views.ai_gateway),
    (f"{ROOT}/<str:name>/served-models/<str:served_name>/build-logs", views.build_logs),
    (f"{ROOT}/<str:name>/served-models/<str:served_name>/logs", views.service_logs),
)

urlpatterns: list[URLPattern | URLResolver] = [path(address + slash, view) for address, view in OPERATIONS for slash in ("", "/")]
