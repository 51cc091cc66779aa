"""Import, export and key fixes in a browser: axe, both themes, a phone, and the way through by keyboard."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.urls import reverse
from playwright.sync_api import expect

from quizzes.attempts import record_response, start_attempt
from quizzes.banks import load_banks
from quizzes.cohorts import create_cohort, join_cohort
from quizzes.interchange import importing
from quizzes.models import Form, ImportRun, Item, KeyFix
from quizzes.presented import present
from quizzes.scoring import right_answer
from sandbox.workspaces.models import User
from tests.browser.accessibility import assert_accessible
from tests.browser.chromium import HEIGHTS, THEMES, WIDTHS, Theme
from tests.browser.conftest import OpenPage
from tests.integration.quizzes.exchange_files import GIFT, INTO_CUSTOM

KEY = "custom-split-adds-up"
PHONE = 320


@pytest.fixture
def author(site: str, tmp_path: Path, settings: Any) -> User:
    """An author on a site with one bank."""
    folder = tmp_path / "banks"
    folder.mkdir()
    for name in ("blueprints", "misconceptions", "custom_models"):
        shutil.copy(django_settings.FIXTURES_DIR / "banks" / f"{name}.yaml", folder)
    settings.FIXTURES_DIR = settings.DATA_DIR = tmp_path
    load_banks(folder)
    return User.objects.create_user("author", password="a password for tests", role="author")


@pytest.fixture
def planned(author: User) -> ImportRun:
    """An import of which some items are refused."""
    run = importing.keep(author, "a-file-with-quite-a-long-name-from-another-system.gift.txt", GIFT.encode(), "gift", INTO_CUSTOM)
    importing.read_import(run.pk)
    return run


@pytest.fixture
def answered(author: User, learner: User, instructor: User) -> None:
    """A learner in a cohort has answered the whole form as the keys had it."""
    join_cohort(learner, create_cohort(instructor, "Autumn").join_code)
    attempt = start_attempt(learner, form=Form.objects.get(slug="custom-models"))
    for question in attempt.attempt_items.filter(version__kind="single"):
        shown = present(attempt, question)
        record_response(attempt, question, shown.numbers(right_answer("single", shown.authored)))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.usefixtures("answered")
def test_every_page(theme: Theme, open_page: OpenPage, author: User, planned: ImportRun) -> None:
    paths = [
        reverse("import_items"),
        reverse("import_run", args=[planned.pk]),
        f"{reverse('export_items')}?format=gift",
        f"{reverse('export_items')}?format=qti_2_2&key={KEY}",
        reverse("fix_key", args=[KEY]),
        reverse("author_item", args=[KEY]),
    ]
    for path in paths:
        page = open_page(path, author, theme=theme)
        for width in (*WIDTHS, PHONE):
            page.set_viewport_size({"width": width, "height": HEIGHTS.get(width, 700)})
            assert_accessible(page)
        assert page.problems == [], path  # type: ignore[attr-defined]


def test_a_mistake_in_the_form_is_shown_beside_its_field(open_page: OpenPage, author: User) -> None:
    page = open_page(reverse("import_items"), author, width=PHONE)
    page.evaluate("document.querySelector('form.exchange-form').noValidate = true")
    page.get_by_label("Product version").fill("Version 7")
    page.get_by_role("button", name="Start the dry run").press("Enter")
    expect(page.get_by_text("Choose a file.")).to_be_visible()
    expect(page.get_by_label("Product version")).to_have_value("Version 7")
    assert_accessible(page)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.usefixtures("answered")
def test_a_key_is_corrected_by_keyboard(theme: Theme, open_page: OpenPage, author: User) -> None:
    page = open_page(reverse("author_item", args=[KEY]), author, theme=theme, width=PHONE)
    page.get_by_role("link", name="Correct the key").press("Enter")
    page.get_by_label("Is right").nth(1).focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_label("Is right").nth(2)).to_be_checked()
    first = page.get_by_label("Belief behind it").nth(0).input_value()
    page.get_by_label("Belief behind it").nth(2).select_option(first)
    page.get_by_label("Reason").fill("The two options were mixed up when the item was written.")
    page.get_by_role("button", name="Show who changes").press("Enter")
    page.get_by_role("heading", name="Who changes").wait_for()
    expect(page.get_by_text("Autumn")).to_have_count(1)
    assert_accessible(page)
    page.get_by_role("button", name="Correct the key and score").press("Enter")
    page.get_by_role("heading", name="The key is corrected").wait_for()
    assert_accessible(page)
    fix = KeyFix.objects.get()
    assert (fix.actor, fix.item.key, fix.total) == (author, KEY, 1)
    version = Item.objects.get(key=KEY).current
    assert version is not None
    assert [option.position for option in version.options.all() if option.is_key] == [3]
