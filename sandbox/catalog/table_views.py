"""REST views of tables, their constraints and their lineage."""

from typing import Any

from django.db.models import BooleanField, F, Func, QuerySet, Value
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import caller_of
from sandbox.catalog import access, changes, containers, lineage, securables, system_tables, table_schema, tables
from sandbox.catalog.bodies import ChangeBody, CreateConstraintBody, CreateTableBody, LineageBody, read
from sandbox.catalog.column_types import Column
from sandbox.catalog.lineage import Kind, Node
from sandbox.catalog.models import Securable, SecurableType
from sandbox.catalog.paging import flag, page, required
from sandbox.catalog.representation import primary_key, table_info, table_summary
from sandbox.catalog.views import member_view, schema_of_query
from sandbox.errors import InvalidParameterValue, PermissionDenied, ResourceDoesNotExist
from sandbox.workspaces.members import Caller

MAX_SUMMARIES = 10_000
_BY_TYPE_NAME = {"LONG": "bigint", "SHORT": "smallint", "BYTE": "tinyint"}


@member_view("GET", "POST")
def all_tables(request: Request) -> Response:
    caller = caller_of(request)
    if request.method == "POST":
        return Response(table_info(_create(caller, read(CreateTableBody, request))))
    omit_columns, omit_properties = flag(request, "omit_columns"), flag(request, "omit_properties")
    schema_name = schema_of_query(request)
    if system_tables.schema(caller, schema_name) is not None:
        virtual = system_tables.tables_of(caller, schema_name)
        return Response({"tables": [table_info(each, omit_columns=omit_columns) for each in virtual]})
    found = tables.list_tables(caller, schema_name)
    return page(
        request,
        "tables",
        found.defer("table__columns") if omit_columns else found,
        lambda table: table_info(table, omit_columns=omit_columns, omit_properties=omit_properties),
    )


@member_view("GET")
def table_summaries(request: Request) -> Response:
    """Of every schema of a catalog, by full name; patterns are SQL LIKE."""
    caller = caller_of(request)
    catalog = containers.get_catalog(caller, required(request, "catalog_name"))
    access.require(caller, catalog)
    found = (
        Securable.objects.filter(securable_type=SecurableType.TABLE, parent__parent=catalog)
        .select_related("table")
        .defer("properties", "table__columns")
    )
    found = _like(found, "parent__name", request.query_params.get("schema_name_pattern", ""))
    found = _like(found, "name", request.query_params.get("table_name_pattern", ""))
    return page(request, "tables", access.visible(caller, found), table_summary, by="full_name", max_page=MAX_SUMMARIES)


@member_view("GET", "PATCH", "DELETE")
def table(request: Request, full_name: str) -> Response:
    caller = caller_of(request)
    if request.method == "DELETE":
        tables.drop_table(caller, full_name)
        return Response({})
    if request.method == "PATCH":
        body = {key: value for key, value in read(ChangeBody, request).items() if key in {"owner", "comment"}}
        return Response(table_info(changes.change(caller, tables.find(caller, full_name), **body)))
    return Response(table_info(system_tables.table(caller, full_name) or tables.get_table(caller, full_name)))


@member_view("GET")
def exists(request: Request, full_name: str) -> Response:
    """False also for a table that the caller may not know of, and when its schema or catalog is not there."""
    caller = caller_of(request)
    try:
        is_there = bool(system_tables.table(caller, full_name) or tables.get_table(caller, full_name))
    except (ResourceDoesNotExist, PermissionDenied):
        is_there = False
    return Response({"table_exists": is_there})


@member_view("POST")
def constraints(request: Request) -> Response:
    body = read(CreateConstraintBody, request)
    key = body["constraint"].get("primary_key_constraint")
    if key is None:
        raise InvalidParameterValue("Only primary_key_constraint is offered here; foreign keys and named constraints are not.")
    changed = table_schema.add_primary_key(
        caller_of(request),
        body["full_name_arg"],
        key["child_columns"],
        name=key["name"],
        timeseries=key.get("timeseries_columns", []),
    )
    return Response({"primary_key_constraint": primary_key(changed)})


@member_view("DELETE")
def constraint(request: Request, full_name: str) -> Response:
    table_schema.drop_constraint(caller_of(request), full_name, required(request, "constraint_name"))
    return Response({})


@member_view("GET")
def table_lineage(request: Request) -> Response:
    """Tables one step up- and downstream that the caller may know of [docs: Data lineage REST API]."""
    caller = caller_of(request)
    name = request.query_params.get("table_name") or read(LineageBody, request)["table_name"]
    asked = tables.get_table(caller, name)
    node = Node(Kind.TABLE, asked.full_name)
    upstream, downstream = lineage.neighbours(caller.workspace, node)
    return Response({"upstreams": _shown(caller, upstream), "downstreams": _shown(caller, downstream)})


def _create(caller: Caller, body: dict[str, Any]) -> Securable:
    if body["table_type"] != "MANAGED" or body.get("storage_location"):
        raise InvalidParameterValue("There are no external locations here: table_type must be MANAGED, without storage_location.")
    if body.get("data_source_format", "DELTA") != "DELTA":
        raise InvalidParameterValue(f"data_source_format must be DELTA, not '{body['data_source_format'][:50]}'.")
    columns = [
        Column(each["name"], _type_text(each), each["nullable"], each.get("comment", "")) for each in body.get("columns", [])
    ]
    name = securables.quoted([body["catalog_name"], body["schema_name"], body["name"]])
    return tables.create_table(caller, name, columns, properties=body.get("properties"), comment=body.get("comment", ""))


def _type_text(column: dict[str, Any]) -> str:
    """`type_text`, or what `type_name` alone says."""
    name = column.get("type_name", "")
    return str(column.get("type_text") or _BY_TYPE_NAME.get(name, name.lower()))


class _Like(Func):
    """`text LIKE pattern` with % and _, and nothing that escapes them, in a time that no pattern makes long.

    Not a regular expression: many a `%` in one would keep Python's, which SQLite uses, busy for ever.
    """

    template, arg_joiner = "(%(expressions)s)", " LIKE "
    output_field: Any = BooleanField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return super().as_sql(compiler, connection, template="(%(expressions)s ESCAPE '')", **context)


def _like(found: QuerySet[Securable], field: str, pattern: str) -> QuerySet[Securable]:
    """Names are kept in lower case, so the case of the pattern does not count."""
    return found.filter(_Like(F(field), Value(pattern.lower()[:255]))) if pattern else found


def _shown(caller: Caller, nodes: list[Node]) -> list[dict[str, Any]]:
    names = [node.name for node in nodes if node.kind == Kind.TABLE]
    found = Securable.objects.filter(workspace=caller.workspace, securable_type=SecurableType.TABLE, full_name__in=names)
    return [
        {
            "tableInfo": {
                "name": each.name,
                "catalog_name": each.full_name.split(".")[0],
                "schema_name": each.full_name.split(".")[1],
                "table_type": "VIEW" if each.table.table_type == tables.VIEW else "TABLE",
            }
        }
        for each in access.visible(caller, found).select_related("table").order_by("full_name")
    ]
