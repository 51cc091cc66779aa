"""Checks the text of a function before the catalog keeps it: the same for SQL's CREATE FUNCTION and the REST API."""

from sandbox.catalog import functions
from sandbox.catalog.functions import Definition
from sandbox.errors import InvalidParameterValue
from sandbox.sql import python_functions
from sandbox.workspaces.members import Caller


def check(caller: Caller, definition: Definition) -> None:
    """Raises InvalidParameterValue when it is no function, with the reason. Python is read in the jail only."""
    if definition.language != functions.PYTHON:
        return
    try:
        python_functions.check(caller.workspace.id, definition.body, [each.name for each in definition.parameters])
    except python_functions.FunctionFailed as failure:
        raise InvalidParameterValue(f"[INVALID_UDF] The Python function cannot be created. {failure}") from None
