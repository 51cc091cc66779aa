"""Study and author pages with items of every kind: axe, both themes, narrow screens, and everything by keyboard."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from playwright.sync_api import Page, expect

from quizzes.attempts import record_response, start_attempt
from quizzes.banks import load_banks
from quizzes.models import Attempt, DraftProof, Item, ItemEvent, ProblemReport
from quizzes.presented import present
from quizzes.quarantine import quarantine
from quizzes.scoring import right_answer
from sandbox.models import User
from tests.browser.accessibility import assert_accessible
from tests.browser.chromium import HEIGHTS, THEMES, Theme
from tests.browser.conftest import OpenPage
from tests.integration.quizzes.of_each_kind import KINDS, make_form_of

WIDTHS = (1280, 360, 320)
KEY = "custom-split-adds-up"
BANKS = django_settings.FIXTURES_DIR / "banks"


@pytest.fixture
def author(db: None) -> User:
    return User.objects.create_user("author", password="a password for tests", role="author")


@pytest.fixture
def attempt(learner: User) -> Attempt:
    return start_attempt(learner, form=make_form_of(*KINDS))


@pytest.fixture
def bank(site: str, author: User, learner: User, tmp_path: Path, settings: Any) -> None:
    """A folder of its own with one bank, loaded; one item in quarantine, with an event, a report and a run of its draft."""
    (tmp_path / "banks").mkdir()
    for name in ("blueprints", "misconceptions", "custom_models"):
        shutil.copy(BANKS / f"{name}.yaml", tmp_path / "banks")
    settings.FIXTURES_DIR = settings.DATA_DIR = tmp_path
    load_banks(tmp_path / "banks")
    item = Item.objects.get(key=KEY)
    quarantine(item, "discrimination -0.20, where at least 0.15 is wanted (n = 42)", None)
    assert item.current is not None
    ProblemReport.objects.create(item=item, version=item.current, reporter=learner, text="The percentages are not what I see.")
    lines = [{"part": "key 2", "program": "create_endpoint", "confirmed": True, "message": "Holds.", "comparisons": []}]
    DraftProof.objects.create(user=author, item_key=KEY, bank_text="", state="done", message="1 of 1 confirmed.", lines=lines)


def check_at_every_width(page: Page) -> None:
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHTS.get(width, 740)})
        assert_accessible(page)
    assert page.problems == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("theme", THEMES)
def test_a_question_of_each_kind(theme: Theme, open_page: OpenPage, learner: User, attempt: Attempt) -> None:
    page = open_page(f"/attempts/{attempt.pk}/?q=1", learner, theme=theme)
    for position in range(1, len(KINDS) + 1):
        page.goto(re.sub(r"q=\d", f"q={position}", page.url))
        check_at_every_width(page)
    for position, kind in enumerate(KINDS, 1):
        question = attempt.attempt_items.get(position=position)
        shown = present(attempt, question)
        right = shown.numbers(right_answer(kind, shown.authored))
        record_response(attempt, question, [*right[1:], right[0]] if kind == "ordering" else right)
        page.goto(re.sub(r"q=\d", f"q={position}", page.url))
        check_at_every_width(page)
    page.goto(page.url.split("?")[0] + "result/")
    check_at_every_width(page)
    page.get_by_role("link", name="Sources and proofs").nth(2).click()
    expect(page.get_by_role("heading", name="Report a problem")).to_be_visible()
    check_at_every_width(page)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    "path",
    ["/author/", "/author/new/", f"/author/items/{KEY}/", f"/author/items/{KEY}/edit/", f"/author/items/{KEY}/edit/?view=yaml"],
)
@pytest.mark.usefixtures("bank")
def test_an_authors_page(path: str, theme: Theme, open_page: OpenPage, author: User) -> None:
    check_at_every_width(open_page(path, author, theme=theme))


def test_a_drill_by_keyboard_alone(open_page: OpenPage, learner: User, attempt: Attempt) -> None:
    page = open_page(f"/attempts/{attempt.pk}/", learner)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    go_on(page)

    page.keyboard.press("1")
    expect(page.get_by_text("1 of 2 chosen.")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Select two: one is chosen. Your choice is kept.")
    expect(page.locator("input[data-number='1']")).to_be_checked()
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    go_on(page)

    put_in_order(page, ["Train it", "Register it", "Deploy it", "Query it"])
    page.get_by_role("button", name="Answer").press("Enter")
    expect(page.get_by_role("heading", name="Right", exact=True)).to_be_visible()
    go_on(page)

    for label, match in (("An own pickle", "Custom"), ("A provider's model", "External"), ("A pyfunc", "Custom")):
        page.get_by_label(label).select_option(label=match)
    page.get_by_role("button", name="Answer").press("Enter")
    expect(page.get_by_role("heading", name="Right", exact=True)).to_be_visible()
    go_on(page)

    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="See the result").press("Enter")
    expect(page.get_by_role("heading", name="Question by question")).to_be_visible()
    refused = [words for words in page.problems if "422" not in words]  # type: ignore[attr-defined]
    assert refused == []  # the one answer that was none is meant


def go_on(page: Page) -> None:
    page.get_by_role("link", name="Next question").press("Enter")
    expect(page.get_by_role("link", name="Next question")).to_have_count(0)


def put_in_order(page: Page, wanted: list[str]) -> None:
    """Each step upwards with the arrow key until it stands where it belongs; what has happened is said."""
    for place, words in enumerate(wanted, 1):
        step = page.locator("[data-step]", has_text=words)
        button = step.get_by_role("button", name="Move up")
        button.focus()
        while step.locator("[data-place]").inner_text() != str(place):
            page.keyboard.press("ArrowUp")
        if place == 1 and "now at place" in page.locator("[data-order-said]").inner_text():
            expect(page.locator("[data-order-said]")).to_have_text(f"{words} is now at place 1 of 4.")
    expect(page.locator("[data-step] .option-text")).to_have_text(wanted)


@pytest.mark.usefixtures("bank")
def test_an_author_types_sees_what_is_wrong_and_saves(open_page: OpenPage, author: User) -> None:
    page = open_page(f"/author/items/{KEY}/edit/?view=yaml", author)
    field = page.get_by_label("Item as YAML")
    good = field.input_value()
    field.fill(good.replace("bloom: apply", "bloom: guess"))
    expect(page.get_by_text("bloom is 'guess'")).to_be_visible()
    field.fill(good.replace("There is no default version.", "No version is the default."))
    expect(page.get_by_text("The linter has nothing to say")).to_be_visible()
    expect(page.locator("#draft-preview").get_by_text("No version is the default.")).to_be_visible()
    page.get_by_role("button", name="Save and load").click()
    expect(page.get_by_text("it is version 2")).to_be_visible()
    expect(page.locator("ins").first).to_be_visible()
    assert ItemEvent.objects.filter(kind="published").count() == 1
    assert page.problems == []  # type: ignore[attr-defined]


@pytest.mark.usefixtures("bank")
def test_an_author_moves_an_option_by_keyboard_and_saves_the_form(open_page: OpenPage, author: User) -> None:
    page = open_page(f"/author/items/{KEY}/edit/", author)
    options = page.locator(".item-option")
    rationale = options.nth(0).get_by_label("Rationale")
    rationale.fill("No version is the default; a sum of 90 is refused.")
    expect(page.locator("#draft-preview").get_by_text("No version is the default;")).to_be_visible()
    down = options.nth(2).get_by_role("button", name="Move down")
    down.focus()
    page.keyboard.press("Enter")
    expect(options.nth(3).get_by_label("Text")).to_have_value(re.compile("0.8"))
    expect(options.nth(3).get_by_role("button", name="Move up")).to_be_focused()  # it cannot go further down
    expect(rationale).to_have_value(re.compile("No version is the default"))
    page.get_by_role("button", name="Add an option").press("Enter")
    expect(options.nth(4).get_by_label("Text")).to_be_focused()
    assert_accessible(page)
    options.nth(4).get_by_role("button", name="Remove").press("Enter")
    expect(options).to_have_count(4)
    page.get_by_role("button", name="YAML").click()
    expect(page.get_by_label("Item as YAML")).to_have_value(re.compile("No version is the default; a sum"))
    page.get_by_role("button", name="Form").click()
    expect(rationale).to_have_value(re.compile("No version is the default"))
    page.get_by_role("button", name="Save and load").click()
    expect(page.get_by_text("it is version 2")).to_be_visible()
    assert page.problems == []  # type: ignore[attr-defined]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.usefixtures("bank")
def test_the_second_of_two_authors_sees_both_versions(theme: Theme, open_page: OpenPage, author: User) -> None:
    first = open_page(f"/author/items/{KEY}/edit/?view=yaml", author, theme=theme)
    second = open_page(f"/author/items/{KEY}/edit/?view=yaml", author, theme=theme)
    for page, words in ((first, "The first was quicker."), (second, "The second was slower.")):
        field = page.get_by_label("Item as YAML")
        field.fill(field.input_value().replace("There is no default version.", words))
        with page.expect_navigation():
            page.get_by_role("button", name="Save and load").click()
    expect(second.get_by_role("heading", name=re.compile("Somebody else has changed"))).to_be_visible()
    expect(second.get_by_label("Yours, not saved yet")).to_have_value(re.compile("The second was slower."))
    expect(second.get_by_text("The first was quicker.")).to_be_visible()
    for width in WIDTHS:
        second.set_viewport_size({"width": width, "height": 740})
        assert_accessible(second)


@pytest.mark.usefixtures("bank")
def test_the_bank_is_filtered_as_one_chooses(open_page: OpenPage, author: User) -> None:
    page = open_page("/author/", author)
    expect(page.get_by_text("9 items.")).to_be_visible()
    page.get_by_label("Status").select_option("quarantined")
    expect(page.get_by_text("1 item with these filters.")).to_be_visible()
    expect(page).to_have_url(re.compile("status=quarantined"))
    page.reload()
    expect(page.get_by_text("1 item with these filters.")).to_be_visible()
    page.get_by_role("link", name=KEY).first.click()
    expect(page.get_by_role("heading", name="Circulation")).to_be_visible()
