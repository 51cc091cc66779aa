"""Waiting for what no `expect` of Playwright can say."""

import time
from collections.abc import Callable

from playwright.sync_api import Page


def until(page: Page, condition: Callable[[], bool], within_s: float = 90.0) -> None:
    """Ask until it is so; the browser's events are handled meanwhile."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, f"not so within {within_s:.0f} s"
        page.wait_for_timeout(200)
