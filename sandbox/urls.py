"""One include for each service, at the real REST paths; the console under /sandbox/."""

from django.urls import include, path

from sandbox.client_wheel import client_wheel
from sandbox.console.operate_views import operate
from sandbox.notebooks_download import NAME, notebooks

urlpatterns = [
    path("", include("sandbox.workspaces.urls")),
    path("", include("sandbox.catalog.urls")),
    path("", include("sandbox.registry.urls")),
    path("", include("sandbox.serving.urls")),
    path("", include("sandbox.inference_tables.urls")),
    path("", include("sandbox.sql.urls")),
    path("", include("sandbox.features.urls")),
    path("sandbox/", include("sandbox.console.urls")),
    path(f"client/{NAME}", notebooks, name="notebooks_archive"),
    path("client/<str:name>", client_wheel, name="client_wheel"),
    path("operate/", operate, name="operate"),
]
