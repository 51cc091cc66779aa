"""What an endpoint, or a feature spec, looks up: the plan as picture and table, and a key to try."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from sandbox.catalog import functions
from sandbox.console.catalog.kinds import FUNCTION, url_of
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.features import lookup_trial, plan_picture
from sandbox.console.inputs import NO_HELP
from sandbox.console.requests import PageRequest, endpoint_page
from sandbox.errors import ApiError
from sandbox.features.plan import LookupPlan
from sandbox.serving import lookup_plans
from sandbox.serving.models import ServedEntity
from sandbox.workspaces.members import Caller

Json = dict[str, Any]
_INTEGERS, _FLOATS = {"bigint", "int", "smallint", "tinyint"}, {"double", "float"}
_WORDS = {"true": True, "false": False}


class LookupInput(forms.Form):
    """A field for each column that is sent, and for each that may be sent instead of being found; empty is not sent."""

    use_required_attribute = False

    def __init__(self, *args: Any, plan: LookupPlan, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._plan = plan
        for at, name in enumerate((*plan.sent, *plan.found)):
            label = f"{name} ({plan.types.get(name, '?')})"
            is_expected = at < len(plan.sent) and not self.is_bound  # what is left out is not sent, and the look-up says so
            self.fields[f"c{at}"] = forms.CharField(
                label=label, required=is_expected, max_length=2_000, strip=False, widget=forms.TextInput(attrs=NO_HELP)
            )

    @property
    def sent_fields(self) -> list[forms.BoundField]:
        return [self[f"c{at}"] for at in range(len(self._plan.sent))]

    @property
    def found_fields(self) -> list[forms.BoundField]:
        return [self[f"c{at}"] for at in range(len(self._plan.sent), len(self.fields))]

    def clean(self) -> Json:
        for at, name in enumerate((*self._plan.sent, *self._plan.found)):
            text = self.cleaned_data.get(f"c{at}", "")
            try:
                self.cleaned_data[f"c{at}"] = typed(text, self._plan.types.get(name, "string")) if text else None
            except ValueError:
                self.add_error(f"c{at}", f"'{text[:60]}' is no {self._plan.types.get(name)}.")
        return self.cleaned_data

    @property
    def record(self) -> Json:
        """The row that is sent."""
        names = (*self._plan.sent, *self._plan.found)
        return {name: value for at, name in enumerate(names) if (value := self.cleaned_data.get(f"c{at}")) is not None}


def typed(text: str, kind: str) -> Any:
    """What a person typed as the JSON value of the column's type. Raises ValueError."""
    if kind in _INTEGERS:
        return int(text)
    if kind in _FLOATS:
        number = float(text)
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError(text)
        return number
    if kind == "boolean":
        if text.strip().lower() not in _WORDS:
            raise ValueError(text)
        return _WORDS[text.strip().lower()]
    return json.loads(text) if kind.startswith(("array", "map", "struct")) else text


@dataclass(frozen=True)
class PlanShown:
    """A plan for its page. `why_not`: what keeps the person from trying it."""

    plan: LookupPlan
    page_url: str
    try_url: str
    why_not: str
    entity: ServedEntity | None = None

    @property
    def is_spec(self) -> bool:
        """There is no model: what is found is the answer."""
        return self.entity is None or self.entity.is_feature_spec

    @property
    def picture(self) -> plan_picture.Picture | None:
        return plan_picture.picture(self.plan)

    @property
    def lines(self) -> list[plan_picture.Line]:
        return plan_picture.lines(self.plan)

    @property
    def input(self) -> LookupInput:
        return LookupInput(plan=self.plan, prefix=self.key)

    @property
    def key(self) -> str:
        """Tells the parts of several entities on one page apart."""
        return self.entity.id[:12] if self.entity else "spec"


# --- endpoints --------------------------------------------------------------------------------------


