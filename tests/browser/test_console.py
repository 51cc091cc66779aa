"""What moves in the console's pages: code tabs, traffic, rows of the form, live parts."""

import re

import pytest
from playwright.sync_api import expect

from sandbox.serving.models import Endpoint
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import open_workspace
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage
from tests.browser.endpoint_rows import custom, make_endpoint

pytestmark = pytest.mark.usefixtures("endpoints")


def test_code_tabs_by_arrow_keys_and_copy(open_page: OpenPage, learner: User, site: str) -> None:
    page = open_page("/sandbox/", learner)
    page.get_by_role("tab", name="Python").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="MLflow")).to_be_focused()
    page.keyboard.press("End")
    page.get_by_role("button", name="Copy the curl code").click()
    page.get_by_role("status").filter(has_text="Copied").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f'export DATABRICKS_HOST="{site}"')
    page.reload()
    expect(page.get_by_role("tab", name="curl")).to_have_attribute("aria-selected", "true")


def test_on_a_phone_the_current_tab_is_seen_and_events_are_read_without_scrolling(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/events/", learner, width=320)
    expect(page.locator(".tab-bar [aria-current=page]")).to_be_in_viewport(ratio=1)
    assert page.evaluate("(box => box.scrollWidth - box.clientWidth)(document.getElementById('events-scroll'))") == 0


def test_two_shares_move_together_and_the_sum_is_said(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/overview/", learner)
    slider = page.get_by_role("slider", name="Traffic of churn-1, slider")
    slider.focus()
    slider.press("ArrowLeft")
    expect(page.get_by_label("churn-1", exact=True)).to_have_value("79")
    expect(page.get_by_label("churn-2", exact=True)).to_have_value("21")
    page.get_by_label("churn-2", exact=True).fill("30")
    expect(page.get_by_label("churn-1", exact=True)).to_have_value("70")
    expect(slider).to_have_value("70")
    expect(page.get_by_text("Adds up to 100 %.")).to_be_visible()
    page.get_by_label("churn-2", exact=True).fill("130")
    expect(page.get_by_text("Adds up to 130 %: 30 too much.")).to_be_visible()


def test_of_three_shares_the_one_touched_longest_ago_gives(open_page: OpenPage, learner: User) -> None:
    entities = [custom("churn", version) for version in ("1", "2", "3")]
    make_endpoint(open_workspace(learner), "three", entities, shares=(50, 30, 20))
    page = open_page("/sandbox/serving/three/overview/", learner)
    fields = [page.get_by_label(f"churn-{version}", exact=True) for version in (1, 2, 3)]

    for index, typed, shares in ((0, "60", (60, 30, 10)), (1, "35", (60, 35, 5)), (0, "10", (10, 35, 55))):
        fields[index].fill(typed)
        for field, share in zip(fields, shares, strict=True):
            expect(field).to_have_value(str(share))


def test_a_wrong_split_comes_back_with_what_was_typed(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/overview/", learner, java_script_enabled=False)
    page.get_by_label("churn-2", exact=True).fill("30")
    page.get_by_role("button", name="Update the split").click()
    expect(page.get_by_role("alert")).to_contain_text("must add up to 100. They add up to 110.")
    expect(page.get_by_label("churn-2", exact=True)).to_have_value("30")
    assert Endpoint.objects.get(name="example-churn").config_update == "NOT_UPDATING"


def test_the_call_beside_the_form_changes_as_one_types(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/edit/", learner)
    call = page.locator("#call-preview")
    expect(call).to_contain_text("w.serving_endpoints.update_config_and_wait(")
    page.get_by_label("Served name").first.fill("champion")
    page.get_by_label("Compute type").first.select_option("GPU_SMALL")
    expect(call).to_contain_text("name='champion'")
    expect(call).to_contain_text("ServingModelWorkloadType.GPU_SMALL")
    expect(page.get_by_text("GPU types").first).to_be_visible()
    page.get_by_label("Size").first.select_option("range")
    page.get_by_label("At most").first.fill("8")
    expect(call).to_contain_text("max_provisioned_concurrency=8")
    page.get_by_role("tab", name="REST").click()
    expect(call).to_contain_text("/api/2.0/serving-endpoints/example-churn/config")
    page.get_by_text("Environment variables").first.click()
    page.get_by_label("Environment variables").first.fill("MODE=fast")
    expect(call).to_contain_text('"MODE": "fast"')
    expect(page.get_by_role("tab", name="REST")).to_have_attribute("aria-selected", "true")
    assert page.problems == []  # type: ignore[attr-defined]


def test_the_version_follows_the_model(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/fraud-live/edit/", learner)
    expect(page.get_by_label("Registered model").first).to_have_value("Served now")
    expect(page.get_by_label("Version", exact=True).first).to_have_value("main.default.fraud@1")
    page.get_by_label("Registered model").first.select_option("")
    expect(page.get_by_label("Version", exact=True).first).to_be_disabled()


def test_the_list_is_searched_as_one_types(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/", learner)
    page.get_by_label("Search").fill("fraud")
    expect(page.get_by_role("link", name="example-churn")).to_have_count(0)
    expect(page.get_by_role("link", name="fraud-live", exact=True)).to_be_visible()
    expect(page).to_have_url(re.compile("q=fraud"))
    page.get_by_label("State").select_option("failed")
    expect(page.get_by_text("No endpoint fits")).to_be_visible()
    page.get_by_role("link", name="Show all endpoints").click()
    expect(page.get_by_role("link", name="example-churn", exact=True)).to_be_visible()


def test_a_change_of_state_is_read_aloud_once(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/fraud-live/overview/", learner)
    Endpoint.objects.filter(name="fraud-live").update(config_update="NOT_UPDATING", active_version=2, pending_version=None)
    expect(page.locator("#live-aloud")).to_have_text("fraud-live is not ready. Config 2 is active.")
    expect(page.locator("#live-aloud")).to_have_attribute("role", "status")


def test_the_form_names_the_field_and_keeps_the_rest(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/new/", learner)
    page.get_by_label("Endpoint name").fill("not a name!")
    page.get_by_label("Served name").first.fill("champion")
    page.get_by_role("button", name="Create endpoint").click()
    name = page.get_by_label("Endpoint name")
    expect(name).to_have_attribute("aria-invalid", "true")
    expect(name).to_have_attribute("aria-describedby", re.compile("error_name"))
    expect(page.locator("#error_name")).to_have_text("Use letters, digits, '-' and '_' only.")
    expect(name).to_have_value("not a name!")
    expect(page.get_by_label("Served name").first).to_have_value("champion")
    assert_accessible(page)


@pytest.mark.parametrize("has_script", [True, False])
def test_rows_are_added_and_removed(has_script: bool, open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/new/", learner, java_script_enabled=has_script)
    page.get_by_label("Endpoint name").fill("churn")
    page.get_by_label("Served name").nth(0).fill("first")
    page.get_by_role("button", name="Add another served model").click()
    page.get_by_label("Served name").nth(1).fill("second")
    page.get_by_role("button", name="Add another served model").click()
    expect(page.get_by_role("group", name="Served model")).to_have_count(3)
    page.get_by_role("button", name="Remove served model 1").click()
    expect(page.get_by_role("group", name="Served model")).to_have_count(2)
    expect(page.get_by_label("Served name").nth(0)).to_have_value("second")
    expect(page.get_by_label("Served name").nth(1)).to_have_value("")
    expect(page.get_by_label("Endpoint name")).to_have_value("churn")


def test_the_key_of_an_external_model_is_never_shown_again(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/new/?kind=external", learner)
    page.get_by_label("Endpoint name").fill("bad name!")
    page.get_by_label("API key").fill("sk-very-secret")
    page.get_by_role("button", name="Create endpoint").click()
    expect(page.locator("#error_name")).to_be_visible()
    assert "sk-very-secret" not in page.content()


def test_a_live_part_shows_a_change_without_a_reload(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/fraud-live/overview/", learner)
    expect(page.get_by_text("Config 2 is rolling out.")).to_be_visible()
    page.evaluate("window.isTheSamePage = true")
    Endpoint.objects.filter(name="fraud-live").update(config_update="NOT_UPDATING", active_version=2, pending_version=None)
    page.get_by_role("heading", name="Active config version 2").wait_for()
    expect(page.get_by_text("Config 2 is rolling out.")).to_be_hidden()
    assert page.evaluate("window.isTheSamePage") is True
    expect(page.locator("[data-live-said]")).to_contain_text("refreshed")


def test_polling_rests_while_the_tab_is_hidden(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/fraud-live/overview/", learner)
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "overview" in request.url else None)
    page.wait_for_timeout(2500)  # it would ask every second
    assert asked == []
    with page.expect_request(lambda request: "overview" in request.url):
        page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")


def test_a_request_that_is_not_json_is_not_sent(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/query/", learner)
    page.get_by_label("Request body").fill("{'dataframe_records': []}")
    page.get_by_role("button", name="Send request").click()
    page.get_by_text("This is not valid JSON.").wait_for()
    expect(page.get_by_label("Request body")).to_have_value("{'dataframe_records': []}")
