"""Feature specs among the functions of the catalog: made by the SDK, shown whole, checked, and no function for SQL."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.service import catalog
from django.test import Client

from sandbox.workspaces.models import User

SPEC = {
    "format_version": 1,
    "columns": [
        {"name": "customer", "source": "data", "type": "bigint"},
        {"name": "tenure", "source": "lookup", "type": "int"},
    ],
    "lookups": [{"table": "main.default.customers", "keys": {"id": "customer"}, "features": {"tenure": "tenure"}}],
    "functions": [],
    "exclude_columns": [],
    "label": "",
}


def create(w: Any, definition: str, name: str = "customer_features") -> catalog.FunctionInfo:
    made: catalog.FunctionInfo = w.functions.create(
        catalog.CreateFunction(
            name=name,
            catalog_name="main",
            schema_name="default",
            input_params=catalog.FunctionParameterInfos(parameters=[]),
            data_type=catalog.ColumnTypeName.STRING,
            full_data_type="STRING",
            routine_body=catalog.CreateFunctionRoutineBody.EXTERNAL,
            external_language="FEATURE_SPEC",
            routine_definition=definition,
            parameter_style=catalog.CreateFunctionParameterStyle.S,
            is_deterministic=True,
            sql_data_access=catalog.CreateFunctionSqlDataAccess.NO_SQL,
            is_null_call=False,
            security_type=catalog.CreateFunctionSecurityType.DEFINER,
            specific_name=name,
        )
    )
    return made


def test_it_is_kept_and_shown_whole(w: Any, client_of: Callable[..., Any]) -> None:
    create(w, json.dumps(SPEC))
    got = w.functions.get("main.default.customer_features")
    assert (got.routine_body.value, got.external_language) == ("EXTERNAL", "FEATURE_SPEC")
    assert json.loads(got.routine_definition) == SPEC
    with pytest.raises(errors.NotFound, match="does not exist"):
        client_of("eve").functions.get("main.default.customer_features")


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("return 1", "is not JSON"),
        (json.dumps(SPEC | {"format_version": 7}), "format_version 7"),
        (json.dumps(SPEC | {"lookups": []}), "has the source lookup, but no lookup gives it"),
    ],
)
def test_what_is_no_spec_is_refused(w: Any, definition: str, words: str) -> None:
    with pytest.raises(errors.BadRequest, match=words):
        create(w, definition)
    assert list(w.functions.list("main", "default")) == []


def test_its_page_shows_the_columns_and_offers_no_call(w: Any) -> None:
    create(w, json.dumps(SPEC))
    browser = Client()
    browser.force_login(User.objects.get(username="ada"))
    page = browser.get("/sandbox/catalog/functions/main.default.customer_features/").content.decode()
    assert "Feature spec" in page
    assert "Where its columns come from" in page
    assert "main.default.customers" in page
    assert "Call it" not in page


def test_sql_cannot_call_it(w: Any) -> None:
    create(w, json.dumps(SPEC))
    answer = w.statement_execution.execute_statement("SELECT main.default.customer_features()", "sandbox")
    assert answer.status.state.value == "FAILED"
    assert "main.default.customer_features is a feature spec" in answer.status.error.message
