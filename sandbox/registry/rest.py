"""What the views of the registry's three protocols share: read the fields, know the caller, call the operation, answer."""

from collections.abc import Callable, Mapping
from typing import Any

from rest_framework.decorators import api_view, permission_classes
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import WorkspaceMember, caller_of
from sandbox.errors import InvalidParameterValue
from sandbox.registry.bodies import Body
from sandbox.workspaces.members import Caller

Asked = dict[str, Any]
Operation = Callable[[Caller, Asked], dict[str, Any]]
_LISTS = frozenset({"order_by", "stages"})


def rest_view(**operations: tuple[type[Body], Operation]) -> Any:
    """A view with one operation for each HTTP method.

    An operation gets the caller and the checked fields of the body (of a GET, and a DELETE without body: of the query) together
    with what the path names, and returns the answer's JSON object.
    """

    def view(request: Request, **named: str) -> Response:
        body, operation = operations[request.method or ""]
        return Response(operation(caller_of(request), {**_read(body, _fields(request)), **named}))

    checked: Any = permission_classes([WorkspaceMember])(view)
    return api_view(list(operations))(checked)


def _fields(request: Request) -> Any:
    if request.method != "GET" and (request.data or request.method != "DELETE"):
        return request.data or {}
    query = request.query_params
    return {key: query.getlist(key) if key in _LISTS else query[key] for key in query}


def _read(body: type[Body], data: Any) -> Asked:
    """The checked fields, null as if it had not been sent; the first problem becomes INVALID_PARAMETER_VALUE."""
    if not isinstance(data, Mapping):
        raise InvalidParameterValue("The body must be a JSON object.")
    serializer = body(data={key: value for key, value in data.items() if value is not None})
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


def tags_of(asked: Asked) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in asked["tags"]}
