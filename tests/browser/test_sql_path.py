"""The SQL page on the running site: complete, run, chart, fail, cancel, and come back by the history."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.chromium import THEMES, new_context
from tests.browser.conftest import watch
from tests.browser.shots import sign_in
from tests.browser.waiting import until
from tests.stack import Stack

AT = "/sandbox/sql/"
WITHIN_MS = 60_000
HEIGHT = 900
UNTIL_COLOURS_HAVE_CHANGED = """() => Promise.all(document.getAnimations()
    .filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime)).map((each) => each.finished))"""
SLOW = "SELECT count(*) FROM range(1000000) a CROSS JOIN range(1000000) b WHERE a.id * b.id % 7 = 3"
VISITS = "main.default.example_visits"


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    context = new_context(browser, base_url=stack.url)
    opened = context.new_page()
    watch(opened)
    sign_in(opened, stack.url, "learner", stack.password("learner"))
    yield opened
    context.close()


def test_statements_in_the_editor(page: Page) -> None:
    begin_with_an_example(page)
    look(page)
    draw_a_chart(page)
    look(page)
    complete_a_name(page)
    show_an_error(page)
    look(page)
    cancel(page)
    come_back_by_the_history(page)
    look(page)
    ask_an_endpoint(page)
    assert page.problems == []  # type: ignore[attr-defined]


def test_without_script(browser: Browser, stack: Stack) -> None:
    context = new_context(browser, base_url=stack.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, stack.url, "learner", stack.password("learner"))
    page.goto(AT)
    page.get_by_label("SQL statement").fill("SELECT 40 + 2 AS answer")
    with page.expect_navigation():
        page.get_by_role("button", name="Run").click()

    def has_ended() -> bool:
        page.reload()
        return page.get_by_text("Succeeded").count() > 0

    until(page, has_ended)
    expect(page.get_by_role("cell", name="42")).to_be_visible()
    expect(page.get_by_label("SQL statement")).to_have_value("SELECT 40 + 2 AS answer")
    context.close()


def begin_with_an_example(page: Page) -> None:
    """Three statements; each run goes on to the next one."""
    page.goto(AT)
    page.get_by_role("link", name="A table with a primary key").click()
    editor = page.get_by_role("textbox", name="SQL statement")
    editor.focus()
    page.keyboard.press("Control+Home")
    for number, outcome in ((1, "CREATE"), (2, "1 row"), (3, "3 rows")):
        expect(page.get_by_role("button", name=f"Run statement {number} of 3")).to_be_visible()
        page.keyboard.press("Shift+Enter")
        expect(page.locator(".sql-outcome strong")).to_have_text(outcome, timeout=WITHIN_MS)
    expect(page.locator("#sql-said")).to_have_text("Succeeded: 3 rows.")
    cells = ["Oslo", "2", "460.5", "Lima", "2", "235.0", "Pune", "1", "NULL"]
    expect(page.locator("[data-result] tbody td")).to_have_text(cells)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert Path(download.value.path()).read_text().splitlines()[1] == "Oslo,2,460.5"


def draw_a_chart(page: Page) -> None:
    page.get_by_role("tab", name="Chart").click()
    expect(page.locator("#sql-chart canvas")).to_be_visible(timeout=WITHIN_MS)
    page.get_by_label("Y", exact=True).select_option(label="spent")
    page.get_by_label("Group by").select_option(label="Nothing")
    numbers = page.locator("[data-chart-table] tbody tr").locator("th, td")
    expect(numbers).to_have_text(["Oslo", "460.5", "Lima", "235", "Pune", ""])
    page.get_by_label("Type", exact=True).select_option("scatter")
    page.get_by_label("X", exact=True).select_option(label="customers")
    expect(page.locator("[data-chart-table] thead th")).to_have_text(["customers", "spent"])
    expect(page.locator("[data-chart-table] tbody tr")).to_have_count(2)  # NULL is no point


def complete_a_name(page: Page) -> None:
    page.goto(AT)
    editor = page.get_by_role("textbox", name="SQL statement")
    editor.click()
    page.keyboard.type("SELECT v.spe")
    page.keyboard.press("Escape")
    page.keyboard.type(" FROM example_vis")
    page.get_by_role("option", name="example_visits").click()
    page.keyboard.type(" v WHERE v.")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_text(
        ["citystring", "customer_idbigint", "spentdouble", "visitsint"]
    )
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(editor).not_to_be_focused()


def show_an_error(page: Page) -> None:
    editor = page.get_by_role("textbox", name="SQL statement")
    editor.click()
    page.keyboard.press("Control+a")
    page.keyboard.type(f"SELECT city,\n  nam FROM {VISITS}")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("UNRESOLVED_COLUMN.WITH_SUGGESTION")).to_be_visible(timeout=WITHIN_MS)
    page.get_by_role("button", name="Show in the editor").click()
    until(page, lambda: page.evaluate("getSelection().toString()") == "nam")
    expect(editor).to_contain_text("nam FROM")


def cancel(page: Page) -> None:
    page.get_by_role("textbox", name="SQL statement").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(SLOW)
    page.get_by_role("button", name="Run").click()
    expect(page.locator("#sql-state")).to_contain_text("Running")
    expect(page.locator("#sql-state")).to_contain_text(re.compile(r"\b([2-9]|\d\d) s"))
    page.reload()  # leaving the page does not lose the statement
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".sql-outcome")).to_contain_text("Canceled")
    expect(page.locator("#sql-state")).to_have_count(0)


def come_back_by_the_history(page: Page) -> None:
    page.get_by_role("link", name="History").click()
    page.get_by_role("navigation", name="State").get_by_role("link", name="Canceled").click()
    expect(page.get_by_role("rowheader").first).to_contain_text("CROSS JOIN")
    page.get_by_role("navigation", name="State").get_by_role("link", name="Succeeded").click()
    page.get_by_role("link", name="SELECT city, count(*)").first.click()
    expect(page.locator("#rows-panel")).to_contain_text("460.5")
    expect(page.get_by_role("textbox", name="SQL statement")).to_contain_text("GROUP BY city")
    page.get_by_role("link", name="History").click()


def ask_an_endpoint(page: Page) -> None:
    page.goto(f"{AT}?example=ai_query")
    page.get_by_role("button", name="Run").click()
    expect(page.locator(".sql-outcome strong")).to_have_text("2 rows", timeout=WITHIN_MS)
    assert abs(float(page.locator("[data-result] td.number").first.inner_text())) < 1


def look(page: Page) -> None:
    """axe, in both themes, on a screen and on a phone."""
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        page.evaluate(UNTIL_COLOURS_HAVE_CHANGED)
        for width in (1280, 320):
            page.set_viewport_size({"width": width, "height": HEIGHT})
            assert_accessible(page)
    page.set_viewport_size({"width": 1280, "height": HEIGHT})
