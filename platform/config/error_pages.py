"""What unexpected requests are answered with: a page for a person, the provider's error shape for an API client."""

from collections.abc import Callable

from django.core.exceptions import RequestDataTooBig
from django.db import DataError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults

API_PATHS = ("/api/", "/serving-endpoints/", "/.well-known/", "/mlflow-artifacts/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, or 413 when a form was too large."""
    is_too_big = isinstance(exception, RequestDataTooBig)
    if is_for_api(request):
        if is_too_big:
            return _api_error(413, "REQUEST_TOO_LARGE", "The body is over the limit of this address.")
        return _api_error(400, "BAD_REQUEST", "The request is malformed.")
    return render(request, "413.html", status=413) if is_too_big else defaults.bad_request(request, exception)


class DataErrors:
    """Middleware: a text that the database cannot hold is the sender's mistake, on pages as in the REST API."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        return bad_request(request, exception) if isinstance(exception, DataError) else None


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: nothing at this address, or not for this person, which is the same answer."""
    if is_for_api(request):
        return _api_error(404, "ENDPOINT_NOT_FOUND", f"No API found for '{request.method} {request.path[:200]}'.")
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """500. Without the context of the other pages: what failed may be needed there."""
    if is_for_api(request):
        return _api_error(500, "INTERNAL_ERROR", "The request failed inside the site. The log has the details.")
    return defaults.server_error(request)


def is_for_api(request: HttpRequest) -> bool:
    """Whether the caller reads `error_code` and `message` rather than a page."""
    return request.path.startswith(API_PATHS)


def _api_error(status: int, error_code: str, message: str) -> JsonResponse:
    return JsonResponse({"error_code": error_code, "message": message}, status=status)
