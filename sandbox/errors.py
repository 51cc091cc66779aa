"""Errors of the REST API: each class knows its status and `error_code` and writes its sentence from facts.

The codes are those that databricks-sdk 0.156 maps to exception classes (`databricks/sdk/errors/platform.py`).
"""

from typing import Any

from django.db import DataError
from rest_framework import exceptions
from rest_framework.response import Response

UNKEEPABLE = "A value is longer than the site keeps it, or has a zero byte. Use shorter names, and texts without zero bytes."
"""For what PostgreSQL refuses (SQLite takes both) and no rule of ours refused before."""


class ApiError(Exception):
    """Base: `{"error_code": …, "message": …}` with `status`."""

    status = 500
    error_code = "INTERNAL_ERROR"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def body(self) -> dict[str, Any]:
        return {"error_code": self.error_code, "message": self.message}


class InvalidParameterValue(ApiError):
    status, error_code = 400, "INVALID_PARAMETER_VALUE"


class BadRequest(ApiError):
    status, error_code = 400, "BAD_REQUEST"


class InvalidState(ApiError):
    status, error_code = 400, "INVALID_STATE"


class Unauthenticated(ApiError):
    status, error_code = 401, "UNAUTHENTICATED"

    def __init__(self, message: str = "Credential was not sent or was of an unsupported type for this API.") -> None:
        super().__init__(message)


class PermissionDenied(ApiError):
    status, error_code = 403, "PERMISSION_DENIED"


class ResourceDoesNotExist(ApiError):
    status, error_code = 404, "RESOURCE_DOES_NOT_EXIST"


class NotFound(ApiError):
    """A file or folder that is not there: MLflow looks for this code."""

    status, error_code = 404, "NOT_FOUND"


class EndpointNotFound(ApiError):
    """An address that the REST API does not have: MLflow falls back to older calls on this code."""

    status, error_code = 404, "ENDPOINT_NOT_FOUND"


class AlreadyExists(ApiError):
    status, error_code = 409, "ALREADY_EXISTS"


class ResourceAlreadyExists(ApiError):
    status, error_code = 409, "RESOURCE_ALREADY_EXISTS"


class ResourceConflict(ApiError):
    status, error_code = 409, "RESOURCE_CONFLICT"


class ResourceExhausted(ApiError):
    """A quota; 400 and not 429, on which clients would try again for minutes (assumed)."""

    status, error_code = 400, "RESOURCE_EXHAUSTED"


class RequestTooLarge(ApiError):
    """413: the limit is documented, the status is not (assumed)."""

    status, error_code = 413, "REQUEST_TOO_LARGE"


class RequestTimeout(ApiError):
    """408: the request's body did not arrive in time."""

    status, error_code = 408, "REQUEST_TIMEOUT"


class RequestLimitExceeded(ApiError):
    status, error_code = 429, "REQUEST_LIMIT_EXCEEDED"


class InternalError(ApiError):
    status, error_code = 500, "INTERNAL_ERROR"


class TemporarilyUnavailable(ApiError):
    status, error_code = 503, "TEMPORARILY_UNAVAILABLE"


class DeadlineExceeded(ApiError):
    status, error_code = 504, "DEADLINE_EXCEEDED"


def _first_problem(detail: Any, field: str = "") -> tuple[str, str]:
    """The first offending field of a DRF validation error and its sentence."""
    if isinstance(detail, dict):
        name, inner = next(iter(detail.items()))
        if isinstance(name, int):  # a position in a list, as DRF 3.16 and later report it
            return _first_problem(inner, f"{field}[{name}]")
        return _first_problem(inner, f"{field}.{name}" if field and name != "non_field_errors" else (field or str(name)))
    if isinstance(detail, list):
        position, inner = next((i, d) for i, d in enumerate(detail) if d)
        return _first_problem(inner, f"{field}[{position}]" if isinstance(inner, dict) else field)
    return field, str(detail)


def rest_exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Turn every expected exception of a REST view into the provider's error shape."""
    if isinstance(exc, ApiError):
        return Response(exc.body(), status=exc.status)
    if isinstance(exc, DataError):
        return Response(InvalidParameterValue(UNKEEPABLE).body(), status=400)
    if isinstance(exc, exceptions.ValidationError):
        field, sentence = _first_problem(exc.detail)
        named = field not in {"", "non_field_errors"}
        return Response(InvalidParameterValue(f"{field}: {sentence}" if named else sentence).body(), status=400)
    if isinstance(exc, exceptions.ParseError):
        return Response(BadRequest(f"The body is not valid JSON: {exc.detail}").body(), status=400)
    if isinstance(exc, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return Response(Unauthenticated().body(), status=401)
    if isinstance(exc, exceptions.APIException):
        code = {403: "PERMISSION_DENIED", 404: "ENDPOINT_NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 415: "BAD_REQUEST"}
        return Response(
            {"error_code": code.get(exc.status_code, "BAD_REQUEST"), "message": str(exc.detail)}, status=exc.status_code
        )
    return None
