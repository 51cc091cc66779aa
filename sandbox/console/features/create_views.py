"""The pages that make an online copy of a feature table: as an online table, or published to an online store."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render

from sandbox.catalog import table_schema
from sandbox.catalog.delta_log import CHANGE_FEED
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.features import code
from sandbox.console.features.copies import MODES, online_url
from sandbox.console.inputs import NO_HELP
from sandbox.console.requests import PageRequest
from sandbox.errors import ApiError
from sandbox.features import online_stores, online_tables
from sandbox.features.models import OnlineTable

Json = dict[str, Any]
Mode = OnlineTable.Mode
NEW_STORE = "+"
"""No store's name can be this."""
_FIELD_OF = (("timeseries_key", "timeseries_key"), ("change data feed", "mode"), ("store", "store"))
"""Words of a refusal -> the field beside which it stands; else it is the name."""


class OnlineCopyInput(forms.Form):
    """Name, time-series column and sync mode; a store too when it is published."""

    name = forms.CharField(label="Name", max_length=800, widget=forms.TextInput(attrs=NO_HELP))
    timeseries_key = forms.ChoiceField(label="Time-series column", required=False)
    mode = forms.ChoiceField(
        label="Sync mode", choices=[(mode.value, words[0]) for mode, words in MODES.items()], widget=forms.RadioSelect
    )
    store = forms.ChoiceField(label="Online store")
    new_store = forms.CharField(
        label="Name of the new store", required=False, max_length=63, widget=forms.TextInput(attrs=NO_HELP)
    )
    capacity = forms.ChoiceField(label="Its capacity", choices=[(each, each) for each in online_stores.CAPACITIES])

    def __init__(self, *args: Any, opened: Opened, publishes: bool, **kwargs: Any) -> None:
        detail = opened.row.table
        series = next(iter(detail.timeseries_columns), "")
        has_feed = has_change_feed(opened)
        kwargs["initial"] = {
            "name": _free_name(opened) if not publishes else f"{opened.row.full_name}_online",
            "timeseries_key": series,
            "mode": Mode.TRIGGERED if has_feed else Mode.SNAPSHOT,
        }
        super().__init__(*args, **kwargs)
        self._key = [name for name in detail.primary_key if name != series]
        if publishes:
            stores = [(store.name, store.name) for store in online_stores.list_online_stores(opened.caller)]
            self.fields["store"].choices = [*stores, (NEW_STORE, "A new store")]  # type: ignore[attr-defined]
            self.initial["store"] = stores[0][0] if stores else NEW_STORE
            del self.fields["timeseries_key"]
        else:
            choices = [] if series else [("", "None: one row for each key")]
            choices += [(name, name) for name in ([series] if series else detail.primary_key)]
            self.fields["timeseries_key"].choices = choices  # type: ignore[attr-defined]
            self.fields["timeseries_key"].required = bool(series)
            for name in ("store", "new_store", "capacity"):
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if "store" in self.fields and found.get("store") == NEW_STORE and not found.get("new_store"):
            self.add_error("new_store", "Give the new store a name: lower-case letters, digits and hyphens.")
        return found

    def refused(self, message: str) -> None:
        """Put the sentence of an operation beside the field that it is about."""
        beside = next((field for words, field in _FIELD_OF if words in message and field in self.fields), "name")
        self.add_error(beside, message)


def _free_name(opened: Opened) -> str:
    """The source's name with `_online`, and a number when that is taken."""
    first = f"{opened.row.full_name}_online"
    taken = OnlineTable.objects.filter(workspace=opened.row.workspace, full_name__startswith=first)
    names = set(taken.values_list("full_name", flat=True))
    return next(name for name in (first, *(f"{first}_{number}" for number in range(2, len(names) + 3))) if name not in names)


def has_change_feed(opened: Opened) -> bool:
    return str(opened.row.properties.get(CHANGE_FEED, "")).lower() == "true"


@securable_page("GET", "POST")
def create_online_table(request: PageRequest, opened: Opened) -> HttpResponse:
    """An online table by the online-tables API."""
    return _page(request, opened, publishes=False)


@securable_page("GET", "POST")
def publish_table(request: PageRequest, opened: Opened) -> HttpResponse:
    """An online table in an online store."""
    return _page(request, opened, publishes=True)


def _page(request: PageRequest, opened: Opened, *, publishes: bool) -> HttpResponse:
    if not opened.may("SELECT"):
        raise PermissionDenied(f"You need SELECT on {opened.row.full_name} to copy it. Ask its owner {opened.row.owner}.")
    turns_on_feed = "turn_on_feed" in request.POST
    problem = _turn_on_feed(opened) if turns_on_feed else ""
    typed = OnlineCopyInput(request.POST or None, opened=opened, publishes=publishes)
    if request.method == "POST" and not turns_on_feed and typed.is_valid():
        try:
            made = _make(opened, typed.cleaned_data, publishes)
        except ApiError as error:
            typed.refused(error.message)
        else:
            messages.success(request, f"{made.full_name} is being filled from {opened.row.full_name}.")
            return redirect(online_url(made.full_name))
    detail = opened.row.table
    shown = opened.shown("features") | {
        "input": typed,
        "publishes": publishes,
        "modes": [(mode, *words, typed["mode"].value() == mode) for mode, words in MODES.items()],
        "has_feed": has_change_feed(opened),
        "may_turn_on_feed": opened.may("MODIFY") or opened.can_manage,
        "feed_problem": problem,
        "detail": detail,
        "call": _call(opened, typed, publishes),
    }
    return render(request, "sandbox/features/create.html", shown, status=422 if typed.errors and not turns_on_feed else 200)


def _turn_on_feed(opened: Opened) -> str:
    """What went wrong, or nothing."""
    try:
        table_schema.set_properties(opened.caller, opened.name, {CHANGE_FEED: "true"})
    except ApiError as error:
        return error.message
    opened.row.refresh_from_db()
    return ""


def _make(opened: Opened, given: Mapping[str, Any], publishes: bool) -> OnlineTable:
    """Raises ApiError; then nothing was made, no store either."""
    caller, name, mode = opened.caller, given["name"].strip(), Mode(given["mode"])
    if not publishes:
        return online_tables.create_online_table(caller, name, opened.name, mode=mode, timeseries_key=given["timeseries_key"])
    with transaction.atomic():
        store = given["store"]
        if store == NEW_STORE:
            store = online_stores.create_online_store(caller, given["new_store"], given["capacity"]).name
        return online_tables.publish_table(caller, opened.name, store, name, mode)


def _call(opened: Opened, typed: OnlineCopyInput, publishes: bool) -> list[Any]:
    name, mode = str(typed["name"].value() or ""), str(typed["mode"].value() or Mode.SNAPSHOT)
    if publishes:
        chosen = str(typed["store"].value())
        store = str(typed["new_store"].value() or "my-store") if chosen == NEW_STORE else chosen
        return code.publish(settings.SITE_URL, name, opened.row, store, mode)
    series = str(typed["timeseries_key"].value() or "")
    return code.create_online_table(settings.SITE_URL, name, opened.row, list(opened.row.table.primary_key), series, mode)
