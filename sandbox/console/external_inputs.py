"""What is typed about the external models of a config; keys are taken in and never shown again."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings

from sandbox.console.inputs import NO_HELP, TASKS, identifier, name_rule
from sandbox.serving.external_models import served_name

Json = dict[str, Any]
KEY_PLACE = "<your key>"
"""Instead of a key that was typed, wherever the body is shown."""
OPTIONAL = ("openai_api_base", "openai_organization")
"""Fields of openai_config beside the key [sdk: OpenAiConfig]."""


class ExternalTaskInput(forms.Form):
    """What all external models of an endpoint do."""

    task = forms.ChoiceField(label="Task", choices=TASKS, initial="llm/v1/chat")


class ExternalModelInput(forms.Form):
    """A model of provider openai and its share of the traffic."""

    model = forms.CharField(label="Model name at the provider", max_length=255, initial="gpt-4o-mini", widget=identifier())
    served_name = forms.CharField(label="Served name", required=False, max_length=63, validators=[name_rule], widget=identifier())
    api_key_plaintext = forms.CharField(
        label="API key", required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    api_key = forms.CharField(
        label="Or a secret", required=False, widget=forms.TextInput(attrs={**NO_HELP, "placeholder": "{{secrets/scope/key}}"})
    )
    openai_api_base = forms.CharField(label="Address of the API", required=False, max_length=2000, widget=identifier())
    openai_organization = forms.CharField(label="Organization", required=False, max_length=200, widget=identifier())
    traffic_percentage = forms.IntegerField(
        label="Traffic",
        min_value=0,
        max_value=100,
        initial=100,
        error_messages={"required": "Say how much of the traffic it gets, from 0 to 100."},
    )

    def value_of(self, name: str) -> Any:
        """The checked value, or as it stands in the form when it is wrong or was not checked."""
        return getattr(self, "cleaned_data", {}).get(name, self[name].value())

    def clean(self) -> None:
        plaintext, secret = self.cleaned_data.get("api_key_plaintext"), self.cleaned_data.get("api_key")
        if bool(plaintext) == bool(secret):
            self.add_error("api_key_plaintext", "Give the key itself or the name of a secret: one of the two.")

    @property
    def has_more(self) -> bool:
        """Whether one of the rarely used fields is filled in or wrong."""
        return any(self[name].value() or self[name].errors for name in OPTIONAL)


if TYPE_CHECKING:  # the class takes its type argument in the stubs only
    ExternalModelSet = forms.BaseFormSet[ExternalModelInput]
else:
    ExternalModelSet = forms.BaseFormSet


class _ExternalModels(ExternalModelSet):
    """All external models of one config; their shares must add up to 100."""

    def clean(self) -> None:
        if any(self.errors):
            return
        total = sum(form.cleaned_data["traffic_percentage"] for form in self.forms)
        if total != 100:
            raise forms.ValidationError(f"The traffic adds up to {total} %, not 100 %. Change the shares until the sum is 100.")
        names = [_name(form) for form in self.forms]
        for form, name in zip(self.forms, names, strict=True):
            if names.count(name) > 1:
                form.add_error("served_name", f"Two served models are called {name}. Give one of them another name.")


ExternalModelsInput = forms.formset_factory(
    ExternalModelInput,
    formset=_ExternalModels,
    extra=0,
    min_num=1,
    max_num=settings.MAX_SERVED_ENTITIES,
    validate_min=True,
    validate_max=True,
)


def external_config(task: str, models: ExternalModelSet, *, show_key: bool = True) -> Json:
    """`served_entities` of external models, and `traffic_config` where there are several."""
    entities = [_entity(task, form, show_key=show_key) for form in models.forms]
    if len(entities) == 1:
        return {"served_entities": entities}
    named = [{"name": _name(form), **entity} for form, entity in zip(models.forms, entities, strict=True)]
    routes = [
        {"served_entity_name": entity["name"], "traffic_percentage": _share(form)}
        for form, entity in zip(models.forms, named, strict=True)
    ]
    return {"served_entities": named, "traffic_config": {"routes": routes}}


def external_initial(entity: Mapping[str, Any], share: int) -> Json:
    """What the form shows of an external model of a config; a key that was pasted has to be typed again."""
    model = entity["external_model"]
    config = model.get("openai_config", {})
    return {
        "model": model["name"],
        "served_name": entity["name"],
        "api_key": config.get("openai_api_key", ""),
        **{name: config.get(name, "") for name in OPTIONAL},
        "traffic_percentage": share,
    }


def _entity(task: str, form: ExternalModelInput, *, show_key: bool) -> Json:
    secret, plain = form.value_of("api_key") or "", form.value_of("api_key_plaintext") or ""
    config = {"openai_api_key": secret} if secret else {"openai_api_key_plaintext": plain if show_key else KEY_PLACE}
    config |= {name: form.value_of(name) for name in OPTIONAL if form.value_of(name)}
    external = {"provider": "openai", "name": form.value_of("model") or "", "task": task, "openai_config": config}
    entity: Json = {"external_model": external}
    if form.value_of("served_name"):
        entity["name"] = form.value_of("served_name")
    return entity


def _name(form: ExternalModelInput) -> str:
    return str(form.value_of("served_name") or served_name(str(form.value_of("model") or "")))


def _share(form: ExternalModelInput) -> int:
    value = str(form.value_of("traffic_percentage"))
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 3 else 0
