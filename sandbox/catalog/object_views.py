"""REST views of functions, and of grants and tags on any object."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import caller_of
from sandbox.catalog import changes, functions, grants, hooks, securables, tables, tags
from sandbox.catalog.bodies import (
    ChangeBody,
    CreateFunctionBody,
    PermissionsBody,
    TagBody,
    TagValueBody,
    read,
)
from sandbox.catalog.functions import Definition, Parameter
from sandbox.catalog.models import Securable, SecurableType
from sandbox.catalog.paging import page
from sandbox.catalog.representation import function_info, privilege_assignments, tag_info
from sandbox.catalog.views import member_view, schema_of_query
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.workspaces.members import Caller

_KINDS = {
    "catalog": SecurableType.CATALOG,
    "schema": SecurableType.SCHEMA,
    "table": SecurableType.TABLE,
    "volume": SecurableType.VOLUME,
    "function": SecurableType.FUNCTION,
    "model": SecurableType.MODEL,
    "registered_model": SecurableType.MODEL,
}
_TAGGED = {"catalogs": "catalog", "schemas": "schema", "tables": "table", "volumes": "volume", "columns": "column"}


@member_view("GET", "POST")
def all_functions(request: Request) -> Response:
    caller = caller_of(request)
    if request.method == "GET":
        return page(request, "functions", functions.list_functions(caller, schema_of_query(request)), function_info)
    body = read(CreateFunctionBody, request)["function_info"]
    definition = _definition(body)
    hooks.check_function(caller, definition)
    name = securables.quoted([body["catalog_name"], body["schema_name"], body["name"]])
    return Response(function_info(functions.create_function(caller, name, definition, comment=body.get("comment", ""))))


@member_view("GET", "PATCH", "DELETE")
def function(request: Request, full_name: str) -> Response:
    caller = caller_of(request)
    if request.method == "DELETE":
        functions.drop_function(caller, full_name)
        return Response({})
    found = functions.get_function(caller, full_name)
    if request.method == "PATCH":
        body = {key: value for key, value in read(ChangeBody, request).items() if key in {"owner", "comment"}}
        found = changes.change(caller, found, **body)
    return Response(function_info(found))


@member_view("GET", "PATCH")
def permissions(request: Request, securable_type: str, full_name: str) -> Response:
    caller = caller_of(request)
    securable = find_securable(caller, securable_type, full_name)
    if request.method == "GET":
        shown = grants.grants_on(caller, securable, request.query_params.get("principal"))
        return Response({"privilege_assignments": privilege_assignments(shown)})
    body = read(PermissionsBody, request)
    add: dict[str, list[str]] = {}
    remove: dict[str, list[str]] = {}
    for change in body.get("changes", []):
        add.setdefault(change["principal"], []).extend(_spelled(change.get("add", [])))
        remove.setdefault(change["principal"], []).extend(_spelled(change.get("remove", [])))
    grants.change(caller, securable, add, remove)
    if body["omit_permissions_in_response"]:
        return Response({})
    return Response({"privilege_assignments": privilege_assignments(grants.grants_on(caller, securable))})


@member_view("GET")
def effective_permissions(request: Request, securable_type: str, full_name: str) -> Response:
    return Response({"privilege_assignments": _effective(request, securable_type, full_name)})


@member_view("GET")
def all_permissions(request: Request, securable_type: str, full_name: str) -> Response:
    """`grants.list`, the paged form; one page holds all."""
    caller = caller_of(request)
    securable = find_securable(caller, securable_type, full_name)
    shown = grants.grants_on(caller, securable, request.query_params.get("principal"))
    return Response({"privilege_assignments": privilege_assignments(shown)})


@member_view("GET")
def all_effective_permissions(request: Request, securable_type: str, full_name: str) -> Response:
    return Response({"effective_privilege_assignments": _effective(request, securable_type, full_name)})


@member_view("POST")
def add_tag(request: Request) -> Response:
    body = read(TagBody, request)
    caller = caller_of(request)
    securable, column = _tagged(caller, body["entity_type"], body["entity_name"])
    return Response(
        tag_info(tags.add_tag(caller, securable, body["tag_key"], body.get("tag_value", ""), column), body["entity_type"])
    )


@member_view("GET")
def all_tags(request: Request, entity_type: str, entity_name: str) -> Response:
    caller = caller_of(request)
    securable, column = _tagged(caller, entity_type, entity_name)
    return Response({"tag_assignments": [tag_info(tag, entity_type) for tag in tags.tags_of(caller, securable, column)]})


@member_view("GET", "PATCH", "DELETE")
def tag(request: Request, entity_type: str, entity_name: str, tag_key: str) -> Response:
    caller = caller_of(request)
    securable, column = _tagged(caller, entity_type, entity_name)
    found = tags.find_tag(caller, securable, tag_key, column)
    if request.method == "DELETE":
        tags.unset_tags(caller, securable, [found.key], column)
        return Response({})
    if request.method == "PATCH":
        tags.set_tags(caller, securable, {found.key: read(TagValueBody, request).get("tag_value", "")}, column)
        found = tags.find_tag(caller, securable, tag_key, column)
    return Response(tag_info(found, entity_type))


def find_securable(caller: Caller, securable_type: str, full_name: str) -> Securable:
    """The object of a kind as the API writes it. Grants on models are asked for as `function`, as there.

    Raises InvalidParameterValue (kind), ResourceDoesNotExist.
    """
    kind = _KINDS.get(securable_type.lower())
    if kind is None:
        raise InvalidParameterValue(f"'{securable_type[:50]}' is not a kind of object that is here. Known: {', '.join(_KINDS)}.")
    if kind == SecurableType.TABLE:
        return tables.find(caller, full_name)
    try:
        return securables.find(caller.workspace, kind, full_name)
    except ResourceDoesNotExist:
        if kind != SecurableType.FUNCTION:
            raise
        return securables.find(caller.workspace, SecurableType.MODEL, full_name)


def _effective(request: Request, securable_type: str, full_name: str) -> list[dict[str, Any]]:
    caller = caller_of(request)
    securable = find_securable(caller, securable_type, full_name)
    shown: dict[str, list[dict[str, str]]] = {}
    for each in grants.effective(caller, securable, request.query_params.get("principal")):
        privilege = {"privilege": each.privilege}
        if each.source != securable:
            privilege["inherited_from_type"] = each.source.securable_type
            privilege["inherited_from_name"] = each.source.full_name
        shown.setdefault(each.principal, []).append(privilege)
    return [{"principal": principal, "privileges": privileges} for principal, privileges in shown.items()]


def _spelled(privileges: list[str]) -> list[str]:
    """As the SDK spells them; SQL's spelling with spaces is understood too."""
    return [privilege.upper().replace(" ", "_") for privilege in privileges]


