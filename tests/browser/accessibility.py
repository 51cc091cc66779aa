"""Runs axe-core in a page and reads its findings."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = Path(__file__).parent / "vendor" / "axe-core-4.14.1.min.js"
STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
BLOCKING = {"serious", "critical"}


def findings(page: Page) -> list[dict[str, Any]]:
    """Every violation that axe finds: id, impact, help and the elements."""
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE.read_text())  # evaluate goes past the page's Content Security Policy, a script tag would not
    options = {"runOnly": {"type": "tag", "values": STANDARD}, "resultTypes": ["violations"]}
    found: dict[str, Any] = page.evaluate("options => window.axe.run(document, options)", options)
    return list(found["violations"])


def assert_accessible(page: Page) -> None:
    """Nothing serious or critical, and the page does not scroll sideways."""
    blocking = [finding for finding in findings(page) if finding["impact"] in BLOCKING]
    assert not blocking, f"{page.url}:\n" + "\n".join(_words(finding) for finding in blocking)
    assert_no_sideways_scroll(page)


def assert_no_sideways_scroll(page: Page) -> None:
    """Wide content scrolls inside its own region, the page itself does not."""
    width, wanted = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
    assert wanted <= width, f"{page.url} is {wanted} px wide in a window of {width} px"


def _words(finding: dict[str, Any]) -> str:
    elements = "; ".join(node["html"][:160] for node in finding["nodes"][:4])
    return f"{finding['impact']} {finding['id']}: {finding['help']} ({elements})"
