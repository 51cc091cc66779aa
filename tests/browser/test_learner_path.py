"""The learner's path through the pages of the whole running site: study, deploy, call, look, pass the lab."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.accessibility import assert_accessible
from tests.browser.chromium import new_context
from tests.browser.conftest import watch
from tests.browser.shots import sign_in
from tests.browser.waiting import until
from tests.stack import Stack

ENDPOINT = "churn-ab"
REQUESTS = 200
SIX_SIGMA = 34
"""Six standard deviations of 200 draws at 80 %: sqrt(200 · 0.8 · 0.2) = 5.66. One run in a hundred million is further off."""
DEPLOYED_WITHIN_MS = 90_000


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    context = new_context(browser)
    opened = context.new_page()
    watch(opened)
    sign_in(opened, stack.url, "learner", stack.password("learner"))
    yield opened
    context.close()


def test_the_path_from_a_question_to_a_passed_lab(page: Page, stack: Stack) -> None:
    answer_one_question(page, stack.url)
    start_the_lab(page, stack.url)
    deploy_two_versions(page, stack.url)
    sent_after = datetime.now(UTC)
    send_requests_and_see_the_split(page, stack.url)
    find_them_in_the_inference_table(page, stack.url, sent_after)
    pass_the_lab(page, stack.url)
    assert page.problems == []  # type: ignore[attr-defined]


def answer_one_question(page: Page, site: str) -> None:
    page.goto(f"{site}/study/")
    page.get_by_role("button", name=re.compile("^Drill")).first.click()
    page.wait_for_url("**/attempts/*/**")
    choices = page.locator("#question input[type=radio]")
    for position in range(2, 11):  # a drill is drawn at random: on to the first question that takes one choice
        if choices.count():
            break
        page.goto(f"{page.url.partition('?')[0]}?q={position}")
    choices.first.check()
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_role("link", name="Sources and proofs")).to_be_visible()
    assert_accessible(page)


def start_the_lab(page: Page, site: str) -> None:
    page.goto(f"{site}/labs/champion-challenger/")
    page.get_by_role("button", name="Start the lab").click()
    expect(page.get_by_text("The example models are being registered.")).to_be_hidden(timeout=DEPLOYED_WITHIN_MS)


def deploy_two_versions(page: Page, site: str) -> None:
    page.goto(f"{site}/sandbox/serving/new/")
    page.get_by_label("Endpoint name").fill(ENDPOINT)
    choose(page, 0, "main.default.churn", "1")
    page.get_by_label("Traffic", exact=True).nth(0).fill("80")
    page.get_by_role("button", name="Add another served model").click()
    choose(page, 1, "main.default.churn", "2")
    page.get_by_label("Traffic", exact=True).nth(1).fill("20")
    expect(page.get_by_text("Adds up to 100 %.").filter(visible=True)).to_be_visible()
    page.get_by_role("button", name="Create endpoint").click()
    page.wait_for_url(f"**/sandbox/serving/{ENDPOINT}/overview/")
    expect(page.get_by_role("heading", name="Active config version 1")).to_be_visible(timeout=DEPLOYED_WITHIN_MS)
    expect(page.get_by_role("img", name="Traffic: churn-1 80 %, churn-2 20 %")).to_be_visible()
    assert_accessible(page)


def choose(page: Page, row: int, model: str, version: str) -> None:
    page.get_by_label("Registered model").nth(row).select_option(model)
    page.get_by_label("Version", exact=True).nth(row).select_option(f"{model}@{version}")


def send_requests_and_see_the_split(page: Page, site: str) -> None:
    page.goto(f"{site}/sandbox/serving/{ENDPOINT}/query/")
    page.get_by_label("Send it this often").fill(str(REQUESTS))
    page.get_by_role("button", name="Send request").click()
    expect(page.get_by_text(f"{REQUESTS} requests: {REQUESTS} × 200")).to_be_visible(timeout=DEPLOYED_WITHIN_MS)
    picture = page.get_by_role("img", name="Answered by:").get_attribute("aria-label")
    champion, challenger = (int(count) for count in re.findall(r"churn-\d (\d+)", str(picture)))
    assert champion + challenger == REQUESTS
    assert abs(champion - 160) <= SIX_SIGMA
    expect(page.locator("#answer-body")).to_contain_text('"predictions": [')
    assert_accessible(page)


def find_them_in_the_inference_table(page: Page, site: str, sent_after: datetime) -> None:
    """Rows of an endpoint of the same name, which is gone, may be there too."""
    page.goto(f"{site}/sandbox/serving/{ENDPOINT}/inference-table/")
    since = f"request_time >= TIMESTAMP '{sent_after:%Y-%m-%d %H:%M:%S}'"
    statement = f"SELECT count(*) AS answered FROM main.default.`{ENDPOINT}_payload` WHERE status_code = 200 AND {since}"
    page.get_by_label("Statement").fill(statement)

    def answered() -> str:
        with page.expect_response(lambda response: response.request.method == "POST"):
            page.get_by_role("button", name="Run").click()
        return page.locator("#sql-result").inner_text()

    until(page, lambda: re.search(rf"\b{REQUESTS}\b", answered()) is not None)
    assert_accessible(page)


def pass_the_lab(page: Page, site: str) -> None:
    for check in range(1, 6):
        page.goto(f"{site}/labs/champion-challenger/")
        page.get_by_role("button", name="Check").click()
        expect(page.get_by_text(f"in check {check},")).to_be_visible(timeout=DEPLOYED_WITHIN_MS)
        if page.get_by_text("100 %", exact=True).count():
            break
        send_requests_and_see_the_split(page, site)  # a right split is refused once in a thousand times
    expect(page.get_by_text("100 %", exact=True)).to_be_visible()
    assert_accessible(page)
