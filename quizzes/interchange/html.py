"""Texts of items as HTML and back: `code` in backticks, line breaks, and code blocks; everything else is text."""

import re
from typing import Any

import lxml.html
from lxml import etree

from quizzes.interchange.report import Report
from quizzes.interchange.safe_xml import Element, legal, local

_CODE = re.compile(r"`([^`\n]+)`")
_BLOCKS = {"p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre", "ul", "ol", "table"}
_QUIET = {"span", "code", "br", "p", "div", "pre", "text", "mattext", "strong", "em", "b", "i", "body", "html"}
"""Markup that may go without a word; what else there was is reported."""


def fill_inline(parent: Element, text: str, names: Any = str) -> None:
    """Append the text to an element: line breaks as <br/>, backticks as <code>. `names` spells an element's name."""
    last: Element | None = None

    def say(piece: str) -> None:
        nonlocal last
        if last is None:
            parent.text = (parent.text or "") + piece
        else:
            last.tail = (last.tail or "") + piece

    for number, line in enumerate(legal(text).split("\n")):
        if number:
            last = etree.SubElement(parent, names("br"))
        at = 0
        for found in _CODE.finditer(line):
            say(line[at : found.start()])
            last = etree.SubElement(parent, names("code"))
            last.text = found.group(1)
            at = found.end()
        say(line[at:])


def inline_text(element: Element) -> str:
    """The inverse of `fill_inline`; other markup is left out, its text is kept."""
    parts = [element.text or ""]
    for child in element:
        name = local(child)
        if name == "br":
            parts.append("\n")
        elif name == "code":
            parts.append(f"`{inline_text(child)}`")
        else:
            parts.append(inline_text(child))
        parts.append(child.tail or "")
    return "".join(parts)


def text_of_html(text: str, where: str, report: Report) -> str:
    """The words of a stranger's HTML: blocks become paragraphs, <pre> a fenced block, scripts and styles nothing."""
    try:
        root = lxml.html.fragment_fromstring(legal(text), create_parent="div")
        return _words(root, where, report)
    except (etree.LxmlError, RecursionError) as error:
        raise ValueError(f"Its HTML cannot be read: {str(error)[:100] or 'it is nested too deeply'}.") from None


def _words(root: Any, where: str, report: Report) -> str:
    lost = {str(e.tag) for e in root.iter() if isinstance(e.tag, str)} - _QUIET
    for element in list(root.iter("script", "style", "img", "object", "iframe", "embed")):
        element.drop_tree()
    parts: list[str] = []
    _collect(root, parts)
    if lost:
        report.changed(where, f"Markup was turned into plain text: {', '.join(sorted(lost))}.")
    paragraphs = [part.strip() for part in re.split(r"\n{2,}", "".join(parts))]
    return "\n\n".join(part for part in paragraphs if part)


def _collect(element: Any, parts: list[str]) -> None:
    is_block = element.tag in _BLOCKS
    if is_block:
        parts.append("\n\n")
    if element.tag == "pre":
        parts.append(f"```text\n{element.text_content().strip(chr(10))}\n```")
    elif element.tag == "code":
        parts.append(f"`{element.text_content()}`")
    else:
        parts.append(element.text or "")
        for child in element:
            parts.append("\n") if child.tag == "br" else _collect(child, parts)
            parts.append(child.tail or "")
    if is_block:
        parts.append("\n\n")
