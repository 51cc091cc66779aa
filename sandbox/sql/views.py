"""REST views of the SQL Statement Execution API."""

from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import token_of
from sandbox.sql import statements
from sandbox.sql.serializers import ExecuteStatementBody


@api_view(["POST"])
def execute_statement(request: Request) -> Response:
    body = ExecuteStatementBody(data=request.data)
    body.is_valid(raise_exception=True)
    asked = body.validated_data
    workspace = token_of(request).workspace
    return Response(
        statements.execute(
            workspace.id,
            asked["statement"],
            catalog=asked.get("catalog") or workspace.catalog,
            schema=asked["schema"],
            parameters=asked["parameters"],
            row_limit=asked["row_limit"],
            byte_limit=asked["byte_limit"],
        )
    )


@api_view(["GET"])
def get_statement(request: Request, statement_id: str) -> Response:
    return Response(statements.get(token_of(request).workspace.id, statement_id))


@api_view(["GET"])
def get_statement_chunk(request: Request, statement_id: str, chunk_index: int) -> Response:
    return Response(statements.get_chunk(token_of(request).workspace.id, statement_id, chunk_index))
