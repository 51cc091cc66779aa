"""What the catalog's pages do, as a learner would write it: SQL, Python (databricks-sdk) and curl."""

import re
from typing import Any

from sandbox.catalog.models import Securable
from sandbox.console.catalog.kinds import CATALOG, FUNCTION, MODEL, SCHEMA, TABLE, VOLUME, Kind, kind_of
from sandbox.console.samples import TOKEN_PLACE, Sample
from sandbox.console.sdk_code import rest, sdk
from sandbox.sql.warehouses import WAREHOUSE_ID

Json = dict[str, Any]
UC = "/api/2.1/unity-catalog"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


def three(sql: str, python: str, curl: str) -> list[Sample]:
    """The tabs; an empty one is left out (not everything can be said in SQL)."""
    return [Sample(label, code) for label, code in (("SQL", sql), ("Python", python), ("curl", curl)) if code]


def sql_name(full_name: str) -> str:
    """Parts in backticks where SQL needs them."""
    parts = full_name.split(".")
    return ".".join(part if _PLAIN.fullmatch(part) else "`" + part.replace("`", "``") + "`" for part in parts)


def sql_text(text: str) -> str:
    """A string literal of Databricks SQL, where a backslash escapes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def grantable(kind: Kind) -> str:
    """The type by which the grants API knows it; models count as functions there."""
    return "function" if kind is MODEL else kind.type.value.lower()


def python(site_url: str, lines: str, imports: str = "") -> str:
    """A program with the SDK's client `w`."""
    named = f"from databricks.sdk import WorkspaceClient\n{imports and imports + chr(10)}\n"
    return f"{named}w = WorkspaceClient(host={site_url!r}, token={TOKEN_PLACE!r})\n{lines}"


def _get(site_url: str, path: str) -> str:
    return rest(site_url, "GET", path)


# --- creating ----------------------------------------------------------------------------------


def create(site_url: str, kind: Kind, parent: str, name: str, comment: str) -> list[Sample]:
    """A catalog, a schema or a volume."""
    full_name = f"{parent}.{name}" if parent else name
    words = f" COMMENT {sql_text(comment)}" if comment else ""
    sql = f"CREATE {kind.type.value} {sql_name(full_name)}{words};"
    more: Json = {"comment": comment} if comment else {}
    if kind is CATALOG:
        return three(
            sql,
            sdk(site_url, "catalogs.create", {"name": name} | more),
            rest(site_url, "POST", f"{UC}/catalogs", {"name": name} | more),
        )
    if kind is SCHEMA:
        body = {"name": name, "catalog_name": parent} | more
        return three(sql, sdk(site_url, "schemas.create", body), rest(site_url, "POST", f"{UC}/schemas", body))
    catalog_name, _, schema_name = parent.partition(".")
    body = {"catalog_name": catalog_name, "schema_name": schema_name, "name": name, "volume_type": "MANAGED"} | more
    lines = "".join(
        f"    {key}={'VolumeType.MANAGED' if key == 'volume_type' else repr(value)},\n" for key, value in body.items()
    )
    code = python(site_url, f"w.volumes.create(\n{lines})", "from databricks.sdk.service.catalog import VolumeType")
    return three(sql, code, rest(site_url, "POST", f"{UC}/volumes", body))


def first_table(site_url: str, schema: str) -> list[Sample]:
    """A small table with a primary key."""
    name = f"{schema}.customers"
    statement = (
        f"CREATE TABLE {sql_name(name)} (\n  customer_id BIGINT NOT NULL PRIMARY KEY,\n"
        "  tenure INT,\n  monthly_charges DOUBLE\n);\n\n"
        f"INSERT INTO {sql_name(name)} VALUES (1, 3, 90.0), (2, 40, 25.5);"
    )
    return three(statement, statements(site_url, statement), "")


def statements(site_url: str, sql: str) -> str:
    """The SQL of a page, sent statement by statement with the SDK."""
    sent = [each.strip() for each in sql.split(";\n") if each.strip()]
    return python(site_url, "\n".join(_execute(each.rstrip(";")) for each in sent))


def _execute(statement: str) -> str:
    return f'w.statement_execution.execute_statement(\n    warehouse_id={WAREHOUSE_ID!r},\n    statement="""{statement}""",\n)'


def first_function(schema: str) -> list[Sample]:
    """A function in SQL, and one in Python."""
    name = sql_name(f"{schema}.yearly")
    risk = sql_name(f"{schema}.risk")
    in_sql = (
        f"CREATE FUNCTION {name}(monthly DOUBLE)\nRETURNS DOUBLE\nCOMMENT 'Twelve months of a charge'\nRETURN monthly * 12;\n\n"
        f"SELECT {name}(25.5);"
    )
    in_python = (
        f"CREATE FUNCTION {risk}(tenure INT)\nRETURNS STRING\nLANGUAGE PYTHON\nAS $$\n"
        f'return "high" if tenure < 12 else "low"\n$$;\n\nSELECT {risk}(3);'
    )
    return [Sample("In SQL", in_sql), Sample("In Python", in_python)]


