"""The vendored files are what VENDOR.md says, and the pages name only icons that the sprite has."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
VENDOR_FOLDERS = (ROOT / "platform/static/vendor", ROOT / "tests/browser/vendor")
TEMPLATE_FOLDERS = ("platform/templates", "sandbox/templates", "quizzes/templates")
ROW = re.compile(r"^\| (?P<file>[\w.-]+) \|.*\| (?P<sha256>[0-9a-f]{64}) \|$", re.MULTILINE)
ICON = re.compile(r'_icon\.html" with name="([\w-]+)"')
SYMBOL = re.compile(r'<symbol id="([\w-]+)"')


def templates() -> list[Path]:
    return [path for folder in TEMPLATE_FOLDERS for path in (ROOT / folder).rglob("*.html")]


@pytest.mark.parametrize("folder", VENDOR_FOLDERS, ids=lambda path: path.parent.name)
def test_every_file_has_its_row_and_its_hash(folder: Path) -> None:
    rows = {row["file"]: row["sha256"] for row in ROW.finditer((folder / "VENDOR.md").read_text())}
    files = [path for path in folder.iterdir() if path.suffix in {".js", ".css", ".svg"}]
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files} == rows


def test_pages_use_icons_of_the_sprite() -> None:
    sprite = next((ROOT / "platform/static/vendor").glob("tabler-icons-*.svg")).read_text()
    used = {name: path.name for path in templates() for name in ICON.findall(path.read_text())}
    assert used.keys() - set(SYMBOL.findall(sprite)) == set()


def test_no_page_has_inline_script() -> None:
    """The Content Security Policy forbids it, so it would fail in silence."""
    handler = re.compile(r"\son[a-z]+=|<script(?![^>]*\bsrc=)[^>]*>|href=\"javascript:", re.IGNORECASE)
    found = {path.name: handler.findall(path.read_text()) for path in templates()}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_no_page_loads_from_another_host() -> None:
    remote = re.compile(r'(?:src|<link[^>]*href)="(?:https?:)?//')
    assert [path.name for path in templates() if remote.search(path.read_text())] == []
