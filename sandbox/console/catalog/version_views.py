"""The page of one model version: signature, example, how to use it, lineage, and what may be changed of it."""

import json
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from sandbox.catalog import lineage
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import ModelVersion
from sandbox.console.catalog import model_code
from sandbox.console.catalog.detail_views import CommentInput, TagsInput
from sandbox.console.catalog.kinds import version_url
from sandbox.console.catalog.lineage_views import run_url, shown_to
from sandbox.console.catalog.model_views import READY, AliasInput, serve_url
from sandbox.console.catalog.opened import Opened, require_manage, securable_page
from sandbox.console.endpoint_pages import EndpointView, EntityRow
from sandbox.console.endpoints import list_endpoints
from sandbox.console.pairs import pairs_text
from sandbox.console.query_examples import TYPE_EXAMPLES, first_rows
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError, InvalidState
from sandbox.registry import aliases, store, version_files, versions
from sandbox.serving.models import ServedEntity

Json = dict[str, Any]
EXAMPLE_CHARACTERS = 20_000


@dataclass(frozen=True)
class Field:
    """One column or tensor of a signature."""

    name: str
    type_text: str
    required: bool


class NewAliasInput(forms.Form):
    alias = AliasInput.base_fields["alias"]


@securable_page("GET", "POST")
def version_page(request: PageRequest, opened: Opened, number: int) -> HttpResponse:
    """Everything of a version; each form changes one thing for whoever may."""
    version = find(opened, number)
    typed: dict[str, forms.Form] = {}
    if request.method == "POST":
        require_manage(opened)
        typed = _change(request, opened, version)
        if not typed:
            return redirect(version_url(opened.row.full_name, number))
    named = list(opened.row.aliases.filter(version=number).order_by("alias_key"))
    example = _example(opened, version)
    body = example or from_signature(version.described)
    serving = _serving(opened, version)
    reference = f"@{named[0].alias}" if named else f"/{number}"
    node = Node(Kind.MODEL_VERSION, f"{opened.row.full_name}/{number}")
    shown = opened.shown() | {
        "version": version,
        "aliases": named,
        "inputs": fields(version.described.get("inputs")),
        "outputs": fields(version.described.get("outputs")),
        "example": example_text(example),
        "serving": serving,
        "run_url": run_url(version.run_id) if version.run_id else "",
        "serve_url": serve_url(opened.row, version),
        "use": model_code.use(settings.SITE_URL, opened.row, reference, body, serving[0].name if serving else ""),
        "lineage": shown_to(opened.caller, lineage.around(opened.row.workspace, node), node),
        "alias_input": typed.get("alias") or NewAliasInput(),
        "comment_input": typed.get("comment") or CommentInput(initial={"comment": version.comment}),
        "tags_input": typed.get("tags") or TagsInput(initial={"tags": pairs_text(version.tags)}),
        "call": model_code.alias(settings.SITE_URL, opened.row, "champion", number),
    }
    return render(request, "sandbox/catalog/version.html", shown, status=422 if typed else 200)


def find(opened: Opened, number: int) -> ModelVersion:
    """Http404 for a version that is not there."""
    try:
        return versions.find_version(opened.row, number)
    except ApiError as error:
        raise Http404(error.message) from error


def _change(request: PageRequest, opened: Opened, version: ModelVersion) -> dict[str, forms.Form]:
    """Do what the form asks for; returns the form with its errors when it could not be done."""
    if gone := request.POST.get("remove", ""):
        aliases.delete_alias(opened.caller, opened.name, gone)
        messages.success(request, f"Alias {gone} is gone. The version stays.")
        return {}
    form = request.POST.get("form", "")
    kinds: dict[str, type[forms.Form]] = {"alias": NewAliasInput, "comment": CommentInput, "tags": TagsInput}
    if form not in kinds:
        raise PermissionDenied("Nothing was asked for.")
    typed = kinds[form](request.POST)
    if not typed.is_valid():
        return {form: typed}
    try:
        _do(opened, version, form, typed.cleaned_data[form])
    except ApiError as error:
        typed.add_error(form, error.message)
        return {form: typed}
    messages.success(request, f"{form.capitalize()} of version {version.version} saved.")
    return {}


