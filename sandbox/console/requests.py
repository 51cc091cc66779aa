"""What every page of the console begins with: who asks, in which workspace, about which endpoint, and whether she may."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods
from django_htmx.middleware import HtmxDetails

from sandbox.console import endpoints
from sandbox.console.endpoints import OpenEndpoint
from sandbox.serving.access import CAN_VIEW
from sandbox.serving.models import PermissionLevel
from sandbox.workspaces.members import Caller
from sandbox.workspaces.sessions import user_of, workspace_of


class PageRequest(HttpRequest):
    """`request.htmx` is true when htmx asks for a fragment instead of a page."""

    htmx: HtmxDetails


EndpointPage = Callable[Concatenate[PageRequest, OpenEndpoint, ...], HttpResponse]


def caller_of(request: HttpRequest) -> Caller:
    """The signed-in person in the workspace that she works in; only for views behind `login_required`."""
    return Caller(workspace_of(request), user_of(request))


def endpoint_page(*methods: str, needs: PermissionLevel = CAN_VIEW) -> Callable[[EndpointPage], Any]:
    """A view of one endpoint by name: signed in, one of `methods`, and with the level `needs` on the endpoint.

    Whoever may not even view it gets 404, whoever has less than `needs` 403.
    """

    def decorate(view: EndpointPage) -> Any:
        def answer(request: PageRequest, name: str, **parameters: Any) -> HttpResponse:
            return view(request, endpoints.find(caller_of(request), name, needs), **parameters)

        return login_required(require_http_methods(list(methods))(wraps(view)(answer)))

    return decorate