@endpoint_page("GET")
def endpoint_features(request: PageRequest, found: OpenEndpoint) -> HttpResponse:
    """The plan of every served entity that looks features up."""
    entities = _entities(found)
    shown = {
        "endpoint": found.view,
        "tab": "features",
        "plans": [_shown(found, entity) for entity in entities if entity.lookups],
        "waiting": [entity.name for entity in entities if entity.lookups is None],
    }
    return render(request, "sandbox/features/endpoint.html", shown)


@endpoint_page("POST")
def endpoint_lookup(request: PageRequest, found: OpenEndpoint, entity_name: str) -> HttpResponse:
    """Look one row up as a replica of the entity would."""
    return _try(request, found.caller, _shown(found, find_entity(found, entity_name)))


def find_entity(found: OpenEndpoint, name: str) -> ServedEntity:
    """One that looks features up. Http404."""
    for entity in _entities(found):
        if entity.name == name and entity.lookups:
            return entity
    raise Http404(f"{found.name} serves no entity {name} that looks features up.")


def plan_of(entity: ServedEntity) -> LookupPlan:
    """The plan that its replicas use."""
    return LookupPlan.from_dict(entity.lookups or {})


def _entities(found: OpenEndpoint) -> list[ServedEntity]:
    """Of the active config, or of the one that rolls out first."""
    config = found.view.shown_config
    if config is None or found.view.kind != "custom":
        return []
    rows = ServedEntity.objects.filter(config__endpoint=found.row, config__config_version=config.version)
    return list(rows.order_by("position"))


def _shown(found: OpenEndpoint, entity: ServedEntity) -> PlanShown:
    plan = plan_of(entity)
    page_url, url = reverse("endpoint_features", args=[found.name]), reverse("endpoint_lookup", args=[found.name, entity.name])
    return PlanShown(plan, page_url, url, lookup_trial.why_not(found.caller, plan), entity)


# --- feature specs ----------------------------------------------------------------------------------


def spec_shown(opened: Opened) -> Json:
    """What the page of a feature spec shows besides its JSON: the plan that a deployment would find now, or why there is none."""
    try:
        plan = _plan_of_spec(opened)
    except (ApiError, lookup_plans.NotYet) as error:
        return {"plan_problem": getattr(error, "message", str(error))}
    try_url = url_of(FUNCTION, opened.row.full_name, "try")
    return {"shown": PlanShown(plan, opened.url, try_url, lookup_trial.why_not(opened.caller, plan))}


@securable_page("POST")
def spec_lookup(request: PageRequest, opened: Opened) -> HttpResponse:
    """Look one row up as an endpoint that serves the spec would."""
    if functions.definition_of(opened.row).language != functions.FEATURE_SPEC:
        raise Http404("This function is no feature spec.")
    found = spec_shown(opened)
    if "shown" not in found:
        problem = lookup_trial.Trial(problem=found["plan_problem"])
        return render(request, "sandbox/features/_trial.html", {"trial": problem, "key": "spec"}, status=422)
    return _try(request, opened.caller, found["shown"])


def _plan_of_spec(opened: Opened) -> LookupPlan:
    plan = lookup_plans.find(opened.row.workspace, opened.row.full_name, "")
    if plan is None:
        raise Http404("This function is no feature spec.")
    return plan


# --- trying -----------------------------------------------------------------------------------------


def _try(request: PageRequest, caller: Caller, shown: PlanShown) -> HttpResponse:
    """The values as a fragment, or as a page of its own where there is no script."""
    input_ = LookupInput(request.POST, plan=shown.plan, prefix=shown.key)
    if shown.why_not:
        trial = lookup_trial.Trial(problem=shown.why_not)
    elif not input_.is_valid():
        trial = lookup_trial.Trial(problem=" ".join(_sentences(input_)))
    else:
        trial = lookup_trial.look_up(caller.workspace.id, shown.plan, [input_.record])
    template = "sandbox/features/_trial.html" if request.htmx else "sandbox/features/trial.html"
    values = {"trial": trial, "key": shown.key, "is_spec": shown.is_spec, "back_url": shown.page_url}
    return render(request, template, values, status=422 if trial.problem else 200)


def _sentences(input_: LookupInput) -> Iterator[str]:
    for errors in input_.errors.values():
        yield from map(str, errors)
