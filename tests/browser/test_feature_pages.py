"""The pages of features in a browser: readable for everybody, and an online table from the dialog to its sync by keyboard."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from sandbox.sql.run import run_statement
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from tests.browser.accessibility import assert_accessible
from tests.browser.catalog_rows import keep_files_in
from tests.browser.chromium import HEIGHTS, THEMES, WIDTHS, Theme
from tests.browser.conftest import OpenPage
from tests.browser.feature_rows import (
    CUSTOMERS,
    CUSTOMERS_ONLINE,
    ENDPOINT,
    ENTITY,
    PRICES,
    SPEC,
    append_customer,
    carry_out_syncs,
    make_features,
)
from tests.embedded_redis import point_at, running_redis

WITHIN_MS = 30_000
SKEW = f"/sandbox/serving/{ENDPOINT}/features/{ENTITY}/compare/"
PAGES = (
    "/sandbox/features/",
    f"/sandbox/catalog/tables/{CUSTOMERS}/features/",
    f"/sandbox/catalog/tables/{PRICES}/online/",
    f"/sandbox/catalog/tables/{CUSTOMERS}/publish/",
    f"/sandbox/features/online/{CUSTOMERS_ONLINE}/",
    f"/sandbox/features/online/{CUSTOMERS_ONLINE}/delete/",
    f"/sandbox/serving/{ENDPOINT}/features/",
    f"/sandbox/catalog/functions/{SPEC}/",
    SKEW,
)


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with running_redis() as url:
        yield url


@pytest.fixture
def owner(redis_url: str, site: str, settings: Any, tmp_path: Path, learner: User) -> Caller:
    point_at(redis_url, settings)
    keep_files_in(tmp_path, settings)
    settings.PORT = 1  # no gateway runs here
    return make_features(learner)


@pytest.mark.parametrize("theme", THEMES)
def test_every_page(theme: Theme, owner: Caller, open_page: OpenPage, site: str) -> None:
    page = open_page("/sandbox/features/", owner.user, theme=theme)
    for path in PAGES:
        page.goto(site + path)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            assert_accessible(page)
    run_statement(owner, f"UPDATE {CUSTOMERS} SET total = 100 WHERE id = 4")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="1 of 20 rows differs")).to_be_visible(timeout=WITHIN_MS)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        assert_accessible(page)
    assert page.problems == []  # type: ignore[attr-defined]


def test_a_key_is_tried_by_keyboard(owner: Caller, open_page: OpenPage) -> None:
    page = open_page(f"/sandbox/serving/{ENDPOINT}/features/", owner.user)
    page.get_by_label("customer (bigint)").focus()
    page.keyboard.type("99")
    page.keyboard.press("Enter")
    values = page.get_by_role("region", name="Values that were found")
    expect(values.get_by_role("row", name="tenure")).to_contain_text("default", timeout=WITHIN_MS)
    expect(values.get_by_role("row", name="spend")).to_contain_text("no row")
    page.get_by_text("Send a feature yourself").press("Enter")
    page.get_by_label("spend (double)").fill("many")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("'many' is no double.", timeout=WITHIN_MS)
    assert_accessible(page)


def test_an_online_table_from_the_dialog_to_its_sync(owner: Caller, open_page: OpenPage) -> None:
    page = open_page(f"/sandbox/catalog/tables/{PRICES}/features/", owner.user)
    page.get_by_role("link", name="Create online table").click()
    page.get_by_role("textbox", name="Name").fill("main.default.prices_two")
    page.get_by_label("Triggered").check()
    page.get_by_role("button", name="Set delta.enableChangeDataFeed = true").click()
    expect(page.get_by_text("The change data feed of the source is on.")).to_be_visible(timeout=WITHIN_MS)
    expect(page.get_by_label("Triggered")).to_be_checked()
    page.get_by_role("button", name="Create online table").click()
    expect(page.get_by_text("A sync waits for its turn")).to_be_visible(timeout=WITHIN_MS)
    top = _top(page)
    carry_out_syncs()
    expect(page.get_by_text("Up to date with the source")).to_be_visible(timeout=WITHIN_MS)
    assert _top(page) == top, "nothing moves when the sync ends"


def test_how_far_behind_is_live(owner: Caller, open_page: OpenPage) -> None:
    page = open_page(f"/sandbox/features/online/{CUSTOMERS_ONLINE}/", owner.user)
    append_customer(owner)
    expect(page.get_by_text("1 commit behind the source")).to_be_visible(timeout=WITHIN_MS)
    page.get_by_role("button", name="Sync now").press("Enter")
    expect(page.get_by_text("A sync waits for its turn")).to_be_visible(timeout=WITHIN_MS)
    carry_out_syncs()
    expect(page.get_by_role("row", name="started by learner")).to_contain_text("Completed", timeout=WITHIN_MS)
    assert page.problems == []  # type: ignore[attr-defined]


def _top(page: Page) -> float:
    box = page.get_by_role("heading", name="Who looks features up here").bounding_box()
    assert box is not None
    return box["y"]
