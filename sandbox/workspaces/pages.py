"""Pages for one's own access tokens, the workspace's secrets, and the choice of the workspace."""

from contextlib import suppress
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from sandbox import client_wheel
from sandbox.errors import ResourceAlreadyExists, ResourceDoesNotExist
from sandbox.workspaces import operations, secret_store
from sandbox.workspaces.inputs import SecretInput, TokenInput
from sandbox.workspaces.models import SecretScope, Workspace
from sandbox.workspaces.sessions import admin_workspace_of, choose_workspace, user_of, workspace_of


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The list, and a new token: its plain text is in this one answer and nowhere else."""
    token_input = TokenInput(request.POST or None)
    context: dict[str, Any] = {"input": token_input, "client_file": client_wheel.file_name()}
    status = 200
    if request.method == "POST":
        if token_input.is_valid():
            _, context["plain"] = operations.issue_token(
                workspace_of(request), user_of(request), token_input.cleaned_data["comment"], token_input.lifetime_s()
            )
            context["input"] = TokenInput()
        else:
            status = 422
    context["tokens"] = operations.list_tokens(workspace_of(request), user_of(request))
    return render(request, "sandbox/tokens.html", context, status=status)


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: str) -> HttpResponse:
    try:
        operations.revoke_token(workspace_of(request), token_id, user_of(request))
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
    messages.success(request, "The token is revoked. Calls with it are refused from now on.")
    return redirect("tokens")


@login_required
@never_cache
@sensitive_post_parameters("value")
@require_http_methods(["GET", "POST"])
def secrets(request: HttpRequest) -> HttpResponse:
    """Scopes and keys; values go in and never come out."""
    workspace = admin_workspace_of(request)
    secret_input = SecretInput(request.POST or None)
    if request.method == "POST" and secret_input.is_valid():
        _put(workspace, **secret_input.cleaned_data)
        stored = secret_input.cleaned_data
        messages.success(request, f"Stored. Refer to it as {secret_store.reference(stored['scope'], stored['key'])}")
        return redirect("secrets")
    context = {"input": secret_input, "scopes": _scopes(workspace)}
    return render(request, "sandbox/secrets.html", context, status=422 if request.method == "POST" else 200)


@login_required
@require_POST
def delete_secret(request: HttpRequest, scope: str) -> HttpResponse:
    """Delete one key, or the whole scope when no key is named."""
    key = request.POST.get("key", "")
    try:
        if key:
            secret_store.delete_secret(admin_workspace_of(request), scope, key)
        else:
            secret_store.delete_scope(admin_workspace_of(request), scope)
    except ResourceDoesNotExist as error:
        raise Http404(error.message) from error
    messages.success(request, f"Deleted the {'secret ' + key if key else 'scope ' + scope}.")
    return redirect(reverse("secrets"))


@login_required
@require_POST
def open_workspace(request: HttpRequest, workspace_id: str) -> HttpResponse:
    """Work in another workspace from now on: one's own, or one that one is a member of."""
    workspace = choose_workspace(request, workspace_id)
    messages.success(request, f"You now work in the workspace {workspace.name}.")
    return redirect("sandbox_home")


@transaction.atomic
def _put(workspace: Workspace, scope: str, key: str, value: str) -> None:
    if not SecretScope.objects.filter(workspace=workspace, name=scope).exists():
        with suppress(ResourceAlreadyExists):  # made a moment ago in another tab
            secret_store.create_scope(workspace, scope)
    secret_store.put_secret(workspace, scope, key, value)


def _scopes(workspace: Workspace) -> list[SecretScope]:
    return list(secret_store.list_scopes(workspace).prefetch_related("secrets"))
