"""The frame around every page: skip link, side bar, theme, account."""

import re

import pytest
from playwright.sync_api import expect

from sandbox.workspaces.models import User
from tests.browser.conftest import OpenPage

THEME = "document.documentElement.dataset.bsTheme"


def test_the_first_tab_stop_skips_to_the_content(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/", learner)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


@pytest.mark.parametrize(
    ("role", "wanted"),
    [
        ("learner", ["Study", "Sandbox"]),
        ("instructor", ["Study", "Sandbox", "Teach"]),
        ("operator", ["Study", "Sandbox", "Author", "Operate"]),
    ],
)
def test_a_role_sees_its_groups(role: str, wanted: list[str], open_page: OpenPage, learner: User) -> None:
    learner.role = role
    learner.save()
    page = open_page("/sandbox/", learner)
    expect(page.locator(".side-group-label")).to_have_text(wanted)
    expect(page.locator("[aria-current=page]")).to_have_text("Overview")


def test_on_a_phone_the_side_bar_opens_and_closes_by_keyboard(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/", learner, width=360)
    link = page.get_by_role("link", name="Serving", exact=True)
    expect(link).to_be_hidden()
    page.get_by_role("button", name="Open the menu").press("Enter")
    link.wait_for(state="visible")
    page.keyboard.press("Escape")
    link.wait_for(state="hidden")
    expect(page.get_by_role("button", name="Open the menu")).to_be_focused()


def test_a_chosen_theme_survives_a_reload_and_beats_the_systems(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/", learner, theme="light")
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
    page.reload()
    assert page.evaluate(THEME) == "dark"


def test_the_theme_is_set_before_the_body_is_parsed(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/", learner, theme="dark")
    page.add_init_script(
        "new MutationObserver(() => { if (document.body && window.themeAtFirstPaint === undefined)"
        " window.themeAtFirstPaint = document.documentElement.dataset.bsTheme; })"
        ".observe(document, { childList: true, subtree: true })"
    )
    page.reload()
    assert page.evaluate("window.themeAtFirstPaint") == "dark"


def test_like_the_system_follows_it_at_once(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/", learner, theme="light")
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")


def test_signing_in_and_out(open_page: OpenPage, learner: User) -> None:
    page = open_page("/sandbox/")
    expect(page).to_have_url(re.compile("/login/"))
    page.get_by_label("User name").fill("learner")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("correct username and password")
    expect(page.get_by_label("User name")).to_have_value("learner")
    page.get_by_label("Password").fill("a password for tests")
    page.get_by_label("Password").press("Enter")
    page.wait_for_url(re.compile(r"^[^?]*/sandbox/$"))
    page.get_by_role("button", name="Account: learner").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/login/"))
