"""An endpoint's whole life on its pages: create, watch, query, chart and log, split, observe, stop, start, permissions."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.chromium import HEIGHTS, THEMES, new_context
from tests.browser.conftest import watch
from tests.browser.shots import sign_in
from tests.browser.test_learner_path import choose
from tests.browser.waiting import until
from tests.stack import Stack

NAME = "life-of-churn"
AT = f"/sandbox/serving/{NAME}"
WITHIN_MS = 90_000
REQUESTS = 100
WIDTHS = (1280, 320)
PAGES = ("overview", "query", "metrics", "logs", "events", "permissions", "settings", "edit")


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    context = new_context(browser, base_url=stack.url)
    opened = context.new_page()
    watch(opened)
    sign_in(opened, stack.url, "learner", stack.password("learner"))
    yield opened
    context.close()


def test_the_life_of_an_endpoint(page: Page, browser: Browser, stack: Stack) -> None:
    create(page)
    watch_it_become_ready(page)
    query(page)
    see_the_charts(page)
    read_the_logs(page)
    split_and_observe(page)
    let_the_clock_run(page)
    for theme in THEMES:
        look_at_every_page(page, theme)
    let_an_instructor_view(page)
    view_as_the_instructor(browser, stack)
    stop_and_start(page)
    delete(page)
    assert page.problems == []  # type: ignore[attr-defined]


def create(page: Page) -> None:
    page.goto("/sandbox/")
    install = page.get_by_role("button", name="Add the example models")
    if install.count():
        install.click()
        expect(page.get_by_text("Added to your registry")).to_be_visible(timeout=WITHIN_MS)
    page.goto("/sandbox/serving/new/")
    page.get_by_label("Endpoint name").fill(NAME)
    choose(page, 0, "main.default.churn", "1")
    page.get_by_label("Compute type").first.select_option("GPU_SMALL")
    expect(page.get_by_text("GPU types are emulated")).to_be_visible()
    page.get_by_label("Tags").fill("team=growth")
    call = page.locator("#call-preview")
    expect(call).to_contain_text(f"name='{NAME}'")
    expect(call).to_contain_text("EndpointTag(key='team', value='growth')")
    page.get_by_role("button", name="Create endpoint").click()
    page.wait_for_url(f"**{AT}/overview/")


def watch_it_become_ready(page: Page) -> None:
    page.evaluate("window.isTheSamePage = true")
    expect(page.get_by_role("heading", name="Active config version 1")).to_be_visible(timeout=WITHIN_MS)
    assert page.evaluate("window.isTheSamePage") is True
    expect(page.get_by_text("GPU_SMALL: emulated, no CUDA device on any node").first).to_be_visible()
    expect(page.get_by_text("CONFIG_UPDATE_FINISHED")).to_be_visible()


def query(page: Page) -> None:
    page.goto(f"{AT}/query/")
    expect(page.get_by_label("Request body")).to_have_value(re.compile("dataframe_split"))
    page.get_by_role("tab", name="SQL").click()
    expect(page.get_by_role("tabpanel", name="SQL")).to_contain_text(f"ai_query(\n  '{NAME}',")
    page.get_by_role("tab", name="Browser").click()
    page.get_by_label("Send it this often").fill(str(REQUESTS))
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text(f"{REQUESTS} requests: {REQUESTS} × 200")).to_be_visible(timeout=WITHIN_MS)
    headers = page.locator("#exchange .header-list")
    expect(headers).to_contain_text(re.compile(r"served-model-name\s*churn-1"))
    expect(headers).to_contain_text(re.compile(r"x-databricks-request-id\s*\S{8,}"))
    expect(page.locator("#exchange .exchange-head")).to_contain_text(re.compile(r"[\d.]+ ms"))


def see_the_charts(page: Page) -> None:
    page.goto(f"{AT}/metrics/")
    requests = page.get_by_role("region", name="Requests in steps of 10 seconds")

    def counted() -> int:
        cells = requests.get_by_role("row").all_inner_texts()[1:]
        return sum(int(found[1]) for found in (re.split(r"\s+", cell) for cell in cells) if found[1].isdecimal())

    until(page, lambda: counted() == REQUESTS)  # gateways send what they counted each second
    canvas = page.locator("#requests-chart canvas").first
    expect(canvas).to_be_visible()
    expect(page.locator("[data-chart-for]")).to_have_count(4)
    with page.expect_download() as download:
        page.get_by_role("link", name="As CSV").click()
    assert download.value.suggested_filename == f"{NAME}-15m.csv"


def read_the_logs(page: Page) -> None:
    page.goto(f"{AT}/logs/")
    expect(page.get_by_role("region", name="Build log of churn-1")).to_contain_text("predictions equal on")
    expect(page.get_by_role("region", name="Service log of churn-1")).to_contain_text("DEPLOYMENT_READY")


def split_and_observe(page: Page) -> None:
    page.goto(f"{AT}/edit/")
    page.get_by_role("button", name="Add another served model").click()
    choose(page, 1, "main.default.churn", "2")
    page.get_by_role("slider", name="Traffic of served model 2, slider").fill("50")
    expect(page.get_by_label("Traffic", exact=True).nth(0)).to_have_value("50")
    page.get_by_role("button", name="Update the config").click()
    page.wait_for_url(f"**{AT}/overview/")
    expect(page.get_by_role("heading", name="Active config version 2")).to_be_visible(timeout=WITHIN_MS)
    page.goto(f"{AT}/query/")
    page.get_by_label("Send it this often").fill(str(REQUESTS))
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text(f"{REQUESTS} requests: {REQUESTS} × 200")).to_be_visible(timeout=WITHIN_MS)
    page.goto(f"{AT}/overview/")
    observed = page.get_by_role("region", name="Traffic of each served entity, as configured and as observed")
    expect(observed).to_contain_text("churn-2", timeout=WITHIN_MS)

    def counts() -> list[int]:
        return [int(re.split(r"\s+", row)[1]) for row in observed.get_by_role("row").all_inner_texts()[1:]]

    until(page, lambda: sum(counts()) == REQUESTS)
    assert abs(counts()[0] - REQUESTS / 2) <= 30  # six standard deviations of 100 draws at 50 %
    expect(observed).to_contain_text("chance (±10.0)")


def let_the_clock_run(page: Page) -> None:
    page.goto(f"{AT}/overview/")
    page.get_by_role("button", name="×600").click()
    expect(page.get_by_text("600 times as fast")).to_be_visible()
    expect(page.get_by_text("At zero").first).to_be_visible(timeout=WITHIN_MS)
    page.get_by_role("button", name="×1", exact=True).click()
    expect(page.get_by_text("like a real one")).to_be_visible()


def look_at_every_page(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHTS.get(width, 700)})
        for each in PAGES:
            page.goto(f"{AT}/{each}/")
            assert_accessible(page)
        page.goto("/sandbox/serving/")
        assert_accessible(page)
    page.set_viewport_size({"width": 1280, "height": 900})


def let_an_instructor_view(page: Page) -> None:
    page.goto(f"{AT}/permissions/")
    page.get_by_label("User name or e-mail address").fill("instructor")
    page.get_by_role("button", name="Let in").click()
    page.get_by_label("Person or group").select_option("user_name:instructor")
    page.get_by_label("Permission", exact=True).select_option("CAN_VIEW")
    page.get_by_role("button", name="Give").click()
    expect(page.get_by_label("Permission of instructor", exact=True)).to_have_value("CAN_VIEW")


def view_as_the_instructor(browser: Browser, stack: Stack) -> None:
    context = new_context(browser, base_url=stack.url)
    page = context.new_page()
    sign_in(page, stack.url, "instructor", stack.password("instructor"))
    page.goto("/sandbox/serving/")
    expect(page.get_by_role("link", name=NAME, exact=True)).to_have_count(0)
    page.get_by_role("button", name="Workspace: instructor").click()
    with page.expect_navigation():
        page.get_by_role("button", name="learner", exact=True).click()
    page.goto("/sandbox/serving/")
    page.get_by_role("link", name=NAME, exact=True).click()
    page.wait_for_url(f"**{AT}/overview/")
    expect(page.get_by_role("link", name="Edit")).to_have_count(0)
    page.get_by_role("link", name="Query", exact=True).click()
    expect(page.get_by_text("You may view this endpoint, but not query it.")).to_be_visible()
    expect(page.get_by_role("button", name="Send request")).to_have_count(0)
    assert_accessible(page)
    context.close()


def stop_and_start(page: Page) -> None:
    page.goto(f"{AT}/overview/")
    page.get_by_role("link", name="Stop", exact=True).click()
    page.get_by_role("button", name=f"Stop {NAME}").click()
    expect(page.get_by_role("heading", name="Stopped config version 2")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Start", exact=True).click()
    page.get_by_role("button", name=f"Start {NAME}").click()
    expect(page.get_by_role("heading", name="Active config version 3")).to_be_visible(timeout=WITHIN_MS)


def delete(page: Page) -> None:
    page.goto("/sandbox/serving/")
    page.get_by_role("link", name=f"Delete {NAME}").click()
    page.get_by_role("button", name=f"Delete {NAME}").click()
    page.wait_for_url("**/sandbox/serving/")
    expect(page.get_by_role("link", name=NAME, exact=True)).to_have_count(0)