def _tagged(caller: Caller, entity_type: str, entity_name: str) -> tuple[Securable, str]:
    """The object that a tag is on, and the column's name for one of a column."""
    kind = _TAGGED.get(entity_type.lower(), entity_type.lower())
    if kind not in {"catalog", "schema", "table", "volume", "column", "model", "function"}:
        raise InvalidParameterValue(f"'{entity_type[:50]}' takes no tags. Known: {', '.join(_TAGGED)}.")
    if kind != "column":
        return find_securable(caller, kind, entity_name), ""
    table_name, _, column = entity_name.rpartition(".")
    return tables.find(caller, table_name), column.strip("`")


def _definition(body: dict[str, Any]) -> Definition:
    language = functions.SQL
    if body["routine_body"] == "EXTERNAL":
        language = body.get("external_language", "Python").upper()
        if language not in (functions.PYTHON, functions.FEATURE_SPEC):
            raise InvalidParameterValue(f"external_language must be Python, not '{body['external_language'][:50]}'.")
    parameters = tuple(
        Parameter(each["name"], each["type_text"], each.get("parameter_default"), each.get("comment", ""))
        for each in body.get("input_params", {}).get("parameters", [])
    )
    return Definition(
        language=language,
        body=body["routine_definition"],
        parameters=parameters,
        return_type_text=_return_type(body),
        is_deterministic=body["is_deterministic"],
    )


def _return_type(body: dict[str, Any]) -> str:
    if body.get("data_type") != "TABLE_TYPE":
        return str(body.get("full_data_type") or body.get("data_type", ""))
    columns = body.get("return_params", {}).get("parameters", [])
    if not columns:
        return str(body.get("full_data_type", ""))
    return "table<" + ",".join(f"{securables.quoted([each['name']])}:{each['type_text']}" for each in columns) + ">"
