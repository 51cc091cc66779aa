"""DESCRIBE and SHOW: rows about the catalog, with the columns that Databricks gives [docs: SQL language reference]."""

import fnmatch
import json
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.catalog import containers, delta_history, functions, grants, securables, system_tables, table_rows, tables, volumes
from sandbox.catalog import delta as delta_tables
from sandbox.catalog.models import Securable, SecurableType
from sandbox.sql.limits import SqlColumn
from sandbox.sql.objects import quoted
from sandbox.workspaces.members import Caller

Rows = list[list[str | None]]
Shown = tuple[tuple[SqlColumn, ...], Rows]
Plan = dict[str, Any]


def show(caller: Caller, plan: Plan) -> Shown:
    """Raises ApiError of the catalog's operations."""
    return _SHOWS[str(plan["do"])](caller, plan)


def _table(names: str, rows: Iterable[Iterable[Any]]) -> Shown:
    """Columns as "name" or "name:TYPE" separated by blanks; values become text."""
    columns = []
    for each in names.split():
        name, _, kind = each.partition(":")
        type_name = {"": "STRING", "BIGINT": "LONG"}.get(kind, kind)
        columns.append(SqlColumn(name, type_name, kind or "STRING"))
    return tuple(columns), [[_text(value) for value in row] for row in rows]


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value)
    if hasattr(value, "strftime"):
        return str(value.strftime("%Y-%m-%dT%H:%M:%S.")) + f"{value.microsecond // 1000:03}Z"
    return str(value)


def _name(plan: Plan) -> str:
    return quoted(str(plan["name"]))


def _show(caller: Caller, plan: Plan) -> Shown:
    what, inside, like = str(plan["what"]), str(plan["in"]), str(plan["like"]).lower()

    def fits(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name.lower(), each.strip()) for each in like.split("|"))

    if what == "CATALOGS":
        catalogs = [*containers.list_catalogs(caller), *system_tables.catalogs(caller)]
        return _table("catalog", ([each.name] for each in catalogs if fits(each.name)))
    if what == "SCHEMAS":
        return _table("databaseName", ([each.name] for each in _schemas(caller, inside) if fits(each.name)))
    schema = inside.rpartition(".")[2]
    if what in {"TABLES", "VIEWS"}:
        found = [each for each in _tables(caller, inside) if fits(each.name)]
        if what == "VIEWS":
            views = [each for each in found if each.table.table_type == tables.VIEW]
            return _table("namespace viewName isTemporary:BOOLEAN", ([schema, each.name, False] for each in views))
        return _table("database tableName isTemporary:BOOLEAN", ([schema, each.name, False] for each in found))
    if what == "FUNCTIONS":
        return _table(
            "function", ([each.full_name] for each in functions.list_functions(caller, quoted(inside)) if fits(each.name))
        )
    rows = ([schema, each.name] for each in volumes.list_volumes(caller, quoted(inside)) if fits(each.name))
    return _table("database volume_name", rows)


def _schemas(caller: Caller, catalog: str) -> list[Securable]:
    virtual = system_tables.schemas(caller, quoted(catalog))
    if system_tables.catalog(caller, quoted(catalog)) is not None:
        return virtual
    return [*containers.list_schemas(caller, quoted(catalog)), *virtual]


def _tables(caller: Caller, schema: str) -> list[Securable]:
    if system_tables.schema(caller, quoted(schema)) is not None:
        return system_tables.tables_of(caller, quoted(schema))
    return list(tables.list_tables(caller, quoted(schema)))


def _show_columns(caller: Caller, plan: Plan) -> Shown:
    table = tables.get_table(caller, _name(plan))
    return _table("col_name", ([column["name"]] for column in table.table.columns))


def _show_properties(caller: Caller, plan: Plan) -> Shown:
    table = tables.get_table(caller, _name(plan))
    wanted = [str(each) for each in plan["keys"]]
    kept = _properties(table)
    missing = f"Table {table.full_name} does not have property: "
    rows = [[key, kept.get(key, missing + key)] for key in wanted] if wanted else sorted(kept.items())
    return _table("key value", rows)


