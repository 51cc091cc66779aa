"""Starts Debian's Chromium under Playwright, and opens pages in a theme and a width."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, sync_playwright

Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
WIDTHS = (1280, 360)
HEIGHTS = {1280: 900, 360: 740}
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; `CHROMIUM` in the environment names another executable."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=ARGUMENTS)
        yield browser
        browser.close()


def new_context(browser: Browser, theme: Theme = "light", width: int = 1280, **options: Any) -> BrowserContext:
    """A fresh profile whose system theme and window width are as asked; copying is allowed."""
    context = browser.new_context(
        color_scheme=theme, viewport={"width": width, "height": HEIGHTS.get(width, 900)}, reduced_motion="reduce", **options
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    return context
