"""What an endpoint looks up is found when it is deployed, or the deployment fails with the documented sentence."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sandbox.catalog import functions, grants, lineage, securables, table_schema, tables
from sandbox.catalog.column_types import Column
from sandbox.catalog.functions import Definition, Parameter
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import SecurableType
from sandbox.connections import redis_client
from sandbox.errors import InvalidParameterValue, InvalidState, PermissionDenied, ResourceDoesNotExist
from sandbox.features import online_tables, schedule, sync
from sandbox.features import spec as specs
from sandbox.features.encoding import pointer_key
from sandbox.features.models import OnlineTable, Sync
from sandbox.features.plan import LookupPlan
from sandbox.features.spec import FeatureSpec, Function, Lookup
from sandbox.serving import access, lookup_plans, openapi, operations, tick
from sandbox.serving.models import DeploymentEvent, ServedEntity
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_config
from sandbox.workspaces import members
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from tests.unit.sandbox.serving.rollouts import create, deploy

MODEL, TABLE, ONLINE = "main.default.fed", "main.default.customers", "main.default.customers_online"
CONFIG = {"served_entities": [{"entity_name": MODEL, "entity_version": "1", "workload_size": "Small"}]}
COLUMNS = [Column("ID", "bigint"), Column("tenure", "int"), Column("total", "double")]
SPEC = FeatureSpec(
    columns=(
        specs.Column("customer", "data", "bigint"),
        specs.Column("tenure", "lookup", "int"),
        specs.Column("spend", "lookup", "double"),
        specs.Column("mean", "function", "double"),
    ),
    lookups=(Lookup(TABLE, {"id": "customer"}, {"Tenure": "tenure", "total": "spend"}, defaults={"spend": 0.5}),),
    functions=(Function("main.default.mean", {"months": "tenure", "TOTAL": "spend"}, "mean"),),
    exclude_columns=("customer",),
)
MEAN = Definition("PYTHON", "return total / months", (Parameter("total", "double"), Parameter("months", "int")), "double")


@pytest.fixture
def ada(workspace: Any, learner: Any, settings: Any, data_dir: Path) -> Caller:
    """With a feature table and a feature function; nothing is online yet."""
    settings.DELTA_DIR = data_dir / "delta"
    caller = Caller(workspace, learner)
    make_table(caller)
    functions.create_function(caller, "main.default.mean", MEAN)
    return caller


def make_table(caller: Caller, **more: Any) -> None:
    rows = pa.table({"ID": [1, 2], "tenure": pa.array([10, 20], pa.int32()), "total": [1.5, 2.5]})
    tables.create_table(caller, TABLE, COLUMNS, rows=rows, primary_key=["ID"], **more)


def publish(caller: Caller, name: str = ONLINE) -> OnlineTable:
    return online_tables.create_online_table(caller, name, TABLE, mode=OnlineTable.Mode.SNAPSHOT)


def fill() -> None:
    """As control does."""
    for waiting in Sync.objects.filter(state=Sync.State.QUEUED):
        assert sync.run(waiting.pk)


def register(registry: Any, folder: Path, spec: FeatureSpec | str = SPEC) -> None:
    folder.mkdir(exist_ok=True)
    (folder / specs.FILE_NAME).write_text(spec if isinstance(spec, str) else spec.to_json())
    registry.add(MODEL, "1", folder)


def changed(**changes: Any) -> FeatureSpec:
    return dataclasses.replace(SPEC, **changes)


def find(caller: Caller) -> LookupPlan | None:
    return lookup_plans.find(caller.workspace, MODEL, "1")


def test_a_spec_becomes_a_plan(ada: Caller, registry: Any, tmp_path: Path) -> None:
    register(registry, tmp_path / "model")
    oldest = publish(ada)
    with pytest.raises(lookup_plans.NotYet, match=f"{ONLINE} is being filled"):
        find(ada)
    publish(ada, f"{ONLINE}_2")
    fill()
    plan = find(ada)
    assert plan is not None
    assert LookupPlan.from_dict(plan.to_dict()) == plan
    as_postgresql_keeps_it = json.loads(json.dumps(plan.to_dict(), sort_keys=True))
    assert list(LookupPlan.from_dict(as_postgresql_keeps_it).functions[0].arguments) == ["total", "months"]
    [table], [call] = plan.tables, plan.functions
    assert (table.online_table_id, table.online_table, table.table) == (oldest.pk, ONLINE, TABLE)
    assert (table.key, table.features, table.defaults) == (
        {"ID": "customer"},
        {"tenure": "tenure", "total": "spend"},
        {"spend": 0.5},
    )
    assert (call.name, call.body, call.returns) == ("main.default.mean", "return total / months", "double")
    assert list(call.arguments.items()) == [("total", "spend"), ("months", "tenure")]
    assert plan.inputs == ("tenure", "spend", "mean")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("{}", "The feature spec of main.default.fed version 1 cannot be used. feature_spec.json has format_version None"),
        (
            changed(lookups=(dataclasses.replace(SPEC.lookups[0], table="main.default.gone"),)),
            "No suitable online store found for feature tables: main.default.gone. The table main.default.gone does not exist.",
        ),
        (
            changed(lookups=(dataclasses.replace(SPEC.lookups[0], keys={"primary_key": "customer"}),)),
            r"are looked up by \(primary_key\), but its primary key is \(ID\)",
        ),
        (
            changed(lookups=(dataclasses.replace(SPEC.lookups[0], features={"age": "tenure", "total": "spend"}),)),
            "main.default.customers has no feature age",
        ),
        (
            changed(functions=(Function("main.default.mean", {"total": "spend"}, "mean"),)),
            r"takes \(total, months\), but the model was trained with \(total\)",
        ),
        (changed(functions=(Function("main.default.gone", {}, "mean"),)), "function main.default.gone does not exist"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_named(ada: Caller, registry: Any, tmp_path: Path, spec: Any, message: str) -> None:
    register(registry, tmp_path / "model", spec)
    publish(ada)
    fill()
    with pytest.raises(InvalidState, match=message):
        find(ada)


def test_a_table_that_is_not_online_fails_the_deployment(
    ada: Caller, registry: Any, tmp_path: Path, control: Any, node: Any
) -> None:
    register(registry, tmp_path / "model")
    endpoint = create(ada.workspace, body=CONFIG)
    control.run()
    entity = ServedEntity.objects.get(config__endpoint=endpoint)
    assert entity.deployment == "DEPLOYMENT_FAILED"
    assert entity.deployment_state_message == (
        f"No suitable online store found for feature tables: {TABLE}. {TABLE} has no online table. "
        "Publish it, then update the endpoint's config."
    )
    publish(ada)
    fill()
    assert find(ada) is not None
    make_table_anew(ada)
    with pytest.raises(InvalidState, match=r"created anew after it was published as .*_online \(source_table_id mismatch\)"):
        find(ada)


def make_table_anew(caller: Caller) -> None:
    tables.drop_table(caller, TABLE)
    make_table(caller)


def test_from_deployment_to_the_end_of_the_online_table(
    ada: Caller, registry: Any, tmp_path: Path, control: Any, node: Any
) -> None:
    register(registry, tmp_path / "model")
    online = publish(ada)
    fill()
    endpoint = deploy(ada.workspace, node, control, body=CONFIG)
    [spec] = node.specs.values()
    assert spec["lookups"]["tables"][0]["online_table_id"] == online.pk
    found = DeploymentEvent.objects.get(endpoint=endpoint, type="FEATURE_LOOKUPS_FOUND")
    assert found.message == (
        f"Looks up tenure, spend in {ONLINE} (of {TABLE}) by customer. Computes mean with main.default.mean(spend, tenure)."
    )
    upstream, _ = lineage.neighbours(ada.workspace, Node(Kind.MODEL_VERSION, f"{MODEL}/1"))
    assert upstream == [Node(Kind.FUNCTION, "main.default.mean"), Node(Kind.TABLE, TABLE)]

    online_tables.delete_online_table(ada, ONLINE)
    broken = DeploymentEvent.objects.get(endpoint=endpoint, type="FEATURE_LOOKUPS_BROKEN")
    assert broken.message.startswith(f"The online table {ONLINE} was deleted. Requests that need features of {TABLE} are refused")


def test_an_endpoint_waits_for_the_first_rows(ada: Caller, registry: Any, tmp_path: Path, control: Any, node: Any) -> None:
    register(registry, tmp_path / "model")
    publish(ada)
    endpoint = create(ada.workspace, body=CONFIG)
    control.redis.delete("control")  # the sync that was queued
    tick.tick()
    control.run()
    assert ServedEntity.objects.get().deployment_state_message == f"The online table {ONLINE} is being filled."
    fill()
    tick.tick()
    control.run()
    assert node.started() == [ServedEntity.objects.get(config__endpoint=endpoint).id]


def needs_all_of(ada: Caller, body: Any, served: tuple[SecurableType, str, str]) -> None:
    """Somebody else is refused until the last privilege is granted."""
    user = User.objects.create(username="bob", email="bob@example.org")
    members.add_member(ada.workspace, "bob")
    bob, config = Caller(ada.workspace, user), read_config(body)
    for kind, name, privilege in (
        (SecurableType.CATALOG, "main", "USE_CATALOG"),
        (SecurableType.SCHEMA, "main.default", "USE_SCHEMA"),
        served,
        (SecurableType.TABLE, TABLE, "SELECT"),
        (SecurableType.FUNCTION, "main.default.mean", "EXECUTE"),
    ):
        with pytest.raises(PermissionDenied):
            access.check_config(bob, config)
        grants.change(ada, securables.find(ada.workspace, kind, name), {"bob@example.org": [privilege]}, {})
    access.check_config(bob, config)


def test_who_may_not_read_a_table_cannot_let_an_endpoint_do_it(ada: Caller, registry: Any, tmp_path: Path) -> None:
    register(registry, tmp_path / "model")
    needs_all_of(ada, CONFIG, (SecurableType.MODEL, MODEL, "EXECUTE"))
    assert operations.list_endpoints(ada.workspace) == []


# --- feature specs that are served themselves --------------------------------------------------------

SPEC_NAME = "main.default.customer_features"
SPEC_CONFIG = {"served_entities": [{"entity_name": SPEC_NAME, "workload_size": "Small", "scale_to_zero_enabled": True}]}


def make_spec(caller: Caller, spec: FeatureSpec = SPEC, *, or_replace: bool = False) -> None:
    definition = Definition(functions.FEATURE_SPEC, spec.to_json(), (), "string")
    functions.create_function(caller, SPEC_NAME, definition, or_replace=or_replace)


def test_a_feature_spec_is_served_without_a_model(ada: Caller, registry: Any, control: Any, node: Any) -> None:
    make_spec(ada)
    publish(ada)
    fill()
    endpoint = deploy(ada.workspace, node, control, body=SPEC_CONFIG)
    entity = ServedEntity.objects.get(config__endpoint=endpoint)
    assert (entity.name, entity.entity_version, entity.runtime) == ("customer_features", "", "spec")
    [order] = node.specs.values()
    assert (order["runtime"], order["model_sha256"], order["lookups"]["inputs"]) == ("spec", "", ["tenure", "spend", "mean"])
    shown = detailed(operations.get_endpoint(ada.workspace, endpoint.name), ada.workspace)["config"]["served_entities"][0]
    assert (shown["entity_name"], "entity_version" in shown) == (SPEC_NAME, False)
    upstream, downstream = lineage.neighbours(ada.workspace, Node(Kind.FUNCTION, SPEC_NAME))
    assert upstream == [Node(Kind.FUNCTION, "main.default.mean"), Node(Kind.TABLE, TABLE)]
    assert downstream == [Node(Kind.ENDPOINT, endpoint.name)]

    schema = openapi.describe(operations.get_endpoint(ada.workspace, endpoint.name))
    post = schema["paths"]["/served-models/customer_features/invocations"]["post"]
    records = post["requestBody"]["content"]["application/json"]["schema"]["oneOf"][1]["properties"]["dataframe_records"]
    assert records["items"] == {
        "type": "object",
        "required": ["customer"],
        "properties": {"customer": {"type": "integer", "format": "int64"}},
    }
    answer = post["responses"]["200"]["content"]["application/json"]["schema"]["properties"]["outputs"]["items"]
    assert list(answer["properties"]) == ["tenure", "spend", "mean"]

    make_spec(ada, changed(exclude_columns=("customer", "mean")), or_replace=True)
    functions.drop_function(ada, "main.default.mean")
    tick.tick()
    control.run()
    assert ServedEntity.objects.get().lookups["inputs"] == ["tenure", "spend", "mean"], "as it was deployed, until it is updated"


def test_a_version_and_its_absence_are_checked(ada: Caller, registry: Any, tmp_path: Path) -> None:
    make_spec(ada)
    register(registry, tmp_path / "model")
    for entity, error, words in (
        ({"entity_name": MODEL}, InvalidParameterValue, f"entity_version is required for the model '{MODEL}'."),
        ({"entity_name": SPEC_NAME, "entity_version": "1"}, InvalidParameterValue, "is a feature spec, which has no versions"),
        ({"entity_name": "main.default.mean"}, ResourceDoesNotExist, "Feature spec 'main.default.mean' does not exist"),
        ({"entity_name": "main.default.nothing"}, ResourceDoesNotExist, "Feature spec 'main.default.nothing' does not exist"),
    ):
        with pytest.raises(error, match=words):
            create(ada.workspace, body={"served_entities": [{"workload_size": "Small", **entity}]})


def test_serving_a_spec_needs_execute_on_it_and_select_on_its_tables(ada: Caller) -> None:
    make_spec(ada)
    needs_all_of(ada, SPEC_CONFIG, (SecurableType.FUNCTION, SPEC_NAME, "EXECUTE"))


def test_a_column_that_changed_its_type_cannot_be_deployed(ada: Caller, registry: Any, tmp_path: Path) -> None:
    columns = (SPEC.columns[0], specs.Column("tenure", "lookup", "string"), *SPEC.columns[2:])
    register(registry, tmp_path / "model", changed(columns=columns))
    publish(ada)
    fill()
    with pytest.raises(InvalidState, match=r"feature Tenure of .*customers is int now, and was string when"):
        find(ada)


def test_the_endpoint_says_what_happens_to_its_online_table(ada: Caller, registry: Any, control: Any, node: Any) -> None:
    make_spec(ada)
    online = publish(ada)
    fill()
    endpoint = deploy(ada.workspace, node, control, body=SPEC_CONFIG)

    def told() -> tuple[str, str]:
        """The newest event about features, and what stands beside the state."""
        schedule.look()
        control.run()
        event = DeploymentEvent.objects.filter(endpoint=endpoint, type__startswith="FEATURE_LOOKUPS_").latest("id")
        entity = ServedEntity.objects.get(config__endpoint=endpoint)
        assert entity.deployment == "DEPLOYMENT_READY"
        assert event.message == (entity.deployment_state_message or event.message)
        return event.type, event.message

    redis_client().delete(pointer_key(online.pk))
    schedule.look()
    lost = DeploymentEvent.objects.filter(endpoint=endpoint).latest("id")
    assert lost.message.startswith(f"The online table {ONLINE} lost its rows, which are being copied anew")
    fill()
    assert told() == ("FEATURE_LOOKUPS_RESTORED", f"The online table {ONLINE} has its rows again, and is kept up to date.")

    table_schema.rename_column(ada, TABLE, "tenure", "months")
    online_tables.sync_now(ada, ONLINE)
    fill()
    kind, message = told()
    assert kind == "FEATURE_LOOKUPS_BROKEN"
    assert (
        message == f"The online table {ONLINE} has no column tenure any more. Requests that need features of {TABLE} are refused."
    )
    table_schema.rename_column(ada, TABLE, "months", "tenure")
    table_schema.add_columns(ada, TABLE, [Column("city", "string")])
    online_tables.sync_now(ada, ONLINE)
    fill()
    assert told()[0] == "FEATURE_LOOKUPS_RESTORED", "a new column is no trouble"

    tables.drop_table(ada, TABLE)
    kind, message = told()
    assert (kind, OnlineTable.objects.get().state) == ("FEATURE_LOOKUPS_BROKEN", "ONLINE_PIPELINE_FAILED")
    assert message == (
        f"The online table {ONLINE} is not kept up to date: The source table {TABLE} does not exist any more. "
        "The rows stay as they were last; delete this online table and publish again."
    )
    make_table(ada)
    online_tables.sync_now(ada, ONLINE)
    fill()
    assert "was dropped and created anew" in told()[1]
    assert DeploymentEvent.objects.filter(endpoint=endpoint, type="FEATURE_LOOKUPS_BROKEN").count() == 4