def first_model(site_url: str, schema: str) -> list[Sample]:
    """Log a model of one's own under this schema."""
    return [Sample("MLflow", _LOG.format(host=site_url, token=TOKEN_PLACE, name=f"{schema}.my_churn"))]


_LOG = """\
import os
os.environ["DATABRICKS_HOST"] = "{host}"
os.environ["DATABRICKS_TOKEN"] = "{token}"

import mlflow
import pandas as pd
from sklearn.linear_model import LogisticRegression

mlflow.set_tracking_uri("databricks")
mlflow.set_registry_uri("databricks-uc")

X = pd.DataFrame({{"tenure": [1.0, 3.0, 40.0, 60.0], "charges": [90.0, 85.0, 40.0, 25.0]}})
y = ["Yes", "Yes", "No", "No"]
with mlflow.start_run():
    mlflow.sklearn.log_model(
        LogisticRegression().fit(X, y),
        name="model",
        input_example=X,
        registered_model_name="{name}",
    )"""


# --- reading -----------------------------------------------------------------------------------


def browse(site_url: str, row: Securable | None, show: Kind | None = None) -> list[Sample]:
    """What a list shows: catalogs, the schemas of one, or objects of one kind in a schema."""
    if row is None:
        return three(
            "SHOW CATALOGS;",
            python(site_url, "for each in w.catalogs.list():\n    print(each.name, each.owner)"),
            _get(site_url, f"{UC}/catalogs"),
        )
    if kind_of(row) is CATALOG:
        code = f"for each in w.schemas.list(catalog_name={row.name!r}):\n    print(each.full_name)"
        return three(
            f"SHOW SCHEMAS IN {sql_name(row.name)};",
            python(site_url, code),
            _get(site_url, f"{UC}/schemas?catalog_name={row.name}"),
        )
    catalog, schema = row.full_name.split(".")
    api = {VOLUME: "volumes", FUNCTION: "functions", MODEL: "registered_models"}.get(show or TABLE, "tables")
    path = "models" if api == "registered_models" else api
    shows = "" if show is MODEL else f"SHOW {(show or TABLE).plural.upper()} IN {sql_name(row.full_name)};"
    code = f"for each in w.{api}.list(catalog_name={catalog!r}, schema_name={schema!r}):\n    print(each.full_name)"
    return three(shows, python(site_url, code), _get(site_url, f"{UC}/{path}?catalog_name={catalog}&schema_name={schema}"))


def show(site_url: str, row: Securable) -> list[Sample]:
    """One object's description."""
    kind, name = kind_of(row), row.full_name
    sql = {
        CATALOG: f"DESCRIBE CATALOG {sql_name(name)};",
        SCHEMA: f"DESCRIBE SCHEMA {sql_name(name)};",
        TABLE: f"DESCRIBE TABLE EXTENDED {sql_name(name)};",
        FUNCTION: f"DESCRIBE FUNCTION EXTENDED {sql_name(name)};",
        VOLUME: f"DESCRIBE VOLUME {sql_name(name)};",
    }.get(kind, "")
    method = {VOLUME: "volumes.read", MODEL: "registered_models.get"}.get(kind, f"{kind.slug}.get")
    path = f"{UC}/{kind.slug}/{name}"
    return three(sql, python(site_url, f"print(w.{method}({name!r}))"), _get(site_url, path))


def run_sql(site_url: str, statement: str) -> list[Sample]:
    """One statement, in SQL, with the SDK, and as a REST call."""
    body = {"warehouse_id": WAREHOUSE_ID, "statement": statement, "wait_timeout": "30s"}
    lines = f"answer = {_execute(statement)}\nprint(answer.result.data_array)"
    return three(f"{statement};", python(site_url, lines), rest(site_url, "POST", "/api/2.0/sql/statements", body))


def sample(site_url: str, name: str) -> list[Sample]:
    """The first rows of a table."""
    return run_sql(site_url, f"SELECT * FROM {sql_name(name)} LIMIT 100")  # noqa: S608 - shown, not run


def history(site_url: str, name: str, version: int) -> list[Sample]:
    """Versions of a table, and an old one of them."""
    table = sql_name(name)
    listed = run_sql(site_url, f"DESCRIBE HISTORY {table}")
    more = f"\n\nSELECT * FROM {table} VERSION AS OF {version};\n\nRESTORE TABLE {table} TO VERSION AS OF {version};"
    return [Sample("SQL", listed[0].code + more), *listed[1:]]


