"""From a signed-in page request to the workspace it is about."""

from django.http import HttpRequest

from sandbox.workspaces.models import User, Workspace
from sandbox.workspaces.operations import open_workspace


def user_of(request: HttpRequest) -> User:
    """The signed-in person; only for views behind `login_required`."""
    assert isinstance(request.user, User)
    return request.user


def workspace_of(request: HttpRequest) -> Workspace:
    """The signed-in person's own workspace, opened on first use and remembered for the request."""
    remembered = getattr(request, "_workspace", None)
    if isinstance(remembered, Workspace):
        return remembered
    workspace = open_workspace(user_of(request))
    request._workspace = workspace  # type: ignore[attr-defined]  # kept for the rest of the request
    return workspace
