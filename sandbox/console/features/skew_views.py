"""The page that compares score_batch, serving by key, and serving with features sent."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import render

from sandbox.console.endpoints import OpenEndpoint
from sandbox.console.features import code, lookup_trial, offline, skew
from sandbox.console.features.files import csv_file
from sandbox.console.features.lookup_views import find_entity, plan_of, typed
from sandbox.console.inputs import NO_HELP
from sandbox.console.requests import PageRequest, endpoint_page
from sandbox.errors import ApiError
from sandbox.features.plan import LookupPlan
from sandbox.serving.access import CAN_QUERY
from sandbox.sql.limits import SqlFailed

DEFAULT_ROWS, MAX_ROWS = 20, 100
SNIPPET_ROWS = 3
Json = dict[str, Any]
_HEAD = ("key", "score_batch", "looked_up", "features_sent", "verdict", "differing_features")
_NUMBERS = ("bigint", "int", "smallint", "tinyint", "double", "float", "decimal")


class SkewInput(forms.Form):
    """How many rows, and a value for each column that neither is a key nor is found; it is the same in every row."""

    rows = forms.IntegerField(label="Rows", min_value=1, max_value=MAX_ROWS, initial=DEFAULT_ROWS)

    def __init__(self, *args: Any, plan: LookupPlan, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        keys = set(skew.keys_of(plan))
        self._columns = [(name, plan.types.get(name, "string")) for name in plan.sent if name not in keys]
        for at, (name, kind) in enumerate(self._columns):
            widget = forms.TextInput(attrs=NO_HELP)
            self.fields[f"c{at}"] = forms.CharField(
                label=f"{name} ({kind})", required=False, max_length=2_000, initial=_example(kind), widget=widget
            )

    def clean(self) -> Json:
        self.constants: Json = {}
        for at, (name, kind) in enumerate(self._columns):
            text = self.cleaned_data.get(f"c{at}", "")
            try:
                self.constants[name] = typed(text, kind) if text or kind == "string" else None
            except ValueError:
                self.add_error(f"c{at}", f"'{text[:60]}' is no {kind}.")
        return self.cleaned_data


def _example(kind: str) -> str:
    if kind.startswith(_NUMBERS):
        return "0"
    return {"boolean": "false", "date": "2026-01-31", "timestamp": "2026-01-31T12:00:00+00:00"}.get(kind, "")


@endpoint_page("GET", "POST", needs=CAN_QUERY)
def endpoint_skew(request: PageRequest, found: OpenEndpoint, entity_name: str) -> HttpResponse:
    """The form; a POST compares, as a page or as CSV."""
    entity = find_entity(found, entity_name)
    plan = plan_of(entity)
    if not entity.entity_version or not plan.tables:
        raise Http404("Only a model that looks features up in tables can be compared.")
    if why := lookup_trial.why_not(found.caller, plan):
        raise PermissionDenied(why)
    typed_in = SkewInput(request.POST or None, plan=plan)
    result = None
    records: list[Json] = []
    if request.method == "POST" and typed_in.is_valid():
        try:
            records = offline.records(found.caller, plan, typed_in.cleaned_data["rows"], typed_in.constants)
            result = (
                skew.compare(found.caller, found.name, entity, plan, records) if records else skew.Comparison(problem=_NO_ROWS)
            )
        except (ApiError, SqlFailed) as error:
            result = skew.Comparison(problem=error.message)
        if "csv" in request.POST and result.rows:
            return _file(found.name, result)
    shown = {
        "endpoint": found.view,
        "tab": "features",
        "entity": entity,
        "keys": skew.keys_of(plan),
        "input": typed_in,
        "result": result,
        "call": code.score_batch(settings.SITE_URL, entity.entity_name, entity.entity_version, records[:SNIPPET_ROWS])
        if records
        else [],
    }
    return render(
        request, "sandbox/features/skew.html", shown, status=422 if typed_in.errors or (result and result.problem) else 200
    )


_NO_ROWS = "The feature table has no rows yet, so there is nothing to compare."


def _file(name: str, result: skew.Comparison) -> HttpResponse:
    return csv_file(f"{name}-skew", _HEAD, [_line(row) for row in result.rows])


def _line(row: skew.Row) -> list[str]:
    features = "; ".join(f"{each.name}: {each.offline} offline, {each.online} online" for each in row.differences)
    return [row.key, row.offline.text, row.looked_up.text, row.sent.text, row.verdict, features]
