"""An endpoint that serves a feature spec on the running site: a client sends keys and gets features, without any model."""

import json
from typing import Any

import httpx
import pytest
from databricks.sdk.service import catalog
from databricks.sdk.service.serving import EndpointCoreConfigInput, Route, ServedEntityInput, TrafficConfig

from sandbox.features.spec import Column, FeatureSpec, Function, Lookup
from tests.stack import Stack, wait_for

ENDPOINT, TABLE = "feature-serving", "main.default.served_customers"
SPEC_NAME, SHORT_NAME = "main.default.customer_features", "main.default.customer_spend"
SPEC = FeatureSpec(
    columns=(
        Column("customer", "data", "bigint"),
        Column("ytd", "data", "double"),
        Column("spend", "lookup", "double"),
        Column("country", "lookup", "string"),
        Column("gap", "function", "double"),
    ),
    lookups=(Lookup(TABLE, {"id": "customer"}, {"yearly": "spend", "country": "country"}, defaults={"country": "nowhere"}),),
    functions=(Function("main.default.spending_gap", {"num_1": "ytd", "num_2": "spend"}, "gap"),),
    exclude_columns=("ytd",),
)
SHORT = FeatureSpec(
    columns=(Column("customer", "data", "bigint"), Column("spend", "lookup", "double")),
    lookups=(Lookup(TABLE, {"id": "customer"}, {"yearly": "spend"}),),
)
STATEMENTS = (
    f"CREATE TABLE {TABLE} (id BIGINT NOT NULL, yearly DOUBLE, country STRING, PRIMARY KEY (id))",
    f"INSERT INTO {TABLE} SELECT id, id * 100.0, concat('land-', id) FROM range(50)",
    "CREATE FUNCTION main.default.spending_gap(num_1 DOUBLE, num_2 DOUBLE) RETURNS DOUBLE LANGUAGE PYTHON AS "
    "$$\nif num_2 is None or num_2 != num_2:\n    return None\nreturn num_1 - num_2\n$$",
)


def run(sdk: Any, statement: str) -> Any:
    done = sdk.statement_execution.execute_statement(statement=statement, warehouse_id="sandbox", wait_timeout="50s")
    assert done.status.state.value == "SUCCEEDED", done.status
    return done.result


def create_spec(sdk: Any, full_name: str, spec: FeatureSpec) -> None:
    name = full_name.rpartition(".")[2]
    sdk.functions.create(
        catalog.CreateFunction(
            name=name, catalog_name="main", schema_name="default", specific_name=name,
            input_params=catalog.FunctionParameterInfos(parameters=[]),
            data_type=catalog.ColumnTypeName.STRING, full_data_type="STRING",
            routine_body=catalog.CreateFunctionRoutineBody.EXTERNAL, external_language="FEATURE_SPEC",
            routine_definition=spec.to_json(), parameter_style=catalog.CreateFunctionParameterStyle.S,
            is_deterministic=True, sql_data_access=catalog.CreateFunctionSqlDataAccess.NO_SQL, is_null_call=False,
            security_type=catalog.CreateFunctionSecurityType.DEFINER,
        )
    )  # fmt: skip


def publish(sdk: Any, table: str, online_table: str) -> None:
    spec = catalog.OnlineTableSpec(
        source_table_full_name=table,
        primary_key_columns=["id"],
        perform_full_copy=True,
        run_triggered=catalog.OnlineTableSpecTriggeredSchedulingPolicy(),
    )
    sdk.online_tables.create(catalog.OnlineTable(name=online_table, spec=spec))


def entity(name: str, **more: Any) -> ServedEntityInput:
    return ServedEntityInput(entity_name=name, workload_size="Small", scale_to_zero_enabled=False, **more)


def settled(sdk: Any, stack: Stack, endpoint: str, version: int = 1) -> Any:
    """The endpoint with this config, once it is ready."""

    def look() -> Any:
        found = sdk.serving_endpoints.get(endpoint)
        assert found.state.config_update.value != "UPDATE_FAILED", f"{found.as_dict()}\n{stack.log_tails()}"
        return found if found.state.ready.value == "READY" and found.config.config_version == version else None

    return wait_for(look, 120, f"{endpoint} did not become READY", stack.log_tails)


@pytest.fixture(scope="module")
def endpoint(stack: Stack, sdk: Any) -> str:
    for statement in STATEMENTS:
        run(sdk, statement)
    publish(sdk, TABLE, f"{TABLE}_online")
    create_spec(sdk, SPEC_NAME, SPEC)
    create_spec(sdk, SHORT_NAME, SHORT)
    traced = entity(SPEC_NAME, environment_vars={"ENABLE_FEATURE_TRACING": "true"})
    sdk.serving_endpoints.create(name=ENDPOINT, config=EndpointCoreConfigInput(name=ENDPOINT, served_entities=[traced]))
    settled(sdk, stack, ENDPOINT)
    return ENDPOINT


