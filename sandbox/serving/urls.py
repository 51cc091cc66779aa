"""Addresses of the serving-endpoints API; each also with a trailing slash, as mlflow.deployments writes the first one."""

from django.urls import URLPattern, URLResolver, path

from sandbox.serving import views

ROOT = "api/2.0/serving-endpoints"
PERMISSIONS = "api/2.0/permissions/serving-endpoints"
STOP, START = "config:stop", "config:start"
"""Not in the SDK; published scripts call them."""
CANCEL = "config:cancel"
"""Assumed, after its two siblings: the documentation shows only the button."""
OPERATIONS = (
    (ROOT, views.endpoints),
    (f"{ROOT}/<str:name>", views.endpoint),
    (f"{ROOT}/<str:name>/config", views.config),
    (f"{ROOT}/<str:name>/{STOP}", views.stop),
    (f"{ROOT}/<str:name>/{START}", views.start),
    (f"{ROOT}/<str:name>/{CANCEL}", views.cancel),
    (f"{ROOT}/<str:name>/tags", views.tags),
    (f"{ROOT}/<str:name>/ai-gateway", views.ai_gateway),
    (f"{ROOT}/<str:name>/rate-limits", views.rate_limits),
    (f"{ROOT}/<str:name>/notifications", views.notifications),
    (f"{ROOT}/<str:name>/telemetry-config", views.telemetry_config),
    (f"{ROOT}/<str:name>/openapi", views.open_api),
    (f"{ROOT}/<str:name>/metrics", views.metrics),
    (f"{ROOT}/<str:name>/served-models/<str:served_name>/build-logs", views.build_logs),
    (f"{ROOT}/<str:name>/served-models/<str:served_name>/logs", views.service_logs),
    (f"{PERMISSIONS}/<str:endpoint_id>", views.access_control_list),
    (f"{PERMISSIONS}/<str:endpoint_id>/permissionLevels", views.permission_levels),
)

urlpatterns: list[URLPattern | URLResolver] = [
    path(f"{ROOT}/pt", views.named_pt),
    path(f"{ROOT}/pt/<str:name>/config", views.provisioned_throughput),
    *(path(address + slash, view) for address, view in OPERATIONS for slash in ("", "/")),
]
