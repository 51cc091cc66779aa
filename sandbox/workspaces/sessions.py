"""From a signed-in page request to the workspace it is about."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from sandbox.workspaces import members
from sandbox.workspaces.models import User, Workspace
from sandbox.workspaces.operations import open_workspace

CHOSEN = "workspace"
"""Session key: id of the workspace that was chosen; absent for one's own."""


def user_of(request: HttpRequest) -> User:
    """The signed-in person; only for views behind `login_required`."""
    assert isinstance(request.user, User)
    return request.user


def workspace_of(request: HttpRequest) -> Workspace:
    """The workspace that the person works in: her own, or the one she chose while she is a member of it.

    Her own is opened on first use. Remembered for the request.
    """
    remembered = getattr(request, "_workspace", None)
    if isinstance(remembered, Workspace):
        return remembered
    workspace = _chosen(request) or open_workspace(user_of(request))
    request._workspace = workspace  # type: ignore[attr-defined]  # kept for the rest of the request
    return workspace


def admin_workspace_of(request: HttpRequest) -> Workspace:
    """The same, for what has no permissions of its own: only admins of the workspace get it. Raises PermissionDenied."""
    workspace = workspace_of(request)
    if not members.is_admin(workspace, user_of(request)):
        raise PermissionDenied(f"This is for admins of the workspace {workspace.name}. Ask its owner for admin rights.")
    return workspace


def choose_workspace(request: HttpRequest, workspace_id: str) -> Workspace:
    """Let the pages be about this workspace from now on. Raises Http404 unless the person belongs to it."""
    found = next((each for each in members.workspaces_of(user_of(request)) if each.id == workspace_id), None)
    if found is None:
        raise Http404("There is no such workspace.")
    request.session[CHOSEN] = found.id
    return found


def _chosen(request: HttpRequest) -> Workspace | None:
    """None when nothing was chosen, or the person belongs to it no more."""
    wanted = request.session.get(CHOSEN) if hasattr(request, "session") else None
    if not wanted:
        return None
    return Workspace.objects.filter(id=wanted, members__user=user_of(request)).first()