def test_keys_become_features(stack: Stack, sdk: Any, endpoint: str, http: httpx.Client) -> None:
    answer = sdk.serving_endpoints.query(endpoint, dataframe_records=[{"customer": n, "ytd": 1000.0 - n} for n in range(50)])
    assert answer.outputs == [
        {"customer": n, "spend": n * 100.0, "country": f"land-{n}", "gap": 1000.0 - n - n * 100.0} for n in range(50)
    ]
    split = {"dataframe_split": {"columns": ["ytd", "customer"], "data": [[5.0, 77]]}}
    missing = http.post(f"/serving-endpoints/{endpoint}/invocations", json=split)
    assert missing.json() == {"outputs": [{"customer": 77, "spend": None, "country": "nowhere", "gap": None}]}
    assert missing.headers["served-model-name"] == "customer_features"
    refused = http.post(f"/serving-endpoints/{endpoint}/invocations", json={"dataframe_records": [{"ytd": 1.0}]})
    assert (refused.status_code, refused.json()["error_code"]) == (400, "BAD_REQUEST")
    assert "lacks the column 'customer'" in refused.json()["message"]
    schema = json.loads(sdk.serving_endpoints.get_open_api(endpoint).contents.read())
    [path] = schema["paths"].values()
    forms = path["post"]["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert forms[1]["properties"]["dataframe_records"]["items"]["required"] == ["customer", "ytd"]


def test_what_was_found_is_in_the_inference_table(stack: Stack, sdk: Any, endpoint: str) -> None:
    sdk.serving_endpoints.query(endpoint, dataframe_records=[{"customer": 3, "ytd": 1.0}], client_request_id="traced")
    statement = f"SELECT request, response FROM main.default.`{endpoint}_payload` WHERE client_request_id = 'traced'"
    [[request, response]] = wait_for(
        lambda: endpoint_has_table(sdk) and run(sdk, statement).data_array, 90, "nothing was captured", stack.log_tails
    )
    assert json.loads(request)["dataframe_records"] == [{"customer": 3, "ytd": 1.0}]
    logged = json.loads(response)
    assert logged["outputs"] == [{"customer": 3, "spend": 300.0, "country": "land-3", "gap": -299.0}]
    assert logged["databricks_output"]["trace"]["data"]["spans"] == [
        {
            "name": "feature_lookup",
            "outputs": {"columns": ["customer", "ytd", "spend", "country", "gap"], "data": [[3, 1.0, 300.0, "land-3", -299.0]]},
        }
    ]


def endpoint_has_table(sdk: Any) -> bool:
    return any(table.name == f"{ENDPOINT}_payload" for table in sdk.tables.list("main", "default"))


def test_two_specs_share_the_traffic_after_an_update_in_place(stack: Stack, sdk: Any, endpoint: str) -> None:
    config = sdk.serving_endpoints.update_config(
        endpoint,
        served_entities=[entity(SPEC_NAME), entity(SHORT_NAME)],
        traffic_config=TrafficConfig(
            routes=[Route(served_model_name="customer_features", traffic_percentage=50),
                    Route(served_model_name="customer_spend", traffic_percentage=50)]
        ),
    ).response  # fmt: skip
    assert [each.entity_version for each in config.pending_config.served_entities] == [None, None]
    settled(sdk, stack, endpoint, version=2)
    row = {"customer": 2, "ytd": 0.0}
    answers = [sdk.serving_endpoints.query(endpoint, dataframe_records=[row]).outputs[0] for _ in range(60)]
    whole = {"customer": 2, "spend": 200.0, "country": "land-2", "gap": -200.0}
    short = {"customer": 2, "spend": 200.0}
    assert {len(each) for each in answers} == {2, 4}
    assert all(each in (whole, short) for each in answers)


def test_a_spec_that_is_dropped_serves_on_until_it_is_updated(stack: Stack, sdk: Any, endpoint: str) -> None:
    sdk.functions.delete(SHORT_NAME)
    with pytest.raises(Exception, match=r"Feature spec .*customer_spend. does not exist"):
        sdk.serving_endpoints.update_config(endpoint, served_entities=[entity(SHORT_NAME)])
    assert sdk.serving_endpoints.query(endpoint, dataframe_records=[{"customer": 9, "ytd": 1.0}]).outputs[0]["spend"] == 900.0
