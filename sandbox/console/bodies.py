"""The create and the edit form as a whole: their parts, and the body of the REST API that they stand for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from sandbox.console.entity_inputs import ServedEntitiesInput, ServedEntityInput, ServedEntitySet, config_body, initial_of
from sandbox.console.inputs import CaptureInput, EndpointInput, ExternalModelInput

Json = dict[str, Any]
Versions = list[tuple[str, Any]]
PREFIX = "entities"
KEY_PLACE = "<your key>"
"""Instead of a key that was typed, wherever the body is shown."""
NEW_ROW = {"workload_size": "Small", "workload_type": "CPU", "scale_to_zero_enabled": True}


@dataclass(frozen=True)
class EndpointForms:
    """The parts of the page. `endpoint` is None when an endpoint that is there already is edited."""

    endpoint: EndpointInput | None
    entities: ServedEntitySet
    external: ExternalModelInput
    capture: CaptureInput

    @property
    def is_external(self) -> bool:
        return self.endpoint is not None and bool(self.endpoint["kind"].value() == "external")

    def is_valid(self) -> bool:
        """Only the part that belongs to the chosen kind counts; all of it is checked so that all errors show at once."""
        part = self.external if self.is_external else self.entities
        return all([self.endpoint is None or self.endpoint.is_valid(), part.is_valid(), self.capture.is_valid()])

    def config(self, *, show_key: bool = True) -> Json:
        """The body of a config update."""
        config = external_config(_typed(self.external), show_key) if self.is_external else config_body(self.entities)
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
        ExternalModelInput(prefix="external"),
        CaptureInput(prefix="capture"),
    )


def edit_forms(config: Mapping[str, Any], capture: Mapping[str, Any], versions: Versions) -> EndpointForms:
    """A page that shows a config of custom models as it is."""
    routes = (config.get("traffic_config") or {}).get("routes") or []
    shares = {route["served_entity_name"]: int(route["traffic_percentage"]) for route in routes}
    rows = [initial_of(entity, shares.get(entity["name"], 0)) for entity in config["served_entities"]]
    return EndpointForms(
        None,
        ServedEntitiesInput(initial=rows, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalModelInput(prefix="external"),
        CaptureInput(prefix="capture", initial=dict(capture)),
    )


def bound_forms(data: QueryDict, versions: Versions, *, is_new: bool) -> EndpointForms:
    return EndpointForms(
        EndpointInput(data) if is_new else None,
        ServedEntitiesInput(data, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalModelInput(data, prefix="external"),
        CaptureInput(data, prefix="capture"),
    )


def unchecked_forms(data: QueryDict, versions: Versions, *, is_new: bool) -> EndpointForms:
    """What was typed so far, without complaints about what was not typed yet."""
    typed = bound_forms(data, versions, is_new=is_new)
    rows = [_raw(form) for form in typed.entities.forms]
    return EndpointForms(
        EndpointInput(initial=_raw(typed.endpoint)) if typed.endpoint is not None else None,
        ServedEntitiesInput(initial=rows, prefix=PREFIX, form_kwargs={"versions": versions}),
        ExternalModelInput(prefix="external", initial=_raw(typed.external)),
        CaptureInput(prefix="capture", initial=_raw(typed.capture)),
    )


def with_rows_changed(data: QueryDict, change: str) -> QueryDict:
    """The same form with one row more (`add`) or without one (`remove:<position>`).

    A new row starts with no traffic; the first row takes over the share of one that goes.
    """
    changed = data.copy()
    count = row_count(data)
    action, _, position = change.partition(":")
    if action == "add" and count < ServedEntitiesInput.max_num:
        changed[f"{PREFIX}-TOTAL_FORMS"] = str(count + 1)
        changed[f"{PREFIX}-{count}-traffic_percentage"] = "0"
        for name, value in NEW_ROW.items():
            changed[f"{PREFIX}-{count}-{name}"] = "on" if value is True else str(value)
    if action == "remove" and position.isdecimal() and int(position) < count and count > 1:
        share = data.get(f"{PREFIX}-{position}-traffic_percentage", "")
        _remove_row(changed, int(position), count)
        _give_first_row(changed, share)
    return changed


def row_count(data: QueryDict) -> int:
    given = data.get(f"{PREFIX}-TOTAL_FORMS", "1")
    if not (given.isascii() and given.isdecimal()):
        return 1
    return min(max(int(given[:6]), 1), ServedEntitiesInput.max_num)


def _remove_row(data: QueryDict, position: int, count: int) -> None:
    for row in range(position, count):
        for name in ServedEntityInput.base_fields:
            following = data.get(f"{PREFIX}-{row + 1}-{name}")
            data.pop(f"{PREFIX}-{row}-{name}", None)
            if following is not None and row + 1 < count:
                data[f"{PREFIX}-{row}-{name}"] = following
    data[f"{PREFIX}-TOTAL_FORMS"] = str(count - 1)


def _give_first_row(data: QueryDict, share: str) -> None:
    name = f"{PREFIX}-0-traffic_percentage"
    shares = (data.get(name, ""), share)
    if all(each.isascii() and each.isdecimal() and len(each) <= 3 for each in shares):
        data[name] = str(sum(map(int, shares)))


def external_config(typed: Mapping[str, Any], show_key: bool = True) -> Json:
    """`config` of one external model with provider openai."""
    secret, plain = typed.get("api_key") or "", typed.get("api_key_plaintext") or ""
    key = {"openai_api_key": secret} if secret else {"openai_api_key_plaintext": plain if show_key else KEY_PLACE}
    external = {"provider": "openai", "name": typed.get("model") or "", "task": typed.get("task") or "", "openai_config": key}
    entity: Json = {"external_model": external}
    if typed.get("served_name"):
        entity["name"] = typed["served_name"]
    return {"served_entities": [entity]}


def _typed(form: Any) -> Json:
    """What is in the form: checked where it was, else as it stands there."""
    checked: Mapping[str, Any] = getattr(form, "cleaned_data", {})
    return {name: checked.get(name, form[name].value()) for name in form.fields}


def _raw(form: Any) -> Json:
    return {name: form[name].value() for name in form.fields}
