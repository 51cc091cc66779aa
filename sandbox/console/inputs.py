"""What is typed into the console's pages, checked field by field (Django's forms, named …Input here)."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import RegexValidator

from sandbox.console.json_text import readable

SIZES = [("Small", "Small"), ("Medium", "Medium"), ("Large", "Large")]
TASKS = [("llm/v1/chat", "Chat"), ("llm/v1/completions", "Completions"), ("llm/v1/embeddings", "Embeddings")]
KINDS = [("custom", "Custom model"), ("external", "External model")]
MODEL_SEPARATOR = "@"
"""Between model and version in a picker's value; a registered model's name cannot hold it."""

MAX_TIMES = 200
"""One press of the button; enough to see a split."""

name_rule = RegexValidator(r"^[A-Za-z0-9_-]+\Z", "Use letters, digits, '-' and '_' only.")


NO_HELP = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
"""Names and identifiers are not words."""


def _identifier() -> forms.TextInput:
    return forms.TextInput(attrs=NO_HELP)


class EndpointInput(forms.Form):
    """The endpoint itself: its name and which of the two kinds that people create."""

    name = forms.CharField(label="Endpoint name", max_length=63, validators=[name_rule], widget=_identifier())
    kind = forms.ChoiceField(label="Type", choices=KINDS, initial="custom", widget=forms.RadioSelect)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.startswith("databricks-"):
            raise forms.ValidationError(
                "Names that begin with 'databricks-' belong to the preconfigured endpoints. Choose another one."
            )
        return name


class ServedEntityInput(forms.Form):
    """One served model: which version, how large, and its share of the traffic."""

    model = forms.ChoiceField(label="Model and version")
    name = forms.CharField(label="Served name", required=False, max_length=63, validators=[name_rule], widget=_identifier())
    workload_size = forms.ChoiceField(label="Size", choices=SIZES, initial="Small")
    traffic_percentage = forms.IntegerField(
        label="Traffic",
        min_value=0,
        max_value=100,
        error_messages={"required": "Say how much of the traffic it gets, from 0 to 100."},
    )
    scale_to_zero_enabled = forms.BooleanField(label="Scale to zero when idle", required=False)

    def __init__(self, *args: Any, versions: Sequence[tuple[str, Any]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose_from(self.fields["model"], [("", "Choose a version"), *versions])

    @property
    def model_and_version(self) -> tuple[str, str]:
        model, _, version = self.cleaned_data["model"].rpartition(MODEL_SEPARATOR)
        return model, version


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


ServedEntitiesInput = forms.formset_factory(
    ServedEntityInput, formset=_ServedEntities, extra=0, min_num=1, max_num=10, validate_min=True, validate_max=True
)


class ExternalModelInput(forms.Form):
    """A provider's model; the key is taken in and never shown again."""

    task = forms.ChoiceField(label="Task", choices=TASKS, initial="llm/v1/chat")
    model = forms.CharField(label="Model name at the provider", max_length=100, initial="gpt-4o-mini", widget=_identifier())
    served_name = forms.CharField(
        label="Served name", required=False, max_length=63, validators=[name_rule], widget=_identifier()
    )
    api_key_plaintext = forms.CharField(
        label="API key", required=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    api_key = forms.CharField(
        label="Or a secret", required=False, widget=forms.TextInput(attrs={**NO_HELP, "placeholder": "{{secrets/scope/key}}"})
    )

    def clean(self) -> None:
        plaintext, secret = self.cleaned_data.get("api_key_plaintext"), self.cleaned_data.get("api_key")
        if bool(plaintext) == bool(secret):
            self.add_error("api_key_plaintext", "Give the key itself or the name of a secret: one of the two.")


class ReadableEncoder(json.JSONEncoder):
    """Shows the body as people write it."""

    def encode(self, o: Any) -> str:
        return readable(o)


class InvocationInput(forms.Form):
    """A request body as typed into the query panel."""

    body = forms.JSONField(
        label="Request body",
        encoder=ReadableEncoder,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        error_messages={"invalid": "This is not valid JSON. Check quotes, commas and brackets."},
    )
    times = forms.IntegerField(
        label="Send it this often",
        min_value=1,
        max_value=MAX_TIMES,
        error_messages={
            "min_value": f"It can be sent 1 to {MAX_TIMES} times.",
            "max_value": f"It can be sent 1 to {MAX_TIMES} times.",
        },
    )

    def clean_body(self) -> dict[str, Any]:
        """NaN is left in: a client can send it too, and what the endpoint answers is the lesson."""
        body = self.cleaned_data["body"]
        if not isinstance(body, dict):
            raise forms.ValidationError("The body must be a JSON object: { … }.")
        return body


class PromptInput(forms.Form):
    """A prompt for the playground."""

    endpoint = forms.ChoiceField(label="Endpoint")
    prompt = forms.CharField(label="Prompt", max_length=20_000, widget=forms.Textarea(attrs={"rows": 4}))

    def __init__(self, *args: Any, endpoints: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _choose_from(self.fields["endpoint"], [(name, name) for name in endpoints])


def _choose_from(field: forms.Field, choices: Sequence[tuple[str, Any]]) -> None:
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


def all_errors(typed: forms.Form) -> str:
    """Every error of a small form in one line, for a fragment that does not show the form."""
    return " ".join(str(error) for errors in typed.errors.values() for error in errors)
