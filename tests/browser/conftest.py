"""A browser, a site with endpoints in every state, and pages opened as one of the people."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace, system_workspace
from tests.browser.chromium import Theme, chromium, new_context
from tests.browser.endpoint_rows import make_every_state

# Playwright's synchronous API keeps an event loop in this thread, which Django would take for asynchronous code.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")

OpenPage = Callable[..., Page]

expect.set_options(timeout=30_000)  # the usual 5 s are not enough for a machine that does something else beside


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def site(live_server: LiveServer, settings: Any, tmp_path: Path) -> str:
    """The address of a site that runs in this process, without the other processes around it."""
    settings.SITE_URL = live_server.url
    settings.SECRETS_DIR = tmp_path / "secrets"
    settings.MLFLOW_SOCKET = tmp_path / "no-mlflow.sock"
    return str(live_server.url)


@pytest.fixture
def endpoints(site: str, learner: User) -> None:
    """The learner's endpoints, one in every state that a page can show, and the preconfigured one."""
    make_every_state(open_workspace(learner), system_workspace())


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[OpenPage]:
    """`open_page(path, user, theme=…, width=…)`: a page as that person sees it; `page.problems` collects what went wrong."""
    contexts: list[BrowserContext] = []

    def open_(path: str, user: User | None = None, theme: Theme = "light", width: int = 1280, **options: Any) -> Page:
        context = new_context(browser, theme, width, **options)
        contexts.append(context)
        if user is not None:
            context.add_cookies([_session_cookie(site, user)])
        page = context.new_page()
        watch(page)
        page.goto(site + path)
        return page

    yield open_
    for context in contexts:
        context.close()


def _session_cookie(site: str, user: User) -> Any:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    name = django_settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": site}


def watch(page: Page) -> None:
    """Collect script errors, console errors and requests to other hosts in `page.problems`."""
    problems: list[str] = []
    page.problems = problems  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("http://localhost", "http://127.0.0.1", "data:", "blob:"))
            else problems.append(f"asked another host: {request.url}")
        ),
    )