def _properties(table: Securable) -> dict[str, str]:
    return {key: str(value) for key, value in table.properties.items() if not key.startswith("sql.")}


def _show_grants(caller: Caller, plan: Plan) -> Shown:
    securable = securables.find(caller.workspace, SecurableType(str(plan["kind"])), _name(plan))
    found = grants.effective(caller, securable, str(plan["principal"]) or None)
    rows = (
        [each.principal, each.privilege.replace("_", " "), each.source.securable_type, each.source.full_name] for each in found
    )
    return _table("Principal ActionType ObjectType ObjectKey", rows)


def _show_create_table(caller: Caller, plan: Plan) -> Shown:
    table = tables.get_table(caller, _name(plan))
    name = ".".join(f"`{part}`" for part in table.full_name.split(".")) if "-" in table.full_name else table.full_name
    detail = table.table
    if detail.table_type == tables.VIEW:
        return _table("createtab_stmt", [[f"CREATE VIEW {name} AS\n{detail.view_definition}"]])
    lines = [_column_line(column) for column in detail.columns]
    if detail.primary_key:
        lines.append(f"CONSTRAINT `{detail.primary_key_name}` {_key_text(table)}")
    text = f"CREATE TABLE {name} (\n  " + ",\n  ".join(lines) + ")\nUSING delta"
    if table.comment:
        text += f"\nCOMMENT {_quoted(table.comment)}"
    if kept := _properties(table):
        text += (
            "\nTBLPROPERTIES (\n  "
            + ",\n  ".join(f"{_quoted(key)} = {_quoted(value)}" for key, value in sorted(kept.items()))
            + ")"
        )
    return _table("createtab_stmt", [[text]])


def _key_text(table: Securable) -> str:
    detail = table.table
    keys = (f"`{key}`" + (" TIMESERIES" if key in detail.timeseries_columns else "") for key in detail.primary_key)
    return f"PRIMARY KEY ({', '.join(keys)})"


def _column_line(column: dict[str, Any]) -> str:
    comment = f" COMMENT {_quoted(column['comment'])}" if column.get("comment") else ""
    return f"{column['name']} {column['type_text'].upper()}{'' if column['nullable'] else ' NOT NULL'}{comment}"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _describe(caller: Caller, plan: Plan) -> Shown:
    kind = str(plan["kind"])
    if kind == "TABLE":
        return _describe_table(caller, plan)
    if kind == "FUNCTION":
        return _describe_function(caller, plan)
    if kind == "CATALOG":
        catalog = containers.get_catalog(caller, _name(plan))
        rows = [["Catalog Name", catalog.name], ["Comment", catalog.comment], ["Owner", catalog.owner]]
        return _table("info_name info_value", rows)
    if kind == "SCHEMA":
        schema = containers.get_schema(caller, _name(plan))
        catalog_name, _, name = schema.full_name.partition(".")
        rows = [["Catalog Name", catalog_name], ["Namespace Name", name], ["Comment", schema.comment], ["Owner", schema.owner]]
        return _table("database_description_item database_description_value", rows)
    volume = volumes.get_volume(caller, _name(plan))
    catalog_name, schema_name, name = volume.full_name.split(".")
    row = [name, catalog_name, schema_name, volume.owner, volume.comment, "MANAGED"]
    return _table("name catalog database owner comment volumeType", [row])


def _describe_table(caller: Caller, plan: Plan) -> Shown:
    table = _found_table(caller, plan)
    rows: list[list[Any]] = [[each["name"], each["type_text"], each.get("comment") or None] for each in table.table.columns]
    if plan["extended"]:
        rows += [["", "", ""], ["# Detailed Table Information", "", ""], *_details(table)]
        if table.table.primary_key:
            keys = ", ".join(
                f"`{key}`" + (" TIMESERIES" if key in table.table.timeseries_columns else "") for key in table.table.primary_key
            )
            rows += [["", "", ""], ["# Constraints", "", ""], [table.table.primary_key_name, f"PRIMARY KEY ({keys})", ""]]
    return _table("col_name data_type comment", rows)


