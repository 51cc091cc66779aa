"""A statement of the SQL page as a program: with databricks-sdk, and as curl."""

from typing import Any

from sandbox.console.catalog.code import python, three
from sandbox.console.samples import Sample
from sandbox.console.sdk_code import rest
from sandbox.console.sql.scopes import Scope
from sandbox.sql.warehouses import WAREHOUSE_ID

PATH = "/api/2.0/sql/statements"


def execute(site_url: str, statement: str, scope: Scope) -> list[Sample]:
    """Send it, wait for it, print its rows."""
    body: dict[str, Any] = {
        "warehouse_id": WAREHOUSE_ID,
        "catalog": scope.catalog,
        "schema": scope.schema,
        "statement": statement,
        "wait_timeout": "30s",
    }
    lines = "".join(f"    {name}={_value(name, value)},\n" for name, value in body.items())
    program = f"answer = w.statement_execution.execute_statement(\n{lines})\nprint(answer.status)\nif answer.result:\n"
    return three("", python(site_url, f"{program}    print(answer.result.data_array)"), rest(site_url, "POST", PATH, body))


def _value(name: str, value: str) -> str:
    """The statement stands there as it was written, unless Python would read it as something else."""
    if name != "statement" or "\n" not in value or '"""' in value or "\\" in value or value.endswith('"'):
        return repr(value)
    return f'"""{value}"""'
