"""What moves in the console's pages: code tabs, traffic, rows of the form, live parts."""

import pytest

from sandbox.serving.models import Endpoint
from sandbox.workspaces.models import User
from tests.browser.accessibility import assert_accessible
from tests.browser.conftest import OpenPage

pytestmark = pytest.mark.usefixtures("endpoints")


def test_code_tabs_by_arrow_keys_and_copy(open_page: OpenPage, learner: User, site: str) -> None:
    page = open_page("/sandbox/", learner)
    page.get_by_role("tab", name="Python").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.textContent.trim()") == "MLflow"
    page.keyboard.press("End")
    page.get_by_role("button", name="Copy the curl code").click()
    page.get_by_role("status").filter(has_text="Copied").wait_for(state="attached")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith(f'export DATABRICKS_HOST="{site}"')
    page.reload()
    assert page.get_by_role("tab", name="curl").get_attribute("aria-selected") == "true"


def test_two_shares_move_together_and_the_sum_is_said(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/overview/", learner)
    slider = page.get_by_role("slider", name="Traffic of churn-1, slider")
    slider.focus()
    slider.press("ArrowLeft")
    assert page.get_by_label("churn-1", exact=True).input_value() == "79"
    assert page.get_by_label("churn-2", exact=True).input_value() == "21"
    page.get_by_label("churn-2", exact=True).fill("30")
    assert page.get_by_text("Adds up to 109 %: 9 too much.").is_visible()


def test_a_wrong_split_comes_back_with_what_was_typed(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/overview/", learner)
    page.get_by_label("churn-2", exact=True).fill("30")
    page.get_by_role("button", name="Update the split").click()
    alert = page.get_by_role("alert").inner_text()
    assert "must add up to 100. They add up to 110." in alert
    assert page.get_by_label("churn-2", exact=True).input_value() == "30"
    assert Endpoint.objects.get(name="example-churn").config_update == "NOT_UPDATING"


def test_the_form_names_the_field_and_keeps_the_rest(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/new/", learner)
    page.get_by_label("Endpoint name").fill("not a name!")
    page.get_by_label("Served name").first.fill("champion")
    page.get_by_role("button", name="Create endpoint").click()
    name = page.get_by_label("Endpoint name")
    assert name.get_attribute("aria-invalid") == "true"
    assert "error_name" in str(name.get_attribute("aria-describedby"))
    assert page.locator("#error_name").inner_text() == "Use letters, digits, '-' and '_' only."
    assert name.input_value() == "not a name!"
    assert page.get_by_label("Served name").first.input_value() == "champion"
    assert_accessible(page)


@pytest.mark.parametrize("has_script", [True, False])
def test_rows_are_added_and_removed(has_script: bool, open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/new/", learner, java_script_enabled=has_script)
    page.get_by_label("Endpoint name").fill("churn")
    page.get_by_label("Served name").nth(0).fill("first")
    page.get_by_role("button", name="Add another served model").click()
    page.get_by_label("Served name").nth(1).fill("second")
    page.get_by_role("button", name="Add another served model").click()
    assert page.get_by_role("group", name="Served model").count() == 3
    page.get_by_role("button", name="Remove served model 1").click()
    served_names = [field.input_value() for field in page.get_by_label("Served name").all()]
    assert served_names[:2] == ["second", ""]
    assert page.get_by_label("Endpoint name").input_value() == "churn"


def test_the_key_of_an_external_model_is_never_shown_again(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/new/?kind=external", learner)
    page.get_by_label("Endpoint name").fill("bad name!")
    page.get_by_label("API key").fill("sk-very-secret")
    page.get_by_role("button", name="Create endpoint").click()
    assert page.locator("#error_name").is_visible()
    assert "sk-very-secret" not in page.content()


def test_a_live_part_shows_a_change_without_a_reload(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/fraud-live/overview/", learner)
    assert page.get_by_text("Config 2 is rolling out.").is_visible()
    page.evaluate("window.isTheSamePage = true")
    Endpoint.objects.filter(name="fraud-live").update(config_update="NOT_UPDATING", active_version=2, pending_version=None)
    page.get_by_role("heading", name="Active config version 2").wait_for()
    assert not page.get_by_text("Config 2 is rolling out.").is_visible()
    assert page.evaluate("window.isTheSamePage") is True
    assert "refreshed" in page.locator("[data-live-said]").inner_text()


def test_polling_rests_while_the_tab_is_hidden(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/fraud-live/overview/", learner)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "overview" in request.url else None)
    page.evaluate("Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })")
    page.wait_for_timeout(2500)
    assert asked == []
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(500)
    assert len(asked) >= 1


def test_a_request_that_is_not_json_is_not_sent(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/serving/example-churn/query/", learner)
    page.get_by_label("Request body").fill("{'dataframe_records': []}")
    page.get_by_role("button", name="Send request").click()
    page.get_by_text("This is not valid JSON.").wait_for()
    assert page.get_by_label("Request body").input_value() == "{'dataframe_records': []}"
