"""Mounts the study side at /, the console at /sandbox/ and the REST API at its real paths."""

from django.urls import include, path

urlpatterns = [
    path("", include("config.health_urls")),
    path("", include("config.site_urls")),
    path("", include("quizzes.urls")),
    path("", include("sandbox.urls")),
]

handler400 = "config.error_pages.bad_request"
handler404 = "config.error_pages.page_not_found"
handler500 = "config.error_pages.server_error"
