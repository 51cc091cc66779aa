"""Addresses of the console: /sandbox/ and what lies under it."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from sandbox.console import (
    action_views,
    form_views,
    log_views,
    metrics_views,
    permission_views,
    query_views,
    settings_views,
    views,
)
from sandbox.console.features import lookup_views, skew_views

endpoint_urls: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="endpoint_detail")),
    path("overview/", views.endpoint_detail, name="endpoint_detail"),
    path("query/", query_views.endpoint_query, name="endpoint_query"),
    path("features/", lookup_views.endpoint_features, name="endpoint_features"),
    path("features/<str:entity_name>/try/", lookup_views.endpoint_lookup, name="endpoint_lookup"),
    path("features/<str:entity_name>/compare/", skew_views.endpoint_skew, name="endpoint_skew"),
    path("metrics/", metrics_views.endpoint_metrics, name="endpoint_metrics"),
    path("metrics.csv", metrics_views.endpoint_metrics_csv, name="endpoint_metrics_csv"),
    path("events/", views.endpoint_events, name="endpoint_events"),
    path("logs/", log_views.endpoint_logs, name="endpoint_logs"),
    path("logs/<str:log>.log", log_views.endpoint_log_file, name="endpoint_log_file"),
    path("permissions/", permission_views.endpoint_permissions, name="endpoint_permissions"),
    path("settings/", settings_views.endpoint_settings, name="endpoint_settings"),
    path("edit/", form_views.endpoint_edit, name="endpoint_edit"),
    path("traffic/", action_views.endpoint_traffic, name="endpoint_traffic"),
    path("delete/", action_views.endpoint_action, {"action": "delete"}, name="endpoint_delete"),
    path("do/<str:action>/", action_views.endpoint_action, name="endpoint_action"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="sandbox_home"),
    path("examples/models/", views.install_examples, name="install_examples"),
    path("examples/endpoints/", views.deploy_examples, name="deploy_examples"),
    path("clock/", settings_views.workspace_clock, name="workspace_clock"),
    path("call-preview/", form_views.call_preview, name="call_preview"),
    path("serving/", views.endpoint_list, name="serving_list"),
    path("serving/new/", form_views.endpoint_create, name="endpoint_create"),
    path("serving/<str:name>/", include(endpoint_urls)),
    path("playground/", query_views.playground, name="playground"),
    path("", include("sandbox.console.catalog.urls")),
    path("sql/", include("sandbox.console.sql.urls")),
    path("features/", include("sandbox.console.features.urls")),
]
