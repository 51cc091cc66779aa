"""What is typed into the console's pages, checked field by field (Django's forms, named …Input here)."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.validators import RegexValidator

from sandbox.console.json_text import readable
from sandbox.console.pairs import PairsField
from sandbox.serving.serializers import MAX_DESCRIPTION_CHARACTERS

TASKS = [("llm/v1/chat", "Chat"), ("llm/v1/completions", "Completions"), ("llm/v1/embeddings", "Embeddings")]
KINDS = [("custom", "Custom model"), ("external", "External model")]
MODEL_SEPARATOR = "@"
"""Between model and version in a picker's value; a registered model's name cannot hold it."""

MAX_TIMES = 200
"""One press of the button; enough to see a split."""

name_rule = RegexValidator(r"^[A-Za-z0-9_-]+\Z", "Use letters, digits, '-' and '_' only.")


NO_HELP = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
"""Names and identifiers are not words."""


def identifier() -> forms.TextInput:
    return forms.TextInput(attrs=NO_HELP)


class EndpointInput(forms.Form):
    """The endpoint itself: its name and which of the two kinds that people create."""

    name = forms.CharField(label="Endpoint name", max_length=63, validators=[name_rule], widget=identifier())
    kind = forms.ChoiceField(label="Type", choices=KINDS, initial="custom", widget=forms.RadioSelect)
    description = forms.CharField(
        label="Description", required=False, max_length=MAX_DESCRIPTION_CHARACTERS, widget=forms.Textarea(attrs={"rows": 2})
    )
    tags = PairsField(label="Tags", value_needed=False, rows=2)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name.startswith("databricks-"):
            raise forms.ValidationError(
                "Names that begin with 'databricks-' belong to the preconfigured endpoints. Choose another one."
            )
        return name


class CaptureInput(forms.Form):
    """Where the calls are logged. All three left as they are: the table that every endpoint has here."""

    enabled = forms.BooleanField(label="Log every call to an inference table", required=False, initial=True)
    catalog_name = forms.CharField(label="Catalog", required=False, max_length=100, initial="main", widget=identifier())
    schema_name = forms.CharField(label="Schema", required=False, max_length=100, initial="default", widget=identifier())
    table_name_prefix = forms.CharField(label="Table prefix", required=False, max_length=100, widget=identifier())

    def value_of(self, name: str) -> Any:
        """The checked value, or as it stands in the form."""
        return getattr(self, "cleaned_data", {}).get(name, self[name].value())

    def body(self) -> dict[str, Any]:
        """`auto_capture_config`; empty when everything is as it would be without."""
        if not self.value_of("enabled"):
            return {"enabled": False}
        named = {name: self.value_of(name) or "" for name in ("catalog_name", "schema_name", "table_name_prefix")}
        if named == {"catalog_name": "main", "schema_name": "default", "table_name_prefix": ""}:
            return {}
        return {name: value for name, value in named.items() if value} | {"enabled": True}


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
        choose_from(self.fields["endpoint"], [(name, name) for name in endpoints])


def choose_from(field: forms.Field, choices: Sequence[tuple[str, Any]]) -> None:
    assert isinstance(field, forms.ChoiceField)
    field.choices = choices


def all_errors(typed: forms.Form) -> str:
    """Every error of a small form in one line, for a fragment that does not show the form."""
    return " ".join(str(error) for errors in typed.errors.values() for error in errors)
