"""REST views of catalogs, schemas, volumes, and of the metastore that a workspace has."""

from collections.abc import Callable
from typing import Any

from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import WorkspaceMember, caller_of
from sandbox.catalog import changes, containers, securables, system_tables, volumes
from sandbox.catalog.bodies import ChangeBody, CreateCatalogBody, CreateSchemaBody, CreateVolumeBody, read
from sandbox.catalog.paging import flag, page, required
from sandbox.catalog.representation import (
    catalog_info,
    metastore_id,
    metastore_summary,
    schema_info,
    volume_info,
    workspace_number,
)
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person


def member_view(*methods: str) -> Callable[[Callable[..., Response]], Any]:
    """A view for every member of the workspace; the operation asks for privileges itself."""

    def decorate(view: Callable[..., Response]) -> Any:
        return api_view(list(methods))(permission_classes([WorkspaceMember])(view))

    return decorate


@member_view("GET", "POST")
def catalogs(request: Request) -> Response:
    caller = caller_of(request)
    if request.method == "POST":
        body = read(CreateCatalogBody, request)
        made = containers.create_catalog(caller, body["name"], comment=body.get("comment", ""), properties=body.get("properties"))
        return Response(catalog_info(made))
    virtual = [catalog_info(each) for each in system_tables.catalogs(caller)]
    return page(request, "catalogs", containers.list_catalogs(caller), catalog_info, at_the_end=virtual)


@member_view("GET", "PATCH", "DELETE")
def catalog(request: Request, name: str) -> Response:
    caller = caller_of(request)
    if request.method == "DELETE":
        containers.drop_catalog(caller, name, force=flag(request, "force"))
        return Response({})
    if request.method == "PATCH":
        return Response(catalog_info(changes.change(caller, containers.get_catalog(caller, name), **read(ChangeBody, request))))
    return Response(catalog_info(system_tables.catalog(caller, name) or containers.get_catalog(caller, name)))


@member_view("GET", "POST")
def schemas(request: Request) -> Response:
    caller = caller_of(request)
    if request.method == "POST":
        body = read(CreateSchemaBody, request)
        name = securables.quoted([body["catalog_name"], body["name"]])
        made = containers.create_schema(caller, name, comment=body.get("comment", ""), properties=body.get("properties"))
        return Response(schema_info(made))
    catalog_name = required(request, "catalog_name")
    virtual = [schema_info(each) for each in system_tables.schemas(caller, catalog_name)]
    if system_tables.catalog(caller, catalog_name):
        return Response({"schemas": virtual})
    return page(request, "schemas", containers.list_schemas(caller, catalog_name), schema_info, at_the_end=virtual)


@member_view("GET", "PATCH", "DELETE")
def schema(request: Request, full_name: str) -> Response:
    caller = caller_of(request)
    if request.method == "DELETE":
        containers.drop_schema(caller, full_name, force=flag(request, "force"))
        return Response({})
    if request.method == "PATCH":
        return Response(
            schema_info(changes.change(caller, containers.get_schema(caller, full_name), **read(ChangeBody, request)))
        )
    return Response(schema_info(system_tables.schema(caller, full_name) or containers.get_schema(caller, full_name)))


@member_view("GET", "POST")
def all_volumes(request: Request) -> Response:
    caller = caller_of(request)
    if request.method == "POST":
        return Response(volume_info(_create_volume(caller, read(CreateVolumeBody, request))))
    schema_name = schema_of_query(request)
    return page(request, "volumes", volumes.list_volumes(caller, schema_name), volume_info)


@member_view("GET", "PATCH", "DELETE")
def volume(request: Request, full_name: str) -> Response:
    caller = caller_of(request)
    if request.method == "DELETE":
        volumes.drop_volume(caller, full_name)
        return Response({})
    found = volumes.get_volume(caller, full_name)
    if request.method == "PATCH":
        body = read(ChangeBody, request)
        body.pop("properties", None)
        found = changes.change(caller, found, **body)
    return Response(volume_info(found))


@member_view("GET")
def metastore(request: Request) -> Response:
    """`metastore_summary`: every workspace has a metastore of its own."""
    workspace = caller_of(request).workspace
    owner = person(workspace.owner) if workspace.owner is not None else securables.SYSTEM
    return Response(metastore_summary(workspace, owner))


@member_view("GET")
def metastore_assignment(request: Request) -> Response:
    workspace = caller_of(request).workspace
    return Response(
        {
            "metastore_id": metastore_id(workspace),
            "workspace_id": workspace_number(workspace),
            "default_catalog_name": workspace.catalog.lower(),
        }
    )


@member_view("GET")
def system_schemas(request: Request, metastore: str) -> Response:
    caller = caller_of(request)
    if metastore != metastore_id(caller.workspace):
        raise ResourceDoesNotExist(f"Metastore '{metastore[:100]}' does not exist.")
    found = system_tables.schemas(caller, system_tables.SYSTEM_CATALOG)
    return Response({"schemas": [{"schema": each.name, "state": "ENABLE_COMPLETED"} for each in found]})


def schema_of_query(request: Request) -> str:
    """The schema that a list is asked for, in backticks."""
    return securables.quoted([required(request, "catalog_name"), required(request, "schema_name")])


def _create_volume(caller: Caller, body: dict[str, Any]) -> Any:
    if body["volume_type"] != "MANAGED" or body.get("storage_location"):
        raise InvalidParameterValue(
            "There are no external locations here: volume_type must be MANAGED, without storage_location."
        )
    name = securables.quoted([body["catalog_name"], body["schema_name"], body["name"]])
    return volumes.create_volume(caller, name, comment=body.get("comment", ""))
