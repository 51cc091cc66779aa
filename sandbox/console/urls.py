"""Addresses of the console: /sandbox/ and what lies under it."""

from django.urls import URLPattern, URLResolver, path
from django.views.generic import RedirectView

from sandbox.console import create_views, query_views, views

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.home, name="sandbox_home"),
    path("examples/models/", views.install_examples, name="install_examples"),
    path("examples/endpoints/", views.deploy_examples, name="deploy_examples"),
    path("serving/", views.serving_list, name="serving_list"),
    path("serving/new/", create_views.endpoint_create, name="endpoint_create"),
    path("serving/<str:name>/", RedirectView.as_view(pattern_name="endpoint_detail")),
    path("serving/<str:name>/overview/", views.endpoint_detail, name="endpoint_detail"),
    path("serving/<str:name>/query/", query_views.endpoint_query, name="endpoint_query"),
    path("serving/<str:name>/events/", views.endpoint_events, name="endpoint_events"),
    path("serving/<str:name>/traffic/", views.endpoint_traffic, name="endpoint_traffic"),
    path("serving/<str:name>/delete/", views.endpoint_delete, name="endpoint_delete"),
    path("playground/", query_views.playground, name="playground"),
]