def _do(opened: Opened, version: ModelVersion, form: str, value: Any) -> None:
    """Raises an ApiError."""
    caller, name, number = opened.caller, opened.name, version.version
    if form == "alias":
        aliases.set_alias(caller, name, value.strip(), number)
    elif form == "comment":
        versions.update_version(caller, name, number, value)
    else:
        wanted = dict(value)
        for key in version.tags.keys() - wanted.keys():
            versions.delete_version_tag(caller, name, number, key)
        for key, text in wanted.items():
            versions.set_version_tag(caller, name, number, key, text)


def fields(columns: Any) -> list[Field]:
    """A side of the signature as MLflow writes it: columns with a type, or tensors."""
    return [_field(each, position) for position, each in enumerate(columns or [])]


def _field(column: Json, position: int) -> Field:
    spec = column.get("tensor-spec")
    if isinstance(spec, dict):
        shape = ", ".join(str(size) for size in spec.get("shape", []))
        return Field(str(column.get("name") or position), f"tensor of {spec.get('dtype', '?')}, shape ({shape})", True)
    return Field(str(column.get("name") or position), _type_text(column), bool(column.get("required", True)))


def _type_text(column: Json) -> str:
    items = column.get("items")
    if column.get("type") == "array" and isinstance(items, dict):
        return f"array of {_type_text(items)}"
    return str(column.get("type", "any"))


def _example(opened: Opened, version: ModelVersion) -> Json | None:
    """The body that was logged with the version, its first rows; None without one, or for whoever may not load the model."""
    try:
        version_files.may_read(opened.caller, version)
        found = store.get_version(opened.row.workspace_id, opened.row.full_name, str(version.version))
        example = json.loads(store.serving_input_example(opened.row.workspace_id, found))
    except (ApiError, InvalidState, ValueError):
        return None
    return first_rows(example) if isinstance(example, dict) else None


def from_signature(described: Json) -> Json:
    """A body with the right names and types; the values are only placeholders."""
    columns = [each for each in described.get("inputs") or [] if "tensor-spec" not in each]
    row = {str(each.get("name") or at): TYPE_EXAMPLES.get(str(each.get("type")), 0.5) for at, each in enumerate(columns)}
    return {"dataframe_records": [row]} if row else {}


def example_text(example: Json | None) -> str:
    if example is None:
        return ""
    text = json.dumps(example, indent=2, ensure_ascii=False)
    return text if len(text) <= EXAMPLE_CHARACTERS else text[:EXAMPLE_CHARACTERS] + "\n…"


def _serving(opened: Opened, version: ModelVersion) -> list[EndpointView]:
    """Endpoints that the person may query and that have this version in their active config."""
    served = ServedEntity.objects.filter(
        config__endpoint__workspace=opened.caller.workspace,
        entity_name__iexact=opened.row.full_name,
        entity_version=str(version.version),
    )
    names = set(served.values_list("config__endpoint__name", flat=True))
    named = [each for each in list_endpoints(opened.caller) if each.name in names and each.can_query]
    return [each for each in named if each.config and any(_is(entity, opened, version) for entity in each.config.entities)]


def _is(entity: EntityRow, opened: Opened, version: ModelVersion) -> bool:
    return entity.model.lower() == opened.row.full_name.lower() and entity.version == str(version.version)


@securable_page("GET", "POST")
def version_delete(request: PageRequest, opened: Opened, number: int) -> HttpResponse:
    """Ask, then delete the version."""
    require_manage(opened)
    version, problem = find(opened, number), ""
    if request.method == "POST":
        try:
            versions.delete_version(opened.caller, opened.name, number)
        except ApiError as error:
            problem = error.message
        else:
            messages.success(request, f"Version {number} of {opened.row.full_name} is deleted.")
            return redirect(opened.url)
    shown = opened.shown() | {
        "version": version,
        "aliases": opened.row.aliases.filter(version=number),
        "problem": problem,
        "back_url": version_url(opened.row.full_name, number),
        "is_ready": version.status == READY,
        "call": model_code.delete_version(settings.SITE_URL, opened.row, number),
    }
    return render(request, "sandbox/catalog/delete_version.html", shown, status=422 if problem else 200)
