"""REST views of the SQL Statement Execution, Query History and SQL Warehouses APIs."""

from django.http import HttpResponse
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import WorkspaceMember, caller_of
from sandbox.sql import linked, query_history, statements, warehouses
from sandbox.sql.serializers import ExecuteStatementBody, HistoryQuery


@api_view(["POST"])
@permission_classes([WorkspaceMember])
def execute_statement(request: Request) -> Response:
    body = ExecuteStatementBody(data=request.data)
    body.is_valid(raise_exception=True)
    asked = body.validated_data
    warehouses.require(asked["warehouse_id"])
    caller = caller_of(request)
    warehouses.start(caller.workspace)
    return Response(
        statements.execute(
            caller,
            asked["statement"],
            catalog=asked["catalog"],
            schema=asked["schema"] or "default",
            parameters=asked["parameters"],
            row_limit=asked["row_limit"],
            byte_limit=asked["byte_limit"],
            wait_timeout_s=int(asked["wait_timeout"].removesuffix("s")),
            on_wait_timeout=asked["on_wait_timeout"],
            linked=asked["disposition"] == "EXTERNAL_LINKS",
            base=linked.base_of(request),
        )
    )


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def get_statement(request: Request, statement_id: str) -> Response:
    return Response(statements.get(caller_of(request), statement_id, base=linked.base_of(request)))


@api_view(["POST"])
@permission_classes([WorkspaceMember])
def cancel_statement(request: Request, statement_id: str) -> Response:
    statements.cancel(caller_of(request), statement_id)
    return Response({})


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def get_statement_chunk(request: Request, statement_id: str, chunk_index: int) -> Response:
    return Response(statements.get_chunk(caller_of(request), statement_id, chunk_index, base=linked.base_of(request)))


@api_view(["GET"])
@authentication_classes([])
@permission_classes([])
def get_linked_result(request: Request, token: str) -> HttpResponse:
    """One part of a result in Arrow, for whoever has the link, as with a presigned address of cloud storage."""
    return HttpResponse(linked.read(token), content_type="application/vnd.apache.arrow.stream")


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def list_queries(request: Request) -> Response:
    asked = HistoryQuery(data=request.query_params)
    asked.is_valid(raise_exception=True)
    return Response(query_history.page(caller_of(request), request.query_params, **asked.validated_data))


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def list_warehouses(request: Request) -> Response:
    return Response({"warehouses": [warehouses.describe(caller_of(request).workspace, request.get_host())]})


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def get_warehouse(request: Request, warehouse_id: str) -> Response:
    warehouses.require(warehouse_id)
    return Response(warehouses.describe(caller_of(request).workspace, request.get_host()))


@api_view(["POST"])
@permission_classes([WorkspaceMember])
def start_warehouse(request: Request, warehouse_id: str) -> Response:
    warehouses.require(warehouse_id)
    warehouses.start(caller_of(request).workspace)
    return Response({})


@api_view(["POST"])
def stop_warehouse(request: Request, warehouse_id: str) -> Response:
    warehouses.require(warehouse_id)
    warehouses.stop(caller_of(request).workspace)
    return Response({})


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def get_warehouse_config(request: Request) -> Response:
    """What every warehouse of the workspace has in common."""
    return Response({"security_policy": "NONE", "enable_serverless_compute": True, "data_access_config": []})
