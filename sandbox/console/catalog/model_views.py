"""Pages of registered models: the list, and one model with its versions and aliases."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Max, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from sandbox.catalog.access import visible
from sandbox.catalog.models import ModelAlias, ModelVersion, Securable
from sandbox.console.catalog import model_code
from sandbox.console.catalog.kinds import MODEL, url_of
from sandbox.console.catalog.object_tags import tags_of
from sandbox.console.catalog.opened import Opened, require_manage, securable_page
from sandbox.console.inputs import MODEL_SEPARATOR, NO_HELP
from sandbox.console.requests import PageRequest, caller_of
from sandbox.errors import ApiError
from sandbox.registry import aliases, registered_models, snippets, versions
from sandbox.registry.example_models import EXAMPLES
from sandbox.workspaces.members import Caller

MODELS_PER_PAGE, VERSIONS_PER_PAGE = 25, 25
Json = dict[str, Any]
READY = ModelVersion.Status.READY


class AliasInput(forms.Form):
    """An alias and the version that it points at."""

    alias = forms.CharField(
        label="Alias",
        max_length=255,
        widget=forms.TextInput(attrs=NO_HELP | {"list": "known-aliases", "placeholder": "champion"}),
    )
    version = forms.IntegerField(
        label="Version", min_value=1, max_value=999_999_999, error_messages={"required": "Give the number of a version."}
    )


@login_required
@never_cache
@require_GET
def model_list(request: PageRequest) -> HttpResponse:
    """Registered models that the person sees, with their newest version and aliases, and how to log one."""
    caller, asked = caller_of(request), (request.GET.get("q") or "").replace("\0", "").strip()[:200]
    found = models_seen(caller)
    names = set(found.filter(full_name__in=[example.name for example in EXAMPLES]).values_list("full_name", flat=True))
    total = found.count()
    for word in asked.split():
        found = found.filter(Q(full_name__icontains=word) | Q(comment__icontains=word))
    page = Paginator(found.order_by("full_name"), MODELS_PER_PAGE).get_page(request.GET.get("page"))
    shown = {
        "page": page,
        "lines": [(row, url_of(MODEL, row.full_name), *facts) for row, facts in _with_facts(list(page.object_list))],
        "q": asked,
        "total": total,
        "snippets": snippets.log_a_model(settings.SITE_URL),
        "has_examples": {example.name for example in EXAMPLES} <= names,
    }
    return render(request, "sandbox/model_list.html", shown)


def models_seen(caller: Caller) -> QuerySet[Securable]:
    """Models of the catalog that the person may know of, and all of the workspace registry."""
    found = registered_models.of_workspace(caller.workspace)
    seen = visible(caller, Securable.objects.filter(workspace=caller.workspace, securable_type=MODEL.type)).values("pk")
    return found.filter(Q(parent=None) | Q(pk__in=seen))


def _with_facts(rows: list[Securable]) -> list[tuple[Securable, tuple[Json, list[ModelAlias]]]]:
    """Number of versions, newest version and aliases of the models of one page, asked at once."""
    counted = ModelVersion.objects.filter(registered_model__in=rows).values("registered_model_id").order_by()
    facts: dict[str, Json] = {
        each["registered_model_id"]: dict(each) for each in counted.annotate(number=Count("id"), newest=Max("version"))
    }
    named: dict[str, list[ModelAlias]] = {}
    for alias in ModelAlias.objects.filter(registered_model__in=rows).order_by("alias_key"):
        named.setdefault(alias.registered_model_id, []).append(alias)
    return [(row, (facts.get(row.pk, {"number": 0, "newest": None}), named.get(row.pk, []))) for row in rows]


@securable_page("GET", "POST")
def model_page(request: PageRequest, opened: Opened) -> HttpResponse:
    """Versions, newest first, found by number, comment, run or alias; a POST sets or removes an alias."""
    typed = AliasInput()
    if request.method == "POST":
        require_manage(opened)
        typed = AliasInput(request.POST)
        if _alias_changed(request, opened, typed):
            return redirect(f"{opened.url}?{request.GET.urlencode()}" if request.GET else opened.url)
    asked = (request.GET.get("q") or "").replace("\0", "").strip()[:200]
    named = list(opened.row.aliases.order_by("alias_key"))
    page = Paginator(_versions(opened.row, asked, named), VERSIONS_PER_PAGE).get_page(request.GET.get("page"))
    best = _best(opened.row, named)
    shown = opened.shown() | {
        "object_tags": tags_of(opened.row),
        "page": page,
        "lines": [(row, _aliases_of(row, named), serve_url(opened.row, row)) for row in page.object_list],
        "aliases": named,
        "q": asked,
        "input": typed,
        "best": best,
        "best_url": serve_url(opened.row, best) if best else "",
        "snippets": snippets.log_a_model(settings.SITE_URL),
        "call": model_code.alias(settings.SITE_URL, opened.row, "champion", best.version if best else 1),
    }
    return render(request, "sandbox/catalog/model.html", shown, status=422 if typed.errors else 200)


def _alias_changed(request: PageRequest, opened: Opened, typed: AliasInput) -> bool:
    """False when the form says what is wrong."""
    if gone := request.POST.get("remove", ""):
        aliases.delete_alias(opened.caller, opened.name, gone)
        messages.success(request, f"Alias {gone} is gone. The version stays.")
        return True
    if not typed.is_valid():
        return False
    name, number = typed.cleaned_data["alias"].strip(), typed.cleaned_data["version"]
    try:
        aliases.set_alias(opened.caller, opened.name, name, number)
    except ApiError as error:
        typed.add_error("alias" if "lias" in error.message else "version", error.message)
        return False
    messages.success(request, f"{name} is version {number} now.")
    return True


def _versions(model: Securable, asked: str, named: list[ModelAlias]) -> QuerySet[ModelVersion]:
    found = versions.versions_of(model)
    if not asked:
        return found
    pointed = [alias.version for alias in named if asked.lower() in alias.alias_key]
    number = Q(version=int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 10 else Q()
    return found.filter(
        number | Q(comment__icontains=asked) | Q(run_id=asked) | Q(created_by__icontains=asked) | Q(version__in=pointed)
    )


def _aliases_of(row: ModelVersion, named: list[ModelAlias]) -> list[ModelAlias]:
    return [alias for alias in named if alias.version == row.version]


def _best(model: Securable, named: list[ModelAlias]) -> ModelVersion | None:
    """What to serve: the champion, else the newest that is ready."""
    ready = versions.versions_of(model).filter(status=READY)
    champion = next((alias.version for alias in named if alias.alias_key == "champion"), None)
    return (ready.filter(version=champion).first() if champion else None) or ready.first()


def serve_url(model: Securable, version: ModelVersion) -> str:
    """The form that creates an endpoint, filled in; empty for a version that cannot be served."""
    if version.status != READY:
        return ""
    return f"{reverse('endpoint_create')}?{urlencode({'model': f'{model.full_name}{MODEL_SEPARATOR}{version.version}'})}"
