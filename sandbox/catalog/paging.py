"""Lists in pages, cut in the database: `max_results` and `page_token` in, `next_page_token` out while there is more."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from sandbox.authentication import caller_of
from sandbox.catalog.models import Securable
from sandbox.errors import InvalidParameterValue

MAX_PAGE = 1_000


def page(
    request: Request,
    key: str,
    found: QuerySet[Securable],
    show: Callable[[Securable], dict[str, Any]],
    *,
    by: str = "name",
    at_the_end: Iterable[dict[str, Any]] = (),
    max_page: int = MAX_PAGE,
) -> Response:
    """One page of `found`, ordered by the field `by`, which is unique in it; `at_the_end` closes the last page.

    `max_results` 0 or left out: as many as fit a page. Raises InvalidParameterValue: below 0, or a token that is none.
    """
    size = page_size(request, max_page)
    token = request.query_params.get("page_token")
    if token:
        found = found.filter(**{f"{by}__gt": _read_token(token)})
    rows = list(found.order_by(by)[: size + 1])
    workspace = caller_of(request).workspace
    for row in rows:
        row.workspace = workspace  # as all of them are in it: reading it with each row would take as long as the rows
    shown = [show(row) for row in rows[:size]]
    if len(rows) > size:
        return Response({key: shown, "next_page_token": _token(getattr(rows[size - 1], by))})
    return Response({key: [*shown, *at_the_end]})


def page_size(request: Request, max_page: int = MAX_PAGE) -> int:
    """Raises InvalidParameterValue."""
    asked = request.query_params.get("max_results") or request.query_params.get("page_size") or "0"
    try:
        size = int(asked[:20])
    except ValueError:
        size = -1
    if size < 0:
        raise InvalidParameterValue(f"max_results must be 0 or a positive number, not '{asked[:50]}'.")
    return min(size, max_page) or max_page


def flag(request: Request, name: str) -> bool:
    """A query parameter that is true or false; false when left out."""
    return request.query_params.get(name, "").lower() == "true"


def required(request: Request, name: str) -> str:
    """A query parameter. Raises InvalidParameterValue when it is missing."""
    value = request.query_params.get(name, "")
    if not value:
        raise InvalidParameterValue(f"The query parameter {name} is missing.")
    return value


def _token(last: str) -> str:
    return base64.urlsafe_b64encode(last.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise InvalidParameterValue("page_token is not one that this API gave; begin again without it.") from None
