"""Files through a volume's page on the running site, and the tree."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import new_context
from tests.browser.conftest import watch
from tests.browser.shots import sign_in
from tests.stack import Stack

AT = "/sandbox/catalog/"
WITHIN_MS = 60_000


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    context = new_context(browser, base_url=stack.url)
    opened = context.new_page()
    watch(opened)
    sign_in(opened, stack.url, "learner", stack.password("learner"))
    yield opened
    context.close()


def test_files_and_the_tree(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "rows & more.bin"
    file.write_bytes(os.urandom(3_000_000))
    page.goto(f"{AT}new/volumes/?in=main.default")
    page.get_by_label("Name").fill("browser_uploads")
    page.get_by_role("button", name="Create volume").click()
    expect(page.get_by_text("No files here yet")).to_be_visible()
    page.locator("#upload-file").set_input_files(file)
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("rowheader", name=file.name)).to_be_visible(timeout=WITHIN_MS)
    with page.expect_download() as download:
        page.get_by_label(f"Download {file.name}").click()
    assert (download.value.suggested_filename, Path(download.value.path()).read_bytes()) == (file.name, file.read_bytes())

    page.goto(AT)
    tree = page.get_by_role("navigation", name="Catalog tree")
    tree.get_by_role("button", name="What is in default").click()
    tree.get_by_role("button", name="What is in Volumes").click()
    expect(tree.get_by_role("link", name="browser_uploads")).to_be_visible()
    tree.get_by_role("button", name="What is in default").click()
    expect(tree.get_by_role("link", name="browser_uploads")).to_be_hidden()
    assert page.problems == []  # type: ignore[attr-defined]
