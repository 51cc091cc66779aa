"""Who is signed in, for the application that answers MLflow's pages before Django does."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.decorators import login_required
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, parse_cookie

from sandbox.files.places import Who
from sandbox.workspaces.sessions import workspace_of


def who_is_signed_in(scope: dict[str, Any]) -> Who | None:
    """The person of the session and the workspace that she works in; None for nobody."""
    cookies = parse_cookie(dict(scope["headers"]).get(b"cookie", b"").decode("latin-1"))
    name = cookies.get(settings.SESSION_COOKIE_NAME, "")
    if not name:
        return None
    close_old_connections()  # outside of a Django request nobody else does
    try:
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(name)
        request.user = get_user(request)
        if not request.user.is_authenticated:
            return None
        return Who(workspace_of(request).id, str(request.user.pk))
    finally:
        close_old_connections()


@login_required
def without_mlflow(request: HttpRequest) -> HttpResponse:
    """The address of MLflow's pages where only Django runs, as in tests: gives it its name and says what is missing."""
    return HttpResponse("MLflow's pages need the whole site: start it with `make run`.\n", "text/plain", 503)
