"""Tables by the unmodified SDK: made, described, listed in pages, keyed; inference tables and system tables among them."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from databricks.sdk import errors
from databricks.sdk.service import catalog
from django.conf import settings

from sandbox.catalog import lineage, system_tables, table_rows
from sandbox.catalog.lineage import Kind, Node
from sandbox.inference_tables.delta import SCHEMA, CaptureTable
from sandbox.inference_tables.names import TableName
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace

DELTA, MANAGED = catalog.DataSourceFormat.DELTA, catalog.TableType.MANAGED
COLUMNS = [
    catalog.ColumnInfo(name="id", type_name=catalog.ColumnTypeName.LONG, nullable=False),
    catalog.ColumnInfo(name="Scores", type_text="ARRAY<DOUBLE>", comment="Per month"),
    catalog.ColumnInfo(name="at", type_text="timestamp", nullable=False),
]


@pytest.fixture
def ada(w: Any) -> Caller:
    user = User.objects.get(username="ada")
    return Caller(open_workspace(user), user)


def create(w: Any, name: str, **more: Any) -> Any:
    return w.tables.create(name, "main", "default", MANAGED, DELTA, "", **{"columns": COLUMNS, **more})


def test_a_table(w: Any, ada: Caller, client_of: Callable[..., Any]) -> None:
    made = create(w, "Customers", properties={"delta.enableChangeDataFeed": "true"})
    got = w.tables.get("main.default.customers")
    assert got == made
    assert (got.table_type, got.data_source_format, got.owner) == (MANAGED, DELTA, "ada@example.org")
    assert [(each.name, each.type_text, each.type_name.value, each.nullable, each.position) for each in got.columns] == [
        ("id", "bigint", "LONG", False, 0),
        ("Scores", "array<double>", "ARRAY", True, 1),
        ("at", "timestamp", "TIMESTAMP", False, 2),
    ]
    assert (got.columns[1].comment, got.properties) == ("Per month", {"delta.enableChangeDataFeed": "true"})
    table_rows.append(ada, "main.default.customers", pa.table({"id": [1], "at": pa.array([0], pa.timestamp("us", tz="UTC"))}))
    assert w.tables.exists("main.default.customers").table_exists
    assert not w.tables.exists("main.default.other").table_exists
    eve = client_of("eve")
    assert not eve.tables.exists("main.default.customers").table_exists
    for gone in (lambda: eve.tables.get("main.default.customers"), lambda: w.tables.get("main.default.customers_")):
        with pytest.raises(errors.NotFound, match=r"Table 'main\.default\.customers_?' does not exist"):
            gone()
    with pytest.raises(errors.ResourceAlreadyExists, match="already exists"):
        create(w, "customers")
    for wrong, words in (
        ({"columns": []}, "1 to 2000 columns"),
        ({"columns": [catalog.ColumnInfo(name="a", type_text="blob")]}, "'blob' is not a data type"),
        ({"columns": [COLUMNS[0], catalog.ColumnInfo(name="ID", type_text="int")]}, "there twice"),
        ({"columns": [catalog.ColumnInfo(name="a b", type_text="int")]}, "not a valid name of a column"),
        ({"properties": {"delta.magic": "1"}}, "Unknown configuration"),
    ):
        with pytest.raises(errors.InvalidParameterValue, match=words):
            create(w, "wrong", **wrong)
    with pytest.raises(errors.InvalidParameterValue, match="table_type must be MANAGED"):
        w.tables.create("t", "main", "default", catalog.TableType.EXTERNAL, DELTA, "s3://bucket/t", columns=COLUMNS)
    w.tables.update("main.default.customers", owner="users")
    assert w.tables.get("main.default.customers").owner == "users"
    w.tables.delete("main.default.customers")
    with pytest.raises(errors.NotFound):
        w.tables.delete("main.default.customers")


def test_lists_and_summaries(w: Any, client_of: Callable[..., Any]) -> None:
    for number in range(5):
        create(w, f"t_{number}")
    w.schemas.create(name="marts", catalog_name="main")
    assert [each.name for each in w.tables.list("main", "default", max_results=2)] == [f"t_{number}" for number in range(5)]
    lean = next(iter(w.tables.list("main", "default", omit_columns=True, omit_properties=True)))
    assert (lean.columns, lean.properties) == ([], None)
    found = w.tables.list_summaries("main", schema_name_pattern="def%", table_name_pattern="t__", max_results=3)
    assert [each.full_name for each in found] == [f"main.default.t_{number}" for number in range(5)]
    assert list(w.tables.list_summaries("main", table_name_pattern="t.*")) == []
    create(w, "a" * 60)
    assert list(w.tables.list_summaries("main", table_name_pattern="%a" * 12 + "%b")) == []  # as a regular expression: never
    with pytest.raises(errors.NotFound):
        list(client_of("eve").tables.list("other", "default"))
    assert list(client_of("eve").tables.list("main", "default")) == []


def test_keys(w: Any) -> None:
    create(w, "features")
    key = catalog.PrimaryKeyConstraint(name="features_pk", child_columns=["id", "at"], timeseries_columns=["at"])
    made = w.table_constraints.create("main.default.features", catalog.TableConstraint(primary_key_constraint=key))
    assert made.primary_key_constraint == key
    assert w.tables.get("main.default.features").table_constraints[0].primary_key_constraint == key
    with pytest.raises(errors.ResourceAlreadyExists):
        w.table_constraints.create("main.default.features", catalog.TableConstraint(primary_key_constraint=key))
    w.table_constraints.delete("main.default.features", "features_pk", cascade=False)
    assert w.tables.get("main.default.features").table_constraints == []
    with pytest.raises(errors.NotFound):
        w.table_constraints.delete("main.default.features", "features_pk", cascade=False)
    nullable = catalog.PrimaryKeyConstraint(name="k", child_columns=["Scores"])
    with pytest.raises(errors.InvalidParameterValue, match="nullable"):
        w.table_constraints.create("main.default.features", catalog.TableConstraint(primary_key_constraint=nullable))
    foreign = catalog.ForeignKeyConstraint(name="f", child_columns=["id"], parent_table="main.default.x", parent_columns=["id"])
    with pytest.raises(errors.InvalidParameterValue, match="foreign keys"):
        w.table_constraints.create("main.default.features", catalog.TableConstraint(foreign_key_constraint=foreign))


def test_an_inference_table_is_a_table_that_nobody_else_writes(w: Any, ada: Caller) -> None:
    for name in (TableName("main", "default", "Churn_payload"), TableName("logs", "prod", "fraud_payload")):
        CaptureTable.open(name.folder(settings.DELTA_DIR, ada.workspace.id)).append(SCHEMA.empty_table(), "writer", 1)
    got = w.tables.get("main.default.churn_payload")
    assert (got.table_type, got.columns[0].name, got.properties["delta.enableChangeDataFeed"]) == (
        MANAGED,
        "databricks_request_id",
        "true",
    )
    assert [each.name for each in w.catalogs.list()] == ["logs", "main", "system"]
    assert [each.full_name for each in w.tables.list("logs", "prod")] == ["logs.prod.fraud_payload"]
    assert table_rows.snapshot(ada, "logs.prod.fraud_payload").rows == 0
    with pytest.raises(Exception, match="is an inference table"):
        table_rows.append(ada, "logs.prod.fraud_payload", SCHEMA.empty_table())
    w.tables.delete("main.default.churn_payload")
    assert not w.tables.exists("main.default.churn_payload").table_exists


def test_system_tables(w: Any, ada: Caller) -> None:
    create(w, "customers")
    assert w.catalogs.get("system").catalog_type == catalog.CatalogType.SYSTEM_CATALOG
    assert "table_lineage" in [each.name for each in w.tables.list("system", "access")]
    shown = w.tables.get("main.information_schema.tables")
    assert (shown.table_type, shown.columns[2].name) == (catalog.TableType.VIEW, "table_name")
    rows = system_tables.read(ada, "main.information_schema.columns")
    assert rows is not None
    assert [(row["table_name"], row["column_name"], row["is_nullable"]) for row in rows.to_pylist()] == [
        ("customers", "id", "NO"),
        ("customers", "Scores", "YES"),
        ("customers", "at", "NO"),
    ]
    with pytest.raises(errors.NotFound):
        w.tables.get("nowhere.information_schema.tables")


def test_lineage(w: Any, ada: Caller) -> None:
    for name in ("raw", "clean"):
        create(w, name)
    lineage.record(ada.workspace, Node(Kind.TABLE, "main.default.raw"), Node(Kind.TABLE, "main.default.clean"))
    lineage.record(ada.workspace, Node(Kind.TABLE, "main.default.clean"), Node(Kind.MODEL_VERSION, "main.default.churn/1"))
    path = "/api/2.0/lineage-tracking/table-lineage"
    for shown in (
        w.api_client.do("GET", path, query={"table_name": "main.default.raw"}),
        w.api_client.do("GET", path, body={"table_name": "main.default.raw", "include_entity_lineage": True}),
    ):
        clean = {"name": "clean", "catalog_name": "main", "schema_name": "default", "table_type": "TABLE"}
        assert shown == {"upstreams": [], "downstreams": [{"tableInfo": clean}]}
    rows = system_tables.read(ada, "system.access.table_lineage")
    assert rows is not None
    assert [
        (row["source_table_full_name"], row["target_table_full_name"], row["entity_type"], row["entity_id"])
        for row in rows.to_pylist()
    ] == [
        ("main.default.raw", "main.default.clean", None, None),
        ("main.default.clean", None, "MODEL_VERSION", "main.default.churn/1"),
    ]
    with pytest.raises(errors.NotFound):
        w.api_client.do("GET", path, query={"table_name": "main.default.none"})
