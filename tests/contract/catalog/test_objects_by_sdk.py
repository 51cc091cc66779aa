"""Catalogs, schemas, volumes, functions and what can be said of any object, by the unmodified SDK."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.sdk import errors
from databricks.sdk.service import catalog

from sandbox.workspaces import members
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import issue_token, open_workspace

HOSTILE = yaml.safe_load((Path(__file__).parent / "hostile_names.yaml").read_text())
LONG = catalog.ColumnTypeName.LONG


@pytest.fixture
def member(site: str, w: Any, client_of: Callable[..., Any]) -> Any:
    """Bob, who works in ada's workspace without admin rights."""
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.config import Config

    client_of("bob")
    ada, bob = User.objects.get(username="ada"), User.objects.get(username="bob")
    members.add_member(open_workspace(ada), "bob")
    _, plain = issue_token(open_workspace(ada), bob)
    return WorkspaceClient(config=Config(host=site, token=plain, retry_timeout_seconds=5))


def doubled(name: str = "doubled", **more: Any) -> catalog.CreateFunction:
    parameters = [catalog.FunctionParameterInfo(name="x", type_text="bigint", type_name=LONG, position=0)]
    given = {
        "routine_body": catalog.CreateFunctionRoutineBody.SQL,
        "routine_definition": "x * 2",
        "input_params": catalog.FunctionParameterInfos(parameters=parameters),
        **more,
    }
    return catalog.CreateFunction(
        name=name,
        catalog_name="main",
        schema_name="default",
        data_type=LONG,
        full_data_type="BIGINT",
        parameter_style=catalog.CreateFunctionParameterStyle.S,
        is_deterministic=True,
        sql_data_access=catalog.CreateFunctionSqlDataAccess.CONTAINS_SQL,
        is_null_call=False,
        security_type=catalog.CreateFunctionSecurityType.DEFINER,
        specific_name=name,
        **given,
    )


def test_catalogs(w: Any, member: Any, client_of: Callable[..., Any]) -> None:
    assert [each.name for each in w.catalogs.list()] == ["main", "system"]
    made = w.catalogs.create(name="Sales", comment="Numbers", properties={"team": "ml"})
    assert (made.name, made.comment, made.properties, made.owner) == ("sales", "Numbers", {"team": "ml"}, "ada@example.org")
    assert (made.catalog_type, made.created_by) == (catalog.CatalogType.MANAGED_CATALOG, "ada@example.org")
    assert [each.name for each in w.schemas.list("SALES")] == ["default", "information_schema"]
    with pytest.raises(errors.ResourceAlreadyExists, match="Catalog 'sales' already exists"):
        w.catalogs.create(name="sales")
    renamed = w.catalogs.update("sales", new_name="revenue", comment="", owner="bob@example.org")
    assert (renamed.full_name, renamed.comment, renamed.owner) == ("revenue", None, "bob@example.org")
    assert w.schemas.get("revenue.default").full_name == "revenue.default"
    w.schemas.create(name="extra", catalog_name="revenue")
    with pytest.raises(errors.BadRequest, match="not empty"):
        w.catalogs.delete("revenue")
    member.catalogs.delete("revenue", force=True)  # its owner now
    with pytest.raises(errors.NotFound, match="Catalog 'revenue' does not exist"):
        w.catalogs.get("revenue")
    with pytest.raises(errors.PermissionDenied, match="CREATE CATALOG"):
        member.catalogs.create(name="mine")
    for change in (lambda: w.catalogs.delete("main", force=True), lambda: w.catalogs.update("main", new_name="x")):
        with pytest.raises(errors.BadRequest, match="begins with"):
            change()
    with pytest.raises(errors.NotFound, match="principal"):
        w.catalogs.update("main", owner="nobody@example.org")
    w.catalogs.create(name="hidden")
    assert [each.name for each in member.catalogs.list()] == ["main", "system"]
    with pytest.raises(errors.PermissionDenied):
        member.catalogs.get("hidden")
    with pytest.raises(errors.NotFound, match="Catalog 'hidden' does not exist"):
        client_of("eve").catalogs.get("hidden")


