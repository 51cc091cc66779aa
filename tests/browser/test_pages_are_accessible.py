"""Every console page, in both themes, on a screen and on a phone: axe finds nothing serious and nothing overflows."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from sandbox.workspaces.models import User
from tests.browser.accessibility import assert_accessible
from tests.browser.catalog_rows import FUNCTION, MODEL, TABLE, VIEW, VOLUME, keep_files_in, make_catalog
from tests.browser.chromium import HEIGHTS, THEMES, WIDTHS, Theme
from tests.browser.conftest import OpenPage
from tests.browser.endpoint_rows import LONG_NAME

PAGES = (
    "/sandbox/",
    "/sandbox/serving/",
    "/sandbox/serving/new/",
    "/sandbox/serving/new/?kind=external",
    "/sandbox/serving/example-churn/overview/",
    "/sandbox/serving/fraud-live/overview/",
    f"/sandbox/serving/{LONG_NAME}/overview/",
    "/sandbox/serving/databricks-bge-large-en/overview/",
    "/sandbox/serving/example-churn/query/",
    "/sandbox/serving/example-chat/query/",
    "/sandbox/serving/example-churn/events/",
    "/sandbox/serving/example-churn/metrics/",
    "/sandbox/serving/fraud-live/logs/",
    "/sandbox/serving/example-churn/permissions/",
    "/sandbox/serving/example-churn/settings/",
    "/sandbox/serving/example-churn/edit/",
    "/sandbox/serving/example-chat/edit/",
    "/sandbox/serving/example-churn/delete/",
    "/sandbox/serving/?q=nothing-like-it",
    "/sandbox/playground/",
)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", PAGES)
@pytest.mark.usefixtures("endpoints")
def test_a_console_page(path: str, theme: Theme, open_page: OpenPage, learner: User) -> None:
    page = open_page(path, learner, theme=theme)
    assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        assert_accessible(page)
    assert page.problems == []  # type: ignore[attr-defined]


CATALOG_PAGES = (
    "/sandbox/catalog/",
    "/sandbox/catalog/?q=who",
    "/sandbox/catalog/catalogs/main/",
    "/sandbox/catalog/schemas/main.default/",
    "/sandbox/catalog/schemas/main.default/permissions/",
    "/sandbox/catalog/new/volumes/?in=main.default",
    f"/sandbox/catalog/tables/{TABLE}/",
    f"/sandbox/catalog/tables/{TABLE}/sample/",
    f"/sandbox/catalog/tables/{TABLE}/history/",
    f"/sandbox/catalog/tables/{TABLE}/lineage/",
    f"/sandbox/catalog/tables/{TABLE}/details/",
    f"/sandbox/catalog/tables/{TABLE}/permissions/",
    f"/sandbox/catalog/tables/{TABLE}/delete/",
    f"/sandbox/catalog/tables/{VIEW}/",
    f"/sandbox/catalog/volumes/{VOLUME}/",
    f"/sandbox/catalog/functions/{FUNCTION}/",
    "/sandbox/models/",
    f"/sandbox/models/{MODEL}/",
    f"/sandbox/models/{MODEL}/versions/1/",
    "/sandbox/sql/",
    "/sandbox/sql/?example=history",
)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", CATALOG_PAGES)
def test_a_catalog_page(path: str, theme: Theme, open_page: OpenPage, learner: User, settings: Any, tmp_path: Path) -> None:
    keep_files_in(tmp_path, settings)
    make_catalog(learner)
    page = open_page(path, learner, theme=theme)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        assert_accessible(page)
    assert page.problems == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("path", ["/sandbox/", "/sandbox/serving/", "/sandbox/playground/", "/sandbox/models/"])
def test_an_empty_workspace(path: str, theme: Theme, open_page: OpenPage, stranger: User) -> None:
    page = open_page(path, stranger, theme=theme, width=360)
    assert_accessible(page)


@pytest.mark.parametrize("theme", THEMES)
def test_the_sign_in_page(theme: Theme, open_page: OpenPage) -> None:
    page = open_page("/login/", theme=theme, width=360)
    assert_accessible(page)


@pytest.mark.parametrize("path", ["/no/such/page/", "/operate/"])
def test_pages_that_refuse(path: str, open_page: OpenPage, learner: User) -> None:
    page = open_page(path, learner, width=360)
    expect(page.get_by_role("link", name="Go to the home page")).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("theme", THEMES)
def test_the_operators_page(theme: Theme, open_page: OpenPage, operator: User) -> None:
    page = open_page("/operate/", operator, theme=theme)
    expect(page.get_by_role("rowheader", name="redis")).to_be_visible()
    assert_accessible(page)
