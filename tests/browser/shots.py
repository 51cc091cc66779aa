"""Screenshots of every page of a running site: `python -m tests.browser.shots`, into DATA_DIR/shots.

Signs in as the first people (their passwords are in DATA_DIR/first_sign_ins.txt) and follows links, on a screen and on
a phone, light and dark. DATA_DIR and PORT say which site. Exits with 1 when a page had a script error or axe found
something serious.
"""

import os
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.browser.accessibility import BLOCKING, findings
from tests.browser.chromium import HEIGHTS, THEMES, WIDTHS, Theme, chromium, new_context
from tests.browser.site_walk import kind_of, walk

PEOPLE = ("learner", "instructor", "author", "operator")
ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    data_dir = Path(os.environ.get("DATA_DIR") or ROOT / "var")
    site = f"http://localhost:{os.environ.get('PORT') or 8000}"
    passwords = dict(line.split() for line in (data_dir / "first_sign_ins.txt").read_text().splitlines())
    problems: list[str] = []
    with chromium() as browser:
        for person in sys.argv[1:] or PEOPLE:
            for theme in THEMES:
                problems += photograph(browser, site, person, passwords[person], theme, data_dir / "shots" / person)
    print("\n".join(problems) or "Nothing serious on any page.")
    return 1 if problems else 0


def photograph(browser: Browser, site: str, person: str, password: str, theme: Theme, folder: Path) -> list[str]:
    """All pages that the person reaches, in one theme; returns what is wrong with them."""
    folder.mkdir(parents=True, exist_ok=True)
    context = new_context(browser, theme)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(f"{page.url} ({person}, {theme}): {error}"))
    sign_in(page, site, person, password)
    for path in walk(page, site):
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            page.screenshot(path=folder / f"{file_name(path)}-{theme}-{width}.png", full_page=True)
            problems += [f"{path} ({person}, {theme}, {width} px): {words}" for words in serious(page)]
        page.set_viewport_size({"width": WIDTHS[0], "height": HEIGHTS[WIDTHS[0]]})
    context.close()
    return problems


def sign_in(page: Page, site: str, person: str, password: str) -> None:
    page.goto(f"{site}/login/")
    page.get_by_label("User name").fill(person)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/login/" not in url)


def serious(page: Page) -> list[str]:
    found = [
        f"{each['impact']} {each['id']}: {each['nodes'][0]['html'][:120]}"
        for each in findings(page)
        if each["impact"] in BLOCKING
    ]
    width, wanted = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
    return found + ([f"is {wanted} px wide"] if wanted > width else [])


def file_name(path: str) -> str:
    return kind_of(path).strip("/").replace("/", "_").replace("*", "x").replace("?", "_with_") or "home"


if __name__ == "__main__":
    sys.exit(main())