def test_schemas_and_pages(w: Any, member: Any) -> None:
    for number in range(5):
        w.schemas.create(name=f"s{number}", catalog_name="main", comment=str(number))
    listed = [each.name for each in w.schemas.list("main", max_results=2)]
    assert listed == ["default", "s0", "s1", "s2", "s3", "s4", "information_schema"]
    page = w.api_client.do("GET", "/api/2.1/unity-catalog/schemas", query={"catalog_name": "main", "max_results": 2})
    assert [each["name"] for each in page["schemas"]] == ["default", "s0"]
    for wrong in ({"max_results": -1}, {"max_results": "many"}, {"page_token": "!"}):
        with pytest.raises(errors.InvalidParameterValue):
            w.api_client.do("GET", "/api/2.1/unity-catalog/schemas", query={"catalog_name": "main", **wrong})
    with pytest.raises(errors.InvalidParameterValue, match="catalog_name is missing"):
        w.api_client.do("GET", "/api/2.1/unity-catalog/schemas")
    assert w.schemas.update("main.s0", new_name="zero", comment="none").full_name == "main.zero"
    with pytest.raises(errors.ResourceAlreadyExists):
        w.schemas.update("main.zero", new_name="s1")
    with pytest.raises(errors.PermissionDenied, match="CREATE SCHEMA on Catalog 'main'"):
        member.schemas.create(name="mine", catalog_name="main")
    w.schemas.delete("main.zero")
    with pytest.raises(errors.NotFound, match=r"Schema 'main\.zero' does not exist"):
        w.schemas.get("main.zero")
    with pytest.raises(errors.NotFound, match="Catalog 'nowhere' does not exist"):
        w.schemas.create(name="s", catalog_name="nowhere")


def test_volumes(w: Any, member: Any) -> None:
    managed = catalog.VolumeType.MANAGED
    made = w.volumes.create("main", "default", "Landing", managed, comment="Files")
    assert (made.full_name, made.volume_type, made.comment) == ("main.default.landing", managed, "Files")
    assert [each.name for each in member.volumes.list("main", "default")] == ["landing"]
    assert w.volumes.update("main.default.landing", new_name="raw", comment="x").full_name == "main.default.raw"
    with pytest.raises(errors.PermissionDenied):
        member.volumes.delete("main.default.raw")
    with pytest.raises(errors.InvalidParameterValue, match="must be MANAGED"):
        w.volumes.create("main", "default", "out", catalog.VolumeType.EXTERNAL, storage_location="s3://bucket/x")
    w.volumes.delete("main.default.raw")
    with pytest.raises(errors.NotFound, match=r"Volume 'main\.default\.raw' does not exist"):
        w.volumes.read("main.default.raw")


def test_functions(w: Any, member: Any) -> None:
    made = member.functions.create(doubled(comment="Twice"))
    assert (made.full_name, made.owner, made.comment) == ("main.default.doubled", "bob@example.org", "Twice")
    assert (made.routine_body.value, made.routine_definition, made.full_data_type) == ("SQL", "x * 2", "bigint")
    assert [(each.name, each.type_text, each.type_name) for each in made.input_params.parameters] == [("x", "bigint", LONG)]
    python = w.functions.create(
        doubled(
            "py",
            routine_body=catalog.CreateFunctionRoutineBody.EXTERNAL,
            external_language="Python",
            routine_definition="return x * 2",
        )
    )
    assert (python.routine_body.value, python.external_language) == ("EXTERNAL", "Python")
    assert [each.name for each in w.functions.list("main", "default")] == ["doubled", "py"]
    with pytest.raises(errors.ResourceAlreadyExists, match="already exists"):
        w.functions.create(doubled())
    with pytest.raises(errors.InvalidParameterValue, match="must be Python"):
        w.functions.create(doubled("r", routine_body=catalog.CreateFunctionRoutineBody.EXTERNAL, external_language="R"))
    assert w.functions.update("main.default.py", owner="bob@example.org").owner == "bob@example.org"
    member.functions.delete("main.default.py")
    with pytest.raises(errors.NotFound, match=r"Function 'main\.default\.py' does not exist"):
        w.functions.get("main.default.py")


