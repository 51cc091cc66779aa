"""Mounts the study side at /, the console at /sandbox/ and the REST API at its real paths."""

from django.urls import include, path

urlpatterns = [
    path("", include("config.site_urls")),
    path("", include("quizzes.urls")),
    path("", include("sandbox.urls")),
]
