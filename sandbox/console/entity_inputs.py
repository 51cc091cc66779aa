"""What is typed about the served models of a config, checked with the rules of the REST API, each error at its field."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings

from sandbox.console.inputs import MODEL_SEPARATOR, choose_from, identifier, name_rule
from sandbox.console.pairs import PairsField, pairs_text, read_pairs
from sandbox.errors import InvalidParameterValue
from sandbox.serving.autoscaling import SIZES
from sandbox.serving.entity_rules import WORKLOAD_TYPES, default_name, read_entities

Json = dict[str, Any]
RANGE = "range"
"""Value of the size picker that lets provisioned concurrency be given in numbers."""
SIZE_CHOICES = [
    *((size, f"{size}: {f'{low} to {high}' if low < high else low} requests at a time") for size, (low, high) in SIZES.items()),
    (RANGE, "Provisioned concurrency in numbers"),
]
TYPE_WORDS = {
    "CPU": "CPU, 4 GB",
    "CPU_MEDIUM": "CPU_MEDIUM, 8 GB",
    "CPU_LARGE": "CPU_LARGE, 16 GB",
    "GPU_SMALL": "GPU_SMALL, 1 × T4",
    "GPU_MEDIUM": "GPU_MEDIUM, 1 × A10G",
    "MULTIGPU_MEDIUM": "MULTIGPU_MEDIUM, 4 × A10G",
}
TYPE_CHOICES = [(each, TYPE_WORDS.get(each, each)) for each in WORKLOAD_TYPES]
_FIELD_OF = (
    ("environment_vars", "environment_vars"),
    ("max_provisioned_concurrency", "max_provisioned_concurrency"),
    ("min_provisioned_concurrency", "min_provisioned_concurrency"),
    ("workload_size", "workload_size"),
    ("workload_type", "workload_type"),
    ("served entity name", "name"),
    ("Names are unique", "name"),
)
"""Words of a refusal -> the field that it is about; the first that fits."""


class ServedEntityInput(forms.Form):
    """One served model: which version, how large, and its share of the traffic."""

    model = forms.ChoiceField(label="Version", error_messages={"required": "Choose a version from your registry."})
    name = forms.CharField(label="Served name", required=False, max_length=63, validators=[name_rule], widget=identifier())
    workload_type = forms.ChoiceField(label="Compute type", choices=TYPE_CHOICES, initial="CPU")
    workload_size = forms.ChoiceField(label="Size", choices=SIZE_CHOICES, initial="Small")
    min_provisioned_concurrency = forms.IntegerField(label="At least", min_value=0, required=False)
    max_provisioned_concurrency = forms.IntegerField(label="At most", min_value=0, required=False)
    traffic_percentage = forms.IntegerField(
        label="Traffic",
        min_value=0,
        max_value=100,
        error_messages={"required": "Say how much of the traffic it gets, from 0 to 100."},
    )
    scale_to_zero_enabled = forms.BooleanField(label="Scale to zero when idle", required=False)
    environment_vars = PairsField(label="Environment variables", value_needed=True, rows=2)
    instance_profile_arn = forms.CharField(required=False, widget=forms.HiddenInput, max_length=200)

    def __init__(self, *args: Any, versions: Sequence[tuple[str, Any]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choose_from(self.fields["model"], [("", "Choose a version"), *versions])

    @property
    def model_and_version(self) -> tuple[str, str]:
        model, _, version = str(self.value_of("model") or "").rpartition(MODEL_SEPARATOR)
        return model, version

    @property
    def has_versions(self) -> bool:
        """Whether there is anything to choose."""
        return len(self["model"]) > 1

    @property
    def is_in_numbers(self) -> bool:
        """Whether provisioned concurrency is given instead of a size."""
        return bool(self["workload_size"].value() == RANGE)

    def value_of(self, name: str) -> Any:
        """The checked value, or as it stands in the form when it is wrong or was not checked."""
        return getattr(self, "cleaned_data", {}).get(name, self[name].value())

    def clean(self) -> None:
        """What the REST API would refuse is refused here, at its field."""
        if self.errors:
            return
        try:
            read_entities([entity_body(self)], None)
        except InvalidParameterValue as refusal:
            self.add_error(field_of(refusal.message), refusal.message)


def field_of(message: str) -> str:
    """The field of a served model that a refusal is about."""
    return next((field for words, field in _FIELD_OF if words in message), "model")


def entity_body(form: ServedEntityInput) -> Json:
    """`ServedEntityInput` of the REST API; of a form with errors as far as it goes."""
    model, version = form.model_and_version
    body: Json = {
        "name": form.value_of("name") or (default_name(model, version) if model else ""),
        "entity_name": model,
        **({"entity_version": version} if version else {}),
        **_size(form),
        "scale_to_zero_enabled": bool(form.value_of("scale_to_zero_enabled")),
    }
    if form.value_of("workload_type") not in {"", None, "CPU"}:
        body["workload_type"] = form.value_of("workload_type")
    if variables := _variables(form):
        body["environment_vars"] = variables
    if form.value_of("instance_profile_arn"):
        body["instance_profile_arn"] = form.value_of("instance_profile_arn")
    return body


def _variables(form: ServedEntityInput) -> dict[str, str]:
    """Of text that cannot be read, none."""
    given = form.value_of("environment_vars")
    if isinstance(given, list):
        return dict(given)
    try:
        return dict(read_pairs(str(given or ""), value_needed=True))
    except ValueError:
        return {}


def _size(form: ServedEntityInput) -> Json:
    if not form.is_in_numbers:
        return {"workload_size": form.value_of("workload_size")}
    names = ("min_provisioned_concurrency", "max_provisioned_concurrency")
    given = {name: form.value_of(name) for name in names if form.value_of(name) not in {None, ""}}
    return given or {"max_provisioned_concurrency": 0}


def initial_of(entity: Mapping[str, Any], share: int) -> Json:
    """What the form shows of an entity of a config [sdk: ServedEntityOutput]."""
    return {
        **{name: entity[name] for name in entity if name in ServedEntityInput.base_fields},
        "model": f"{entity.get('entity_name', '')}{MODEL_SEPARATOR}{entity.get('entity_version', '')}",
        "workload_size": entity.get("workload_size", RANGE),
        "traffic_percentage": share,
        "environment_vars": pairs_text(entity.get("environment_vars", {})),
    }


if TYPE_CHECKING:  # the class takes its type argument in the stubs only
    ServedEntitySet = forms.BaseFormSet[ServedEntityInput]
else:
    ServedEntitySet = forms.BaseFormSet


class _ServedEntities(ServedEntitySet):
    """All served models of one config; their shares must add up to 100."""

    def clean(self) -> None:
        if any(self.errors):
            return
        total = sum(form.cleaned_data["traffic_percentage"] for form in self.forms)
        if total != 100:
            raise forms.ValidationError(f"The traffic adds up to {total} %, not 100 %. Change the shares until the sum is 100.")
        names = [entity_body(form)["name"] for form in self.forms]
        for form, name in zip(self.forms, names, strict=True):
            if names.count(name) > 1:
                form.add_error("name", f"Two served models are called {name}. Give one of them another name.")


ServedEntitiesInput = forms.formset_factory(
    ServedEntityInput,
    formset=_ServedEntities,
    extra=0,
    min_num=1,
    max_num=settings.MAX_SERVED_ENTITIES,
    validate_min=True,
    validate_max=True,
)


def config_body(entities: ServedEntitySet) -> Json:
    """`served_entities` and `traffic_config` of custom models, with the names that the routes use."""
    served = [entity_body(form) for form in entities.forms]
    routes = [
        {"served_entity_name": body["name"], "traffic_percentage": _whole(form.value_of("traffic_percentage"))}
        for form, body in zip(entities.forms, served, strict=True)
    ]
    return {"served_entities": served, "traffic_config": {"routes": routes}}


def _whole(value: Any) -> int:
    return int(value) if re.fullmatch(r"\d{1,3}", str(value)) else 0