def test_grants(w: Any, member: Any) -> None:
    w.volumes.create("main", "default", "files", catalog.VolumeType.MANAGED)
    change = catalog.PermissionsChange(principal="bob@example.org", add=[catalog.Privilege.READ_VOLUME])
    after = w.grants.update("volume", "main.default.files", changes=[change])
    assert [(each.principal, each.privileges) for each in after.privilege_assignments] == [
        ("bob@example.org", [catalog.Privilege.READ_VOLUME])
    ]
    mine = member.grants.get("VOLUME", "main.default.files", principal="bob@example.org")
    assert mine.privilege_assignments == after.privilege_assignments
    effective = w.grants.get_effective("schema", "main.default", principal="users").privilege_assignments[0].privileges
    assert {(each.privilege.value, each.inherited_from_name) for each in effective} == {
        ("CREATE_FUNCTION", None),
        ("CREATE_MODEL", None),
        ("CREATE_TABLE", None),
        ("CREATE_VOLUME", None),
        ("USE_SCHEMA", "main"),
    }
    assert {each.principal for each in w.grants.list("catalog", "main")} == {"users"}
    assert [each.principal for each in w.grants.list_effective("volume", "main.default.files")] == ["bob@example.org"]
    with pytest.raises(errors.PermissionDenied, match="MANAGE"):
        member.grants.get("volume", "main.default.files")
    with pytest.raises(errors.PermissionDenied, match="MANAGE"):
        member.grants.update("volume", "main.default.files", changes=[change])
    for wrong, kind, error in (
        (catalog.PermissionsChange(principal="nobody", add=[catalog.Privilege.READ_VOLUME]), "volume", errors.NotFound),
        (catalog.PermissionsChange(principal="users", add=[catalog.Privilege.SELECT]), "volume", errors.InvalidParameterValue),
        (change, "cluster", errors.InvalidParameterValue),
    ):
        with pytest.raises(error):
            w.grants.update(kind, "main.default.files", changes=[wrong])
    revoke = catalog.PermissionsChange(principal="bob@example.org", remove=[catalog.Privilege.READ_VOLUME])
    assert w.grants.update("volume", "main.default.files", changes=[revoke]).privilege_assignments == []


def test_tags(w: Any, member: Any) -> None:
    def assignment(key: str, value: str = "", kind: str = "schemas", name: str = "main.default") -> Any:
        return catalog.EntityTagAssignment(entity_name=name, tag_key=key, entity_type=kind, tag_value=value)

    tags = w.entity_tag_assignments
    assert tags.create(assignment("pii", "yes")).tag_value == "yes"
    with pytest.raises(errors.ResourceAlreadyExists):
        tags.create(assignment("pii"))
    assert tags.update("schemas", "main.default", "pii", assignment("pii", "no"), update_mask="tag_value").tag_value == "no"
    assert [(each.tag_key, each.tag_value) for each in tags.list("schemas", "main.default")] == [("pii", "no")]
    with pytest.raises(errors.PermissionDenied, match="APPLY TAG"):
        member.entity_tag_assignments.create(assignment("mine"))
    with pytest.raises(errors.InvalidParameterValue, match="not a valid tag key"):
        tags.create(assignment("a=b"))
    tags.delete("schemas", "main.default", "pii")
    with pytest.raises(errors.NotFound):
        tags.get("schemas", "main.default", "pii")


def test_the_metastore(w: Any, client_of: Callable[..., Any]) -> None:
    summary, assigned = w.metastores.summary(), w.metastores.current()
    assert (assigned.metastore_id, assigned.default_catalog_name) == (summary.metastore_id, "main")
    assert [each.schema for each in w.system_schemas.list(summary.metastore_id)][:2] == ["access", "information_schema"]
    with pytest.raises(errors.NotFound):
        list(client_of("eve").system_schemas.list(summary.metastore_id))


def test_hostile_names(w: Any) -> None:
    managed = catalog.VolumeType.MANAGED
    for name in [*HOSTILE["refused"], "x" * 256]:
        with pytest.raises(errors.InvalidParameterValue):
            w.volumes.create("main", "default", name, managed)
        with pytest.raises(errors.InvalidParameterValue):
            w.catalogs.create(name=name)
    for name in [*HOSTILE["kept"], "x" * 255]:
        made = w.volumes.create("main", "default", name, managed)
        assert made.name == name.lower()
    assert {each.name for each in w.volumes.list("main", "default")} == {name.lower() for name in [*HOSTILE["kept"], "x" * 255]}
    for name in HOSTILE["refused"]:
        with pytest.raises(errors.DatabricksError) as refused:
            w.volumes.read(f"main.default.{name}")
        assert "Traceback" not in str(refused.value)
