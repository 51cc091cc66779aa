"""Formatting for the study pages."""

import json
from functools import cache
from typing import Any

from django import template
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

register = template.Library()


@cache
def _renderer() -> MarkdownIt:
    """CommonMark without raw HTML, links or images: what authors need is paragraphs, lists and code."""
    return MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink", "html_inline", "html_block"])


@register.filter
def markdown(text: str) -> SafeString:
    """Text of an item or lab as HTML; everything that is not CommonMark is escaped."""
    return SafeString(_renderer().render(text))


@register.filter
def markdown_line(text: str) -> SafeString:
    """The same for a single line: no paragraph around it."""
    return SafeString(_renderer().renderInline(text))


@register.filter
def json_text(value: Any) -> str:
    """A parameter's value as the body of a request would have it."""
    return json.dumps(value, ensure_ascii=False)


@register.filter
def plain(text: str) -> str:
    """CommonMark as bare words, for places that take no markup, such as the options of a select."""
    return "".join(
        child.content if child.type in {"text", "code_inline"} else " " if child.type in {"softbreak", "hardbreak"} else ""
        for token in _renderer().parseInline(text)
        for child in token.children or ()
    )


VERDICTS = {
    "pass": ("Passed", "circle-check", "success"),
    "fail": ("Not yet", "circle-x", "danger"),
    "error": ("Could not check", "alert-triangle", "warning"),
    "not-run": ("Not checked", "circle-dashed", "idle"),
}
RUN_STATES = {
    "setting-up": ("Being set up", "progress", "progress"),
    "started": ("Under way", "player-play", "progress"),
    "setup-failed": ("Set-up failed", "alert-triangle", "warning"),
    "passed": ("Passed", "circle-check", "success"),
    "ended": ("Ended", "flag", "idle"),
    "not begun": ("Not begun", "circle-dashed", "idle"),
    "begun": ("Begun", "player-play", "progress"),
    "solution shown": ("Solution shown", "eye", "idle"),
}


ITEM_STATES = {
    "asked": ("Asked", "circle-check", "success"),
    "quarantined": ("Quarantined", "player-pause", "danger"),
    "not computed": ("Not computed", "hourglass", "warning"),
    "expired": ("Expired", "calendar", "warning"),
    "retired": ("Retired", "ban", "idle"),
}


@register.inclusion_tag("quizzes/_tag.html")
def item_status_tag(status: str) -> dict[str, str]:
    """Whether an item is asked, as icon, word and colour."""
    return _tag(ITEM_STATES.get(status, (status.capitalize(), "question-mark", "idle")))


IMPORT_STATES = {
    "queued": ("Waiting", "hourglass", "progress"),
    "reading": ("Dry run", "progress", "progress"),
    "planned": ("Waits for your word", "eye", "warning"),
    "confirmed": ("Waiting", "hourglass", "progress"),
    "storing": ("Being stored", "progress", "progress"),
    "stored": ("Imported", "circle-check", "success"),
    "refused": ("Refused", "circle-x", "danger"),
    "gone": ("Given up", "ban", "idle"),
}
ENTRY_STATES = {
    "new": ("New", "plus", "success"),
    "changed": ("Changed", "edit", "progress"),
    "same": ("Same", "check", "idle"),
    "refused": ("Refused", "circle-x", "danger"),
}


@register.inclusion_tag("quizzes/_tag.html")
def import_tag(state: str) -> dict[str, str]:
    """How far an import is, as icon, word and colour."""
    return _tag(IMPORT_STATES[state])


@register.inclusion_tag("quizzes/_tag.html")
def import_entry_tag(state: str) -> dict[str, str]:
    """What an import does with an item."""
    return _tag(ENTRY_STATES[state])


@register.inclusion_tag("quizzes/_tag.html")
def verdict_tag(verdict: str) -> dict[str, str]:
    """A check's verdict as icon, word and colour."""
    return _tag(VERDICTS.get(verdict, ("Not checked", "circle-dashed", "idle")))


@register.inclusion_tag("quizzes/_tag.html")
def run_tag(state: str) -> dict[str, str]:
    """The state of a lab run as icon, word and colour."""
    return _tag(RUN_STATES.get(state, (state.capitalize(), "question-mark", "idle")))


def _tag(look: tuple[str, str, str]) -> dict[str, str]:
    word, icon, tone = look
    return {"word": word, "icon": icon, "tone": tone}
