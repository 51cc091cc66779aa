"""The page of a function: its signature, its body, and how to call it."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

from sandbox.catalog import functions
from sandbox.catalog.functions import Definition
from sandbox.console.catalog import code
from sandbox.console.catalog.object_tags import tags_of
from sandbox.console.catalog.opened import Opened, securable_page
from sandbox.console.requests import PageRequest

_EXAMPLES = {"string": "'text'", "boolean": "TRUE", "date": "DATE '2026-01-31'", "timestamp": "TIMESTAMP '2026-01-31 12:00:00'"}
_NUMBERS = ("bigint", "int", "smallint", "tinyint", "float", "double", "decimal")


@securable_page("GET")
def function_page(request: PageRequest, opened: Opened) -> HttpResponse:
    """Signature and body as they were created."""
    definition = functions.definition_of(opened.row)
    call = example_call(opened.row.full_name, definition)
    shown = opened.shown() | {
        "object_tags": tags_of(opened.row),
        "definition": definition,
        "signature": signature(opened.row.name, definition),
        "statement": create_statement(opened.row.full_name, definition, opened.row.comment),
        "can_execute": opened.may("EXECUTE"),
        "call": code.run_sql(settings.SITE_URL, call),
    }
    return render(request, "sandbox/catalog/function.html", shown)


def signature(name: str, definition: Definition) -> str:
    """On one line: `risk(tenure int) returns string`."""
    return f"{name}({_parameters(definition)}) returns {definition.return_type_text}"


def create_statement(full_name: str, definition: Definition, comment: str) -> str:
    """The statement that makes the function as it is."""
    head = (
        f"CREATE OR REPLACE FUNCTION {code.sql_name(full_name)}({_parameters(definition)})\nRETURNS {definition.return_type_text}"
    )
    words = f"\nCOMMENT {code.sql_text(comment)}" if comment else ""
    if definition.language == functions.PYTHON:
        return f"{head}\nLANGUAGE PYTHON{words}\nAS $$\n{definition.body.strip(chr(10))}\n$$"
    return f"{head}{words}\nRETURN {definition.body}"


def example_call(full_name: str, definition: Definition) -> str:
    """A SELECT with a value of each parameter's type."""
    values = ", ".join(_example(parameter.type_text) for parameter in definition.parameters if parameter.default is None)
    is_table = definition.return_type_text.startswith(functions.TABLE_TYPE)
    call = f"{code.sql_name(full_name)}({values})"
    return f"SELECT * FROM {call}" if is_table else f"SELECT {call} AS answer"  # noqa: S608 - shown, not run


def _parameters(definition: Definition) -> str:
    return ", ".join(
        f"{code.sql_name(each.name)} {each.type_text}" + (f" DEFAULT {each.default}" if each.default is not None else "")
        for each in definition.parameters
    )


def _example(type_text: str) -> str:
    if type_text.startswith(_NUMBERS):
        return "1.5" if type_text in {"float", "double"} else "1"
    return _EXAMPLES.get(type_text, f"CAST(NULL AS {type_text})")
