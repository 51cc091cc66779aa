"""The create and the edit form as a whole: their parts, and the body of the REST API that they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from sandbox.console.entity_inputs import ServedEntitiesInput, ServedEntityInput, ServedEntitySet, config_body, initial_of
from sandbox.console.external_inputs import (
    ExternalModelInput,
    ExternalModelSet,
    ExternalModelsInput,
    ExternalTaskInput,
    external_config,
    external_initial,
)
from sandbox.console.inputs import CaptureInput, EndpointInput

Json = dict[str, Any]
Versions = list[tuple[str, Any]]
PREFIX, EXTERNAL = "entities", "external"
NEW_ROW = {"workload_size": "Small", "workload_type": "CPU", "scale_to_zero_enabled": True}
NEW_ROWS: dict[str, Json] = {PREFIX: NEW_ROW, EXTERNAL: {"model": ""}}
"""Prefix of the fields of a kind of rows -> what a row that is added begins with."""
FIELDS = {PREFIX: tuple(ServedEntityInput.base_fields), EXTERNAL: tuple(ExternalModelInput.base_fields)}


@dataclass(frozen=True)
class EndpointForms:
    """The parts of the page. `endpoint` is None when an endpoint that is there already, of the kind `edits`, is edited."""

    endpoint: EndpointInput | None
    entities: ServedEntitySet
    task: ExternalTaskInput
    external: ExternalModelSet
    capture: CaptureInput
    edits: str = ""

    @property
    def is_external(self) -> bool:
        kind = self.edits if self.endpoint is None else self.endpoint["kind"].value()
        return bool(kind == "external")

    def is_valid(self) -> bool:
        """Only the part that belongs to the chosen kind counts; all of it is checked so that all errors show at once."""
        parts = (self.task, self.external) if self.is_external else (self.entities,)
        return all([self.endpoint is None or self.endpoint.is_valid(), *(p.is_valid() for p in parts), self.capture.is_valid()])

    def config(self, *, show_key: bool = True) -> Json:
        """The body of a config update."""
        if self.is_external:
            config = external_config(str(_typed(self.task)["task"] or ""), self.external, show_key=show_key)
        else:
            config = config_body(self.entities)
        capture = self.capture.body()
        return config | ({"auto_capture_config": capture} if capture else {})

    def body(self, *, show_key: bool = True) -> Json:
        """The create body; without `show_key` a placeholder stands for the key."""
        assert self.endpoint is not None
        typed = _typed(self.endpoint)
        body: Json = {"name": typed["name"] or "", "config": self.config(show_key=show_key)}
        if typed["description"]:
            body["description"] = typed["description"]
        if isinstance(typed["tags"], list) and typed["tags"]:
            body["tags"] = [{"key": key, "value": value} for key, value in typed["tags"]]
        return body


def new_forms(query: Mapping[str, Any], versions: Versions) -> EndpointForms:
    """A page for one model with all of the traffic; `kind` and `model` may stand in the address."""
    kind = "external" if query.get("kind") == "external" else "custom"
    first = {**NEW_ROW, "model": query.get("model", ""), "traffic_percentage": 100}
    return EndpointForms(
        EndpointInput(initial={"kind": kind}),
        ServedEntitiesInput(initial=[first], prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalTaskInput(prefix=EXTERNAL),
        ExternalModelsInput(prefix=EXTERNAL),
        CaptureInput(prefix="capture"),
    )


def edit_forms(kind: str, task: str, config: Mapping[str, Any], capture: Mapping[str, Any], versions: Versions) -> EndpointForms:
    """A page that shows a config as it is; `kind` is custom or external."""
    routes = (config.get("traffic_config") or {}).get("routes") or []
    shares = {route["served_entity_name"]: int(route["traffic_percentage"]) for route in routes}
    entities = [(entity, shares.get(entity["name"], 0)) for entity in config["served_entities"]]
    is_external = kind == "external"
    rows = None if is_external else [initial_of(*each) for each in entities]
    external = [external_initial(*each) for each in entities] if is_external else None
    return EndpointForms(
        None,
        ServedEntitiesInput(initial=rows, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalTaskInput(prefix=EXTERNAL, initial={"task": task} if is_external else None),
        ExternalModelsInput(prefix=EXTERNAL, initial=external),
        CaptureInput(prefix="capture", initial=dict(capture)),
        kind,
    )


def bound_forms(data: QueryDict, versions: Versions, *, edits: str = "") -> EndpointForms:
    """What was sent; `edits` is the kind of the endpoint that is edited, empty for a new one."""
    return EndpointForms(
        None if edits else EndpointInput(data),
        ServedEntitiesInput(data, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalTaskInput(data, prefix=EXTERNAL),
        ExternalModelsInput(data, prefix=EXTERNAL),
        CaptureInput(data, prefix="capture"),
        edits,
    )


def unchecked_forms(data: QueryDict, versions: Versions, *, edits: str = "") -> EndpointForms:
    """What was typed so far, without complaints about what was not typed yet."""
    typed = bound_forms(data, versions, edits=edits)
    rows = [_raw(form) for form in typed.entities.forms]
    return EndpointForms(
        EndpointInput(initial=_raw(typed.endpoint)) if typed.endpoint is not None else None,
        ServedEntitiesInput(initial=rows, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalTaskInput(prefix=EXTERNAL, initial=_raw(typed.task)),
        ExternalModelsInput(prefix=EXTERNAL, initial=[_raw(form) for form in typed.external.forms]),
        CaptureInput(prefix="capture", initial=_raw(typed.capture)),
        edits,
    )


def with_rows_changed(data: QueryDict, change: str) -> QueryDict:
    """The same form with one row more (`add`) or without one (`remove:<position>`); `external-` before it for external models.

    A new row starts with no traffic; the first row takes over the share of one that goes.
    """
    changed = data.copy()
    action, _, position = change.partition(":")
    prefix = EXTERNAL if action.startswith(f"{EXTERNAL}-") else PREFIX
    action = action.removeprefix(f"{EXTERNAL}-")
    count = row_count(data, prefix)
    if action == "add" and count < ServedEntitiesInput.max_num:
        changed[f"{prefix}-TOTAL_FORMS"] = str(count + 1)
        changed[f"{prefix}-{count}-traffic_percentage"] = "0"
        for name, value in NEW_ROWS[prefix].items():
            changed[f"{prefix}-{count}-{name}"] = "on" if value is True else str(value)
    if action == "remove" and position.isdecimal() and int(position) < count and count > 1:
        share = data.get(f"{prefix}-{position}-traffic_percentage", "")
        _remove_row(changed, prefix, int(position), count)
        _give_first_row(changed, prefix, share)
    return changed


def row_count(data: QueryDict, prefix: str = PREFIX) -> int:
    given = data.get(f"{prefix}-TOTAL_FORMS", "1")
    if not (given.isascii() and given.isdecimal()):
        return 1
    return min(max(int(given[:6]), 1), ServedEntitiesInput.max_num)


def _remove_row(data: QueryDict, prefix: str, position: int, count: int) -> None:
    for row in range(position, count):
        for name in FIELDS[prefix]:
            following = data.get(f"{prefix}-{row + 1}-{name}")
            data.pop(f"{prefix}-{row}-{name}", None)
            if following is not None and row + 1 < count:
                data[f"{prefix}-{row}-{name}"] = following
    data[f"{prefix}-TOTAL_FORMS"] = str(count - 1)


def _give_first_row(data: QueryDict, prefix: str, share: str) -> None:
    name = f"{prefix}-0-traffic_percentage"
    shares = (data.get(name, ""), share)
    if all(each.isascii() and each.isdecimal() and len(each) <= 3 for each in shares):
        data[name] = str(sum(map(int, shares)))


def _typed(form: Any) -> Json:
    """What is in the form: checked where it was, else as it stands there."""
    checked: Mapping[str, Any] = getattr(form, "cleaned_data", {})
    return {name: checked.get(name, form[name].value()) for name in form.fields}


def _raw(form: Any) -> Json:
    return {name: form[name].value() for name in form.fields}
