"""Finds the pages of a running site by following its links, one address for each kind of page."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from playwright.sync_api import Page

SKIPPED = ("/logout/", "/static/", "/client/", "/export", ".csv", ".log", "/healthz", "/sandbox/mlflow/", "/download/")
_IDENTIFIER = re.compile(r"(?<=/)(?:[0-9a-f]{32}|\d+|[A-Za-z0-9_-]*[-_0-9][A-Za-z0-9_-]*|[^/]+\.[^/]+)(?=/)")
KINDS_LIMIT = 120


def walk(page: Page, site: str, start: str = "/") -> Iterator[str]:
    """Open and yield page after page, breadth first; of pages whose addresses differ only in an identifier, the first."""
    waiting, seen = [start], {kind_of(start)}
    while waiting and len(seen) <= KINDS_LIMIT:
        path = waiting.pop(0)
        page.goto(site + path)
        yield path
        for link in links(page, site):
            if kind_of(link) not in seen:
                seen.add(kind_of(link))
                waiting.append(link)


def links(page: Page, site: str) -> list[str]:
    """Addresses on this site that the page links to, without fragments, as path and query."""
    found: list[str] = page.eval_on_selector_all(
        "a[href]", "anchors => anchors.map(a => new URL(a.getAttribute('href'), a.baseURI).href)"
    )
    paths = (link.split("#")[0].removeprefix(site) for link in found if link.startswith(site + "/"))
    return [path for path in paths if not any(word in path for word in SKIPPED)]


def kind_of(path: str) -> str:
    """The address with every identifier replaced: `/items/12/` and `/items/13/` are one kind of page."""
    parts = urlsplit(path)
    names = "&".join(sorted(part.split("=")[0] for part in parts.query.split("&") if part))
    return _IDENTIFIER.sub("*", parts.path) + (f"?{names}" if names else "")
