"""The type of a page's request, with what django-htmx adds to it."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class PageRequest(HttpRequest):
    """`request.htmx` is true when htmx asks for a fragment instead of a page."""

    htmx: HtmxDetails
