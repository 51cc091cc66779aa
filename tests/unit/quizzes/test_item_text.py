"""Item texts are CommonMark without raw HTML."""

import pytest

from quizzes.templatetags.quizzes_tags import markdown, markdown_line


def test_code_and_emphasis_are_shown() -> None:
    assert markdown_line("Use `traffic_config` *now*") == "Use <code>traffic_config</code> <em>now</em>"
    assert markdown("One.\n\nTwo.") == "<p>One.</p>\n<p>Two.</p>\n"


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "`<b>`",
        "[x](javascript:alert(1))",
        "![x](http://e.org/x.png)",
        "<http://e.org>",
    ],
)
def test_nothing_that_acts_comes_through(attack: str) -> None:
    shown = markdown_line(attack) + markdown(attack)
    assert "<script" not in shown
    assert "<img" not in shown
    assert "<b>" not in shown
    assert "<a" not in shown
