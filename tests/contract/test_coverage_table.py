"""The table in sandbox/README.md names every REST address, and no address that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path

from django.urls import URLPattern, URLResolver, get_resolver

from sandbox.files.app import PREFIX as FILES
from sandbox.registry.routes import PREFIXES

README = Path(__file__).resolve().parents[2] / "sandbox" / "README.md"
REST = ("/api/", "/.well-known/")


def documented() -> set[str]:
    rows = re.findall(r"^\| [^|]+ \| ((?:GET|POST|PUT|PATCH|DELETE) [^|]+?) \|", README.read_text(), re.M)
    return {row.split(" ", 1)[1].strip() for row in rows}


def routed(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routed(pattern.url_patterns, prefix + str(pattern.pattern))
        else:
            yield prefix + str(pattern.pattern)


def shape(address: str) -> str:
    """The address with its parameters blanked and without a trailing slash."""
    return re.sub(r"<[^>]+>|\{[^}]+\}", "{}", address).rstrip("/")


def test_every_address_of_the_api_is_in_the_table() -> None:
    real = {shape(address) for address in routed(get_resolver().url_patterns) if address.startswith(REST)}
    assert real - {shape(address) for address in documented()} == set()


def test_the_table_names_no_address_that_is_not_there() -> None:
    real = {shape(address) for address in routed(get_resolver().url_patterns)}
    api = {shape(address) for address in documented() if address.startswith(REST)}
    assert api - real == set()


def test_what_is_answered_before_django_is_named_by_its_prefix() -> None:
    text = README.read_text()
    assert [prefix for prefix in (*PREFIXES, FILES) if prefix.rstrip("/") not in text] == []
