"""REST views of the serving-endpoints API: take the body apart, call the operation, show the result."""

from rest_framework.decorators import api_view
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import token_of
from sandbox.serving import operations
from sandbox.serving.logs import build_log, service_log
from sandbox.serving.representation import detailed, summary
from sandbox.serving.serializers import AiGatewayBody, TagsBody, checked, read_config, read_endpoint, tag_of
from sandbox.workspaces.operations import person


@api_view(["GET", "POST"])
def endpoints(request: Request) -> Response:
    """List, and create."""
    token = token_of(request)
    if request.method == "POST":
        created = operations.create_endpoint(token.workspace, person(token.user), read_endpoint(request.data))
        return Response(detailed(created, token.workspace))
    return Response({"endpoints": [summary(endpoint) for endpoint in operations.list_endpoints(token.workspace)]})


@api_view(["GET", "DELETE"])
def endpoint(request: Request, name: str) -> Response:
    workspace = token_of(request).workspace
    if request.method == "DELETE":
        operations.delete_endpoint(workspace, name)
        return Response({})
    return Response(detailed(operations.get_endpoint(workspace, name), workspace))


@api_view(["PUT"])
def config(request: Request, name: str) -> Response:
    workspace = token_of(request).workspace
    return Response(detailed(operations.update_config(workspace, name, read_config(request.data)), workspace))


@api_view(["PATCH"])
def tags(request: Request, name: str) -> Response:
    body = checked(TagsBody, request.data)
    add = [tag_of(tag) for tag in body.get("add_tags", ())]
    return Response({"tags": operations.patch_tags(token_of(request).workspace, name, add, body.get("delete_tags", ()))})


@api_view(["PUT"])
def ai_gateway(request: Request, name: str) -> Response:
    asked = checked(AiGatewayBody, request.data)
    return Response(operations.put_ai_gateway(token_of(request).workspace, name, asked))


@api_view(["GET"])
def build_logs(request: Request, name: str, served_name: str) -> Response:
    return Response({"logs": build_log(operations.served_entity(token_of(request).workspace, name, served_name))})


@api_view(["GET"])
def service_logs(request: Request, name: str, served_name: str) -> Response:
    return Response({"logs": service_log(operations.served_entity(token_of(request).workspace, name, served_name))})
