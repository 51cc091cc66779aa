"""The console's pages that show: home, the list of endpoints, one endpoint and its events."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from sandbox.console import endpoints, examples, live_facts, samples, serving_list
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.requests import PageRequest, caller_of, endpoint_page
from sandbox.errors import ApiError
from sandbox.workspaces import clock

EVENTS_PER_PAGE = 50
RECENT_EVENTS = 6


@login_required
@require_GET
def home(request: PageRequest) -> HttpResponse:
    """What is running, which endpoint type to take when, and the first lines of code."""
    caller = caller_of(request)
    running = endpoints.list_endpoints(caller)
    if request.htmx:
        return render(request, "sandbox/_running.html", {"endpoints": running})
    models, registry_message = examples.registered_models(caller.workspace)
    shown = {
        "endpoints": running,
        "models": models,
        "registry_message": registry_message,
        "quick_start": samples.quick_start(settings.SITE_URL),
        "deployable": examples.deployable([endpoint.name for endpoint in running]),
    }
    return render(request, "sandbox/home.html", shown)


@login_required
@require_POST
def install_examples(request: PageRequest) -> HttpResponse:
    """Register the example models in the learner's workspace."""
    try:
        installed = examples.install(caller_of(request).workspace)
    except ApiError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"Added to your registry: {', '.join(installed)}. Now you can deploy them.")
    return redirect("sandbox_home")


@login_required
@require_POST
def deploy_examples(request: PageRequest) -> HttpResponse:
    """Create one custom and one external endpoint; the foundation endpoint is there already."""
    try:
        created = examples.deploy_one_of_each(caller_of(request))
    except ApiError as error:
        messages.error(request, error.message)
        return redirect("sandbox_home")
    messages.success(request, f"Deploying {' and '.join(created)}. They are ready in a few seconds.")
    return redirect("serving_list")


@login_required
@require_GET
def endpoint_list(request: PageRequest) -> HttpResponse:
    """What the person may view, filtered as the address says; the fragment of the live part for htmx."""
    found = endpoints.list_endpoints(caller_of(request))
    chosen = serving_list.Filters.of(request.GET)
    page = Paginator(chosen.of_these(found), serving_list.PER_PAGE).get_page(request.GET.get("page"))
    sparks = live_facts.sparks(e.endpoint_id for e in page.object_list if not e.is_preconfigured)
    shown = {
        "lines": [(endpoint, sparks.get(endpoint.endpoint_id)) for endpoint in page.object_list],
        "page": page,
        "filters": chosen,
        "choices": serving_list.choices(found),
        "query": request.GET.urlencode(),
        "has_own": any(not endpoint.is_preconfigured for endpoint in found),
    }
    return render(request, "sandbox/_endpoint_table.html" if request.htmx else "sandbox/serving_list.html", shown)


@endpoint_page("GET")
def endpoint_detail(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """State, served entities and traffic of one endpoint; the live part alone for htmx."""
    template = "sandbox/_endpoint_overview.html" if request.htmx else "sandbox/endpoint_detail.html"
    return render(request, template, overview(found))


def overview(found: OpenEndpoint) -> dict[str, Any]:
    """What the overview shows."""
    view, workspace = found.view, found.caller.workspace
    entities = view.config.entities if view.config and not view.is_stopped else ()
    lives = live_facts.lives(found.row)
    is_measured = not view.is_preconfigured
    return {
        "endpoint": view,
        "tab": "overview",
        "active": [(entity, lives.get(entity.entity_id)) for entity in view.config.entities] if view.config else [],
        "observed": live_facts.traffic(entities, view.endpoint_id) if is_measured else [],
        "spark": live_facts.sparks([view.endpoint_id]).get(view.endpoint_id) if is_measured else None,
        "traffic_form": endpoints.traffic_rows(view),
        "recent_events": endpoints.events(found.row)[:RECENT_EVENTS],
        "clock_now": clock.now(workspace),
        "pending": [(entity, None) for entity in view.pending.entities] if view.pending else [],
        "idles": any(life.idle for life in lives.values()),
        "factors": CLOCK_FACTORS if found.caller.is_admin and view.kind == "custom" else (),
    }


CLOCK_FACTORS = (1, 10, 60, 600)
"""How fast a workspace's clock can be made to run from the page."""


@endpoint_page("GET")
def endpoint_events(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """What happened to the endpoint, newest first; the live part alone for htmx."""
    page = Paginator(endpoints.events(found.row), EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    workspace = found.caller.workspace
    shown = {
        "endpoint": found.view,
        "tab": "events",
        "page": page,
        "lines": [(event, clock.at(workspace, event.at)) for event in page.object_list],
        "is_fast": workspace.clock_factor != 1,
    }
    return render(request, "sandbox/_events.html" if request.htmx else "sandbox/endpoint_events.html", shown)
