"""The page of a function: its signature, its body, and a form that calls it."""

import json
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from sandbox.catalog import functions
from sandbox.catalog.functions import Definition
from sandbox.console.catalog import code
from sandbox.console.catalog.object_tags import tags_of
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.features import lookup_views
from sandbox.console.inputs import NO_HELP
from sandbox.console.json_text import readable
from sandbox.console.requests import PageRequest
from sandbox.sql.job import ParameterValue
from sandbox.sql.limits import PAGE_LIMITS, SqlFailed
from sandbox.sql.run import run_statement

SHOWN_ROWS = 100
Json = dict[str, Any]
_EXAMPLES = {"string": "'text'", "boolean": "TRUE", "date": "DATE '2026-01-31'", "timestamp": "TIMESTAMP '2026-01-31 12:00:00'"}
_NUMBERS = ("bigint", "int", "smallint", "tinyint", "float", "double", "decimal")


class CallInput(forms.Form):
    """A value for each parameter, as text; empty takes the default, or NULL where there is none."""

    def __init__(self, *args: Any, definition: Definition, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for position, each in enumerate(definition.parameters):
            hint = f"default {each.default}" if each.default is not None else ""
            widget = forms.TextInput(attrs=NO_HELP | {"placeholder": hint})
            label = f"{each.name} ({each.type_text})"
            self.fields[f"p{position}"] = forms.CharField(
                label=label, required=False, max_length=10_000, strip=False, widget=widget
            )


@securable_page("GET", "POST")
def function_page(request: PageRequest, opened: Opened) -> HttpResponse:
    """Signature and body as they were created; a POST calls it with the values of the form, in the jail."""
    definition = functions.definition_of(opened.row)
    typed = CallInput(request.POST or None, definition=definition)
    shown: Json = opened.shown() | {
        "object_tags": tags_of(opened.row),
        "definition": definition,
        "signature": signature(opened.row.name, definition),
        "statement": create_statement(opened.row.full_name, definition, opened.row.comment),
        "can_execute": opened.may("EXECUTE"),
        "is_callable": definition.language != functions.FEATURE_SPEC,
        "input": typed,
        "call": code.run_sql(settings.SITE_URL, example_call(opened.row.full_name, definition)),
    }
    if definition.language == functions.FEATURE_SPEC:
        shown |= lookup_views.spec_shown(opened)
    if request.method == "POST" and typed.is_valid():
        shown |= _called(opened, definition, [typed.cleaned_data[name] for name in typed.fields])
    fragment = bool(request.htmx) and request.method == "POST"
    template = "sandbox/catalog/_function_answer.html" if fragment else "sandbox/catalog/function.html"
    return render(request, template, shown, status=422 if "failure" in shown else 200)


def _called(opened: Opened, definition: Definition, values: list[str]) -> Json:
    """The rows, or the sentence that says what went wrong."""
    needed = [at for at, each in enumerate(definition.parameters) if values[at] or each.default is None]
    last = max(needed, default=-1)
    parameters = [
        ParameterValue(name=f"p{at}", value=values[at] or None, type=each.type_text.upper())
        for at, each in enumerate(definition.parameters[: last + 1])
    ]
    call = _call(opened.row.full_name, definition, [f":p{at}" for at in range(last + 1)])
    try:
        result = run_statement(opened.caller, call, parameters=parameters, limits=PAGE_LIMITS)
    except SqlFailed as failure:
        return {"failure": failure.message}
    return {"result": result, "rows": result.rows[:SHOWN_ROWS], "max_rows": SHOWN_ROWS}


def signature(name: str, definition: Definition) -> str:
    """On one line: `risk(tenure int) returns string`."""
    return f"{name}({_parameters(definition)}) returns {definition.return_type_text}"


def create_statement(full_name: str, definition: Definition, comment: str) -> str:
    """The statement that makes the function as it is; of a feature spec, which no statement makes, its JSON."""
    if definition.language == functions.FEATURE_SPEC:
        return readable(json.loads(definition.body))
    head = (
        f"CREATE OR REPLACE FUNCTION {code.sql_name(full_name)}({_parameters(definition)})\nRETURNS {definition.return_type_text}"
    )
    words = f"\nCOMMENT {code.sql_text(comment)}" if comment else ""
    if definition.language == functions.PYTHON:
        return f"{head}\nLANGUAGE PYTHON{words}\nAS $$\n{definition.body.strip(chr(10))}\n$$"
    return f"{head}{words}\nRETURN {definition.body}"


def example_call(full_name: str, definition: Definition) -> str:
    """A SELECT with a value of each parameter's type."""
    values = [_example(parameter.type_text) for parameter in definition.parameters if parameter.default is None]
    return _call(full_name, definition, values)


def _call(full_name: str, definition: Definition, values: list[str]) -> str:
    """`values` are written by this module; what a person types goes in as a parameter."""
    call = f"{code.sql_name(full_name)}({', '.join(values)})"
    is_table = definition.return_type_text.startswith(functions.TABLE_TYPE)
    return f"SELECT * FROM {call}" if is_table else f"SELECT {call} AS answer"  # noqa: S608 - see above


def _parameters(definition: Definition) -> str:
    return ", ".join(
        f"{code.sql_name(each.name)} {each.type_text}" + (f" DEFAULT {each.default}" if each.default is not None else "")
        for each in definition.parameters
    )


def _example(type_text: str) -> str:
    if type_text.startswith(_NUMBERS):
        return "1.5" if type_text in {"float", "double"} else "1"
    return _EXAMPLES.get(type_text, f"CAST(NULL AS {type_text})")
