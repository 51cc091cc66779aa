"""`information_schema` and `system`: every table can be read, and shows what the caller may know of and no more."""

from typing import Any

import pytest

from sandbox.catalog import access, captured, containers, functions, grants, lineage, system_tables, tables, tags, volumes
from sandbox.catalog.column_types import Column
from sandbox.catalog.functions import Definition, Parameter
from sandbox.catalog.information_schema import VIEWS
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import Securable
from sandbox.errors import PermissionDenied, ResourceDoesNotExist
from sandbox.inference_tables.delta import SCHEMA, CaptureTable
from sandbox.inference_tables.names import TableName
from sandbox.workspaces.members import Caller

LENT = ("system.access.table_lineage", "system.serving.served_entities", "system.serving.endpoint_usage")


def rows(caller: Caller, name: str, *columns: str) -> list[tuple[Any, ...]]:
    found = system_tables.read(caller, name)
    assert found is not None
    return [tuple(row.values()) for row in found.select(list(columns) or found.column_names).to_pylist()]


@pytest.fixture
def secret_catalog(ada: Caller) -> Securable:
    """A catalog that only ada may know of, with one object of each kind."""
    catalog = containers.create_catalog(ada, "vault")
    keyed = [Column("id", "bigint"), Column("at", "timestamp"), Column("x", "decimal(5,2)", comment="Measured")]
    table = tables.create_table(ada, "vault.default.features", keyed, primary_key=["id", "at"], timeseries=["at"], comment="F")
    tables.create_view(ada, "vault.default.latest", "SELECT id FROM features", [Column("id", "bigint")])
    functions.create_function(
        ada, "vault.default.f", Definition("PYTHON", "return a", (Parameter("a", "int", "1", "In"),), "int"), comment="Fn"
    )
    volumes.create_volume(ada, "vault.default.files", comment="V")
    tags.set_tags(ada, table, {"pii": "yes"})
    tags.set_tags(ada, table, {"unit": "cm"}, "X")
    return catalog


def test_every_view_can_be_read(ada: Caller, bob: Caller, eve: Caller, secret_catalog: Securable) -> None:
    here = {view: rows(ada, f"vault.information_schema.{view}") for view in VIEWS}
    assert {view for view, found in here.items() if not found} == {
        "catalog_tags",
        "schema_tags",
        "volume_tags",
        *(f"{kind}_privileges" for kind in ("catalog", "schema", "table", "routine", "volume")),
    }
    for caller in (bob, eve):
        everything = {view: rows(caller, f"system.information_schema.{view}") for view in VIEWS}
        assert not [view for view, found in everything.items() if any("vault" in row for row in found)]
        assert {row[0] for row in everything["catalogs"]} <= {"main"}


def test_what_the_views_say(ada: Caller, bob: Caller, secret_catalog: Securable) -> None:
    schema = "vault.information_schema"
    assert rows(ada, f"{schema}.tables", "table_name", "table_type", "data_source_format") == [
        ("features", "MANAGED", "DELTA"),
        ("latest", "VIEW", None),
    ]
    assert rows(ada, f"{schema}.columns", "table_name", "column_name", "full_data_type", "is_nullable", "comment") == [
        ("features", "id", "bigint", "NO", None),
        ("features", "at", "timestamp", "NO", None),
        ("features", "x", "decimal(5,2)", "YES", "Measured"),
        ("latest", "id", "bigint", "YES", None),
    ]
    assert rows(ada, f"{schema}.key_column_usage", "constraint_name", "column_name", "ordinal_position") == [
        ("features_pk", "id", 1),
        ("features_pk", "at", 2),
    ]
    assert rows(ada, f"{schema}.parameters", "parameter_name", "full_data_type", "parameter_default") == [("a", "int", "1")]
    assert rows(ada, f"{schema}.column_tags", "column_name", "tag_name", "tag_value") == [("x", "unit", "cm")]
    grants.change(ada, secret_catalog, {"bob@example.org": ["USE_CATALOG", "SELECT"]}, {})
    assert rows(ada, f"{schema}.table_privileges", "grantee", "table_name", "privilege_type", "inherited_from") == [
        ("bob@example.org", name, privilege, "CATALOG")
        for name in ("features", "latest")
        for privilege in ("SELECT", "USE_CATALOG")
    ]
    assert [row[2] for row in rows(bob, f"{schema}.tables")] == ["features", "latest"]


def test_one_grant_shows_one_object(ada: Caller, bob: Caller, secret_catalog: Securable) -> None:
    table = tables.get_table(ada, "vault.default.features")
    with pytest.raises(PermissionDenied):
        tables.list_tables(bob, "vault.default")
    grants.change(ada, secret_catalog, {"users": ["USE_CATALOG", "USE_SCHEMA"]}, {})
    assert list(tables.list_tables(bob, "vault.default")) == []
    grants.change(ada, table, {"users": ["SELECT"]}, {})
    assert list(tables.list_tables(bob, "vault.default")) == [table]
    assert access.allows(bob, table, "SELECT")
    assert not access.allows(bob, table, "MODIFY")


def test_lineage_shows_known_tables_only(ada: Caller, bob: Caller, secret_catalog: Securable) -> None:
    secret, version = Node(Kind.TABLE, "vault.default.features"), Node(Kind.MODEL_VERSION, "main.default.churn/1")
    lineage.record(ada.workspace, secret, version)
    lineage.record(ada.workspace, version, Node(Kind.ENDPOINT, "churn"))
    assert rows(ada, LENT[0], "source_table_full_name", "entity_type", "entity_id") == [
        ("vault.default.features", "MODEL_VERSION", "main.default.churn/1")
    ]
    assert rows(bob, LENT[0]) == []
    assert len(lineage.around(ada.workspace, Node(Kind.ENDPOINT, "churn")).edges) == 2


def test_calls_of_readable_tables(ada: Caller, bob: Caller, folders_of: Any) -> None:
    assert [rows(ada, name) for name in LENT] == [[], [], []]
    folder = TableName("main", "default", "churn_payload").folder(folders_of.DELTA_DIR, ada.workspace.id)
    table = CaptureTable.open(folder)
    call = {field.name: None for field in SCHEMA} | {"databricks_request_id": "r1", "status_code": 200, "served_entity_id": "e1"}
    table.append(SCHEMA.empty_table().from_pylist([call], schema=SCHEMA), "writer", 1)
    usage = ("databricks_request_id", "status_code", "served_entity_id", "input_token_count")
    assert rows(ada, LENT[2], *usage) == [("r1", 200, "e1", None)]
    assert rows(bob, LENT[2]) == []
    adopted = tables.get_table(ada, "main.default.churn_payload")
    assert captured.is_captured(adopted)
    grants.change(ada, adopted, {"bob@example.org": ["SELECT"]}, {})
    assert rows(bob, LENT[2], *usage) == [("r1", 200, "e1", None)]


def test_names_that_are_no_system_tables(ada: Caller) -> None:
    for name in (
        "system.access.nothing",
        "main.default.tables",
        "system.information_schema",
        "x",
        "main.information_schema.none",
    ):
        assert system_tables.read(ada, name) is None
    with pytest.raises(ResourceDoesNotExist):
        system_tables.read(ada, "nowhere.information_schema.tables")
