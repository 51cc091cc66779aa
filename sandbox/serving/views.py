"""REST views of the serving-endpoints API: may the caller, take the body apart, call the operation, show the result."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, cast

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import WorkspaceMember, caller_of
from sandbox.errors import EndpointNotFound, InvalidParameterValue
from sandbox.serving import (
    access,
    attributes,
    lifecycle,
    metrics_export,
    openapi,
    operations,
    permissions,
    telemetry_export,
    telemetry_tables,
)
from sandbox.serving.access import CAN_MANAGE, CAN_VIEW
from sandbox.serving.ai_gateway import AiGatewayBody, OldRateLimitsBody
from sandbox.serving.fields import checked
from sandbox.serving.logs import build_log, service_log
from sandbox.serving.models import Endpoint, PermissionLevel
from sandbox.serving.representation import detailed, summary
from sandbox.serving.serializers import (
    NotificationsBody,
    PermissionsBody,
    TagsBody,
    TelemetryPatchBody,
    read_config,
    read_endpoint,
    read_tags,
)
from sandbox.workspaces.members import Caller
from sandbox.workspaces.operations import person

EndpointView = Callable[Concatenate[Request, Caller, str, ...], HttpResponseBase]


def endpoint_view(**needed: PermissionLevel) -> Callable[[EndpointView], Any]:
    """A view of one endpoint by name; each method says which level it needs, and no other method is answered."""

    def decorate(view: EndpointView) -> Any:
        def answer(request: Request, name: str, **parameters: str) -> HttpResponseBase:
            caller = caller_of(request)
            access.require(caller, name, needed[request.method or ""])
            return view(request, caller, name, **parameters)

        checked_view: Any = permission_classes([WorkspaceMember])(wraps(view)(answer))
        return api_view(list(needed))(checked_view)

    return decorate


@api_view(["GET", "POST"])
@permission_classes([WorkspaceMember])
def endpoints(request: Request) -> Response:
    """List what the caller may view, and create."""
    caller = caller_of(request)
    if request.method == "POST":
        asked = read_endpoint(request.data)
        access.check_endpoint(caller, asked)
        with transaction.atomic():
            made = operations.create_endpoint(caller.workspace, person(caller.user), asked, caller.user)
            telemetry_tables.make_for(caller, made)
        return _shown(caller, made)
    found = operations.list_endpoints(caller.workspace)
    levels = access.levels_of(found, caller)
    return Response({"endpoints": [summary(endpoint) for endpoint in found if endpoint.id in levels]})


@endpoint_view(GET=CAN_VIEW, DELETE=CAN_MANAGE)
def endpoint(request: Request, caller: Caller, name: str) -> Response:
    if request.method == "DELETE":
        operations.delete_endpoint(caller.workspace, name)
        return Response({})
    return _shown(caller, operations.get_endpoint(caller.workspace, name))


@api_view(["POST", "PUT"])
@permission_classes([WorkspaceMember])
def provisioned_throughput(request: Request, name: str) -> Response:
    raise EndpointNotFound(
        "Provisioned throughput is not emulated: no model of this site is billed by model units. Deploy a custom model with "
        "POST /api/2.0/serving-endpoints, or query the preconfigured endpoints."
    )


@csrf_exempt
def named_pt(request: HttpRequest) -> HttpResponseBase:
    """The address that makes endpoints with provisioned throughput; `pt` is also a name that an endpoint may have."""
    answer = endpoint if request.method in {"GET", "DELETE"} else provisioned_throughput
    return cast(HttpResponseBase, answer(request, name="pt"))


@endpoint_view(PUT=CAN_MANAGE)
def config(request: Request, caller: Caller, name: str) -> Response:
    asked = read_config(request.data)
    access.check_config(caller, asked, operations.own_endpoint(caller.workspace, name))
    return _shown(caller, operations.update_config(caller.workspace, name, asked))


@endpoint_view(POST=CAN_MANAGE)
def stop(request: Request, caller: Caller, name: str) -> Response:
    return _shown(caller, lifecycle.stop_endpoint(caller.workspace, name))


@endpoint_view(POST=CAN_MANAGE)
def start(request: Request, caller: Caller, name: str) -> Response:
    return _shown(caller, lifecycle.start_endpoint(caller.workspace, name))


@endpoint_view(POST=CAN_MANAGE)
def cancel(request: Request, caller: Caller, name: str) -> Response:
    return _shown(caller, lifecycle.cancel_update(caller.workspace, name))


@endpoint_view(PATCH=CAN_MANAGE)
def tags(request: Request, caller: Caller, name: str) -> Response:
    body = checked(TagsBody, request.data)
    add = read_tags(body.get("add_tags", ()))
    return Response({"tags": attributes.patch_tags(caller.workspace, name, add, body.get("delete_tags", ()))})


@endpoint_view(PUT=CAN_MANAGE)
def ai_gateway(request: Request, caller: Caller, name: str) -> Response:
    asked = checked(AiGatewayBody, request.data)
    access.check_ai_gateway(caller, asked, operations.own_endpoint(caller.workspace, name))
    return Response(attributes.put_ai_gateway(caller.workspace, name, asked))


@endpoint_view(PUT=CAN_MANAGE)
def rate_limits(request: Request, caller: Caller, name: str) -> Response:
    body = checked(OldRateLimitsBody, request.data)
    return Response({"rate_limits": attributes.put_rate_limits(caller.workspace, name, body.get("rate_limits", []))})


@endpoint_view(PATCH=CAN_MANAGE)
def notifications(request: Request, caller: Caller, name: str) -> Response:
    asked = checked(NotificationsBody, request.data).get("email_notifications", {})
    changed = attributes.patch_notifications(caller.workspace, name, asked)
    return Response({"name": name, "email_notifications": changed.email_notifications})


@endpoint_view(PATCH=CAN_MANAGE)
def telemetry_config(request: Request, caller: Caller, name: str) -> Response:
    asked = checked(TelemetryPatchBody, request.data).get("telemetry_config")
    with transaction.atomic():
        changed = attributes.patch_telemetry(caller.workspace, name, asked)
        telemetry_tables.make_for(caller, changed)
        transaction.on_commit(telemetry_export.follow)
    return _shown(caller, changed)


@endpoint_view(GET=CAN_VIEW)
def open_api(request: Request, caller: Caller, name: str) -> JsonResponse:
    return JsonResponse(openapi.describe(operations.get_endpoint(caller.workspace, name)))


@endpoint_view(GET=CAN_VIEW)
def metrics(request: Request, caller: Caller, name: str) -> HttpResponse:
    text = metrics_export.export(operations.get_endpoint(caller.workspace, name))
    return HttpResponse(text, content_type=metrics_export.CONTENT_TYPE)


@endpoint_view(GET=CAN_VIEW)
def build_logs(request: Request, caller: Caller, name: str, served_name: str) -> Response:
    entity = operations.served_entity(caller.workspace, name, served_name, _config_version(request))
    return Response({"logs": build_log(entity)})


@endpoint_view(GET=CAN_VIEW)
def service_logs(request: Request, caller: Caller, name: str, served_name: str) -> Response:
    entity = operations.served_entity(caller.workspace, name, served_name, _config_version(request))
    return Response({"logs": service_log(entity)})


@api_view(["GET", "PUT", "PATCH"])
@permission_classes([WorkspaceMember])
def access_control_list(request: Request, endpoint_id: str) -> Response:
    caller = caller_of(request)
    if request.method == "GET":
        return Response(permissions.read_list(caller, endpoint_id))
    asked = checked(PermissionsBody, request.data).get("access_control_list", [])
    change = permissions.replace_list if request.method == "PUT" else permissions.update_list
    return Response(change(caller, endpoint_id, asked))


@api_view(["GET"])
@permission_classes([WorkspaceMember])
def permission_levels(request: Request, endpoint_id: str) -> Response:
    return Response(permissions.levels(caller_of(request), endpoint_id))


def _shown(caller: Caller, endpoint: Endpoint) -> Response:
    return Response(detailed(endpoint, caller.workspace, access.level_of(endpoint, caller) or ""))


def _config_version(request: Request) -> int | None:
    """The optional query parameter of the logs."""
    written = request.query_params.get("config_version")
    if written is None:
        return None
    if not (written.isascii() and written.isdecimal() and len(written) < 10):
        raise InvalidParameterValue(f"config_version must be a whole number, not {written!r}.")
    return int(written)
