"""The console's pages that show: home, the list of endpoints, one endpoint and its events."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from sandbox.console import endpoints, examples, samples
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError
from sandbox.workspaces.sessions import user_of, workspace_of

EVENTS_PER_PAGE = 50


@login_required
@require_GET
def home(request: PageRequest) -> HttpResponse:
    """What is running, which endpoint type to take when, and the first lines of code."""
    workspace = workspace_of(request)
    running = endpoints.list_endpoints(workspace)
    if request.htmx:
        return render(request, "sandbox/_running.html", {"endpoints": running})
    models, registry_message = examples.registered_models(workspace)
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
        installed = examples.install(workspace_of(request))
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
        created = examples.deploy_one_of_each(workspace_of(request), user_of(request))
    except ApiError as error:
        messages.error(request, error.message)
        return redirect("sandbox_home")
    messages.success(request, f"Deploying {' and '.join(created)}. They are ready in a few seconds.")
    return redirect("serving_list")


@login_required
@require_GET
def serving_list(request: PageRequest) -> HttpResponse:
    """Every endpoint that this workspace can call; the fragment of the live part for htmx."""
    found = endpoints.list_endpoints(workspace_of(request))
    shown = {"endpoints": found, "has_own": any(endpoint.is_mine for endpoint in found)}
    return render(request, "sandbox/_endpoint_table.html" if request.htmx else "sandbox/serving_list.html", shown)


@login_required
@require_GET
def endpoint_detail(request: PageRequest, name: str) -> HttpResponse:
    """State, served entities and traffic of one endpoint; the live part alone for htmx."""
    endpoint = endpoints.find(workspace_of(request), name)
    template = "sandbox/_endpoint_overview.html" if request.htmx else "sandbox/endpoint_detail.html"
    return render(request, template, {"endpoint": endpoint, "tab": "overview", "traffic": endpoints.traffic_rows(endpoint)})


@login_required
@require_GET
def endpoint_events(request: PageRequest, name: str) -> HttpResponse:
    """What happened to the endpoint, newest first."""
    workspace = workspace_of(request)
    endpoint = endpoints.find(workspace, name)
    page = Paginator(endpoints.events(workspace, name), EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "sandbox/endpoint_events.html", {"endpoint": endpoint, "tab": "events", "page": page})


@login_required
@require_http_methods(["GET", "POST"])
def endpoint_delete(request: PageRequest, name: str) -> HttpResponse:
    """Ask once, then delete."""
    workspace = workspace_of(request)
    endpoint = endpoints.find(workspace, name)
    if request.method == "GET" or not endpoint.is_mine:
        return render(request, "sandbox/endpoint_delete.html", {"endpoint": endpoint})
    endpoints.delete(workspace, name)
    messages.success(request, f"Endpoint {name} was deleted. What it answered stays in its inference table.")
    return redirect("serving_list")


@login_required
@require_POST
def endpoint_traffic(request: PageRequest, name: str) -> HttpResponse:
    """Change the split between the served entities: a config update like any other."""
    workspace = workspace_of(request)
    endpoint = endpoints.find(workspace, name)
    try:
        endpoints.change_traffic(workspace, endpoint, request.POST)
    except ApiError as error:
        typed = endpoints.traffic_rows(endpoint, request.POST.dict())
        shown = {"endpoint": endpoint, "tab": "overview", "problem": error.message, "traffic": typed}
        return render(request, "sandbox/endpoint_detail.html", shown, status=422)
    messages.success(request, "The new split is rolling out. The old one answers until it is ready.")
    return redirect("endpoint_detail", name)