def _found_table(caller: Caller, plan: Plan) -> Securable:
    return system_tables.table(caller, _name(plan)) or tables.get_table(caller, _name(plan))


def _details(table: Securable) -> list[list[Any]]:
    catalog, schema, name = table.full_name.split(".")
    kept = ",".join(f"{key}={value}" for key, value in sorted(_properties(table).items()))
    details: list[list[Any]] = [
        ["Catalog", catalog, ""],
        ["Database", schema, ""],
        ["Table", name, ""],
        ["Created Time", table.created_at, ""],
        ["Created By", table.created_by, ""],
        ["Owner", table.owner, ""],
        ["Type", table.table.table_type, ""],
        ["Comment", table.comment, ""],
    ]
    if table.table.table_type == tables.VIEW:
        return [*details, ["View Text", table.table.view_definition, ""]]
    return [*details, ["Provider", "delta", ""], ["Table Properties", f"[{kept}]", ""]]


def _describe_function(caller: Caller, plan: Plan) -> Shown:
    function = functions.get_function(caller, _name(plan))
    made = functions.definition_of(function)
    given = ", ".join(f"{each.name} {each.type_text.upper()}" for each in made.parameters)
    lines = [
        f"Function: {function.full_name}",
        "Type:     SCALAR",
        f"Input:    {given or '()'}",
        f"Returns:  {made.return_type_text.upper()}",
    ]
    if plan["extended"]:
        lines += [
            f"Comment:  {function.comment}",
            f"Deterministic: {'true' if made.is_deterministic else 'false'}",
            f"Owner:    {function.owner}",
            f"Language: {made.language}",
            f"Body:     {made.body}",
        ]
    return _table("function_desc", ([line] for line in lines))


def _describe_history(caller: Caller, plan: Plan) -> Shown:
    names = (
        "version:BIGINT timestamp:TIMESTAMP userId userName operation operationParameters job notebook clusterId "
        "readVersion:BIGINT isolationLevel isBlindAppend:BOOLEAN operationMetrics userMetadata engineInfo"
    )
    rows = [
        [
            each.version,
            each.timestamp,
            None,
            each.user_name,
            each.operation,
            each.operation_parameters,
            None,
            None,
            None,
            each.version - 1 if each.version else None,
            "WriteSerializable",
            each.is_blind_append,
            each.operation_metrics,
            None,
            "Proving-Ground",
        ]
        for each in table_rows.history(caller, _name(plan))
    ]
    return _table(names, rows)


def _describe_detail(caller: Caller, plan: Plan) -> Shown:
    table = tables.get_table(caller, _name(plan))
    folder = tables.folder_of(table)
    now = delta_tables.read(folder)
    changed_at = max(table.updated_at, delta_history.history(folder, 1)[0].timestamp)
    names = (
        "format id name description location createdAt:TIMESTAMP lastModified:TIMESTAMP partitionColumns numFiles:BIGINT "
        "sizeInBytes:BIGINT properties"
    )
    row = ["delta", now.table_id, table.full_name, table.comment, "", table.created_at, changed_at, [], len(now.files)]
    return _table(names, [[*row, now.size_bytes, dict(now.configuration)]])


_SHOWS: dict[str, Callable[[Caller, Plan], Shown]] = {
    "describe": _describe,
    "describe_detail": _describe_detail,
    "describe_history": _describe_history,
    "show": _show,
    "show_columns": _show_columns,
    "show_create_table": _show_create_table,
    "show_grants": _show_grants,
    "show_properties": _show_properties,
}
KINDS = tuple(_SHOWS)