def lineage(site_url: str, name: str) -> list[Sample]:
    """Up- and downstream of a table, as the REST API answers it."""
    path = "/api/2.0/lineage-tracking/table-lineage"
    code = f'print(w.api_client.do("GET", {path!r}, query={{"table_name": {name!r}}}))'
    return three("", python(site_url, code), _get(site_url, f"{path}?table_name={name}"))


# --- changing ----------------------------------------------------------------------------------


def set_comment(site_url: str, row: Securable, comment: str) -> list[Sample]:
    kind, name = kind_of(row), row.full_name
    sql = "" if kind in {MODEL, FUNCTION} else f"COMMENT ON {kind.type.value} {sql_name(name)} IS {sql_text(comment)};"
    path = f"{UC}/{kind.slug}/{name}"
    api = "registered_models" if kind is MODEL else kind.slug
    by_sdk = python(site_url, f"w.{api}.update({name!r}, comment={comment!r})") if kind not in {TABLE, FUNCTION} else ""
    return three(sql, by_sdk, rest(site_url, "PATCH", path, {"comment": comment}))


def set_owner(site_url: str, row: Securable, owner: str) -> list[Sample]:
    kind, name = kind_of(row), row.full_name
    api = "registered_models" if kind is MODEL else kind.slug
    return three(
        "" if kind is MODEL else f"ALTER {kind.type.value} {sql_name(name)} OWNER TO `{owner}`;",
        python(site_url, f"w.{api}.update({name!r}, owner={owner!r})"),
        rest(site_url, "PATCH", f"{UC}/{kind.slug}/{name}", {"owner": owner}),
    )


def grant(site_url: str, row: Securable, principal: str, privilege: str) -> list[Sample]:
    """Give and take one privilege."""
    kind, name = kind_of(row), row.full_name
    thing = f"{kind.type.value} {sql_name(name)}"
    words = f"{privilege.replace('_', ' ')} ON {thing}"
    sql = f"GRANT {words} TO `{principal}`;\n\nREVOKE {words} FROM `{principal}`;\n\nSHOW GRANTS ON {thing};"
    type_ = grantable(kind)
    change = {"principal": principal, "add": [privilege]}
    code = (
        f"w.grants.update(\n    {type_!r},\n    {name!r},\n"
        f"    changes=[PermissionsChange(principal={principal!r}, add=[Privilege.{privilege}])],\n)"
    )
    imports = "from databricks.sdk.service.catalog import PermissionsChange, Privilege"
    path = f"{UC}/permissions/{type_}/{name}"
    by_sql = "" if kind is MODEL else sql
    return three(by_sql, python(site_url, code, imports), rest(site_url, "PATCH", path, {"changes": [change]}))


def delete(site_url: str, row: Securable) -> list[Sample]:
    kind, name = kind_of(row), row.full_name
    cascade = " CASCADE" if kind in {CATALOG, SCHEMA} else ""
    sql = "" if kind is MODEL else f"DROP {kind.type.value} {sql_name(name)}{cascade};"
    api = "registered_models" if kind is MODEL else kind.slug
    force, query = (", force=True", "?force=true") if cascade else ("", "")
    return three(
        sql,
        python(site_url, f"w.{api}.delete({name!r}{force})"),
        rest(site_url, "DELETE", f"{UC}/{kind.slug}/{name}{query}"),
    )


def set_tags(site_url: str, row: Securable) -> list[Sample]:
    """Add a tag, and take one."""
    kind, name = kind_of(row), row.full_name
    if kind is MODEL:
        client = "from mlflow import MlflowClient\n\nclient = MlflowClient()\n"
        set_one = f'client.set_registered_model_tag({name!r}, "team", "churn")\n'
        return [Sample("MLflow", f'{client}{set_one}client.delete_registered_model_tag({name!r}, "team")')]
    words = f"ALTER {kind.type.value} {sql_name(name)}"
    sql = f"{words} SET TAGS ('team' = 'churn');\n\n{words} UNSET TAGS ('team');"
    if kind is FUNCTION:  # the REST API knows no tags of functions
        return three(sql, "", "")
    path = f"{UC}/entity-tag-assignments"
    body = {"entity_type": kind.slug, "entity_name": name, "tag_key": "team", "tag_value": "churn"}
    lines = "".join(f"    {key}={value!r},\n" for key, value in body.items())
    return three(
        sql,
        python(
            site_url,
            f"w.entity_tag_assignments.create(EntityTagAssignment(\n{lines}))",
            "from databricks.sdk.service.catalog import EntityTagAssignment",
        ),
        rest(site_url, "POST", path, body),
    )


def set_properties(site_url: str, row: Securable) -> list[Sample]:
    """Properties of a table."""
    table = sql_name(row.full_name)
    return run_sql(site_url, f"ALTER TABLE {table} SET TBLPROPERTIES ('delta.enableChangeDataFeed' = 'true')")
