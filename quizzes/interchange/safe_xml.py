"""XML of strangers: no entities, no network, no deep trees; and texts that XML can hold."""

import re
from collections.abc import Mapping
from typing import Any

from lxml import etree

from quizzes.interchange.report import Report, Unreadable

MAX_XML_BYTES = 64 * 1024 * 1024
_ILLEGAL = re.compile(r"[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")
Element = Any


def parse(data: bytes, where: str) -> Element:
    """The root element. Raises Unreadable, also for entity declarations, which no format here needs."""
    if len(data) > MAX_XML_BYTES:
        raise Unreadable(f"{where} is larger than {MAX_XML_BYTES // 2**20} MB.")
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unreadable(f"{where} is not well-formed XML: {error}") from None
    _refuse_declarations(root.getroottree().docinfo, where)
    return root


def parse_one(files: Mapping[str, bytes], name: str, report: Report) -> Element:
    """The root of one file of several: a broken one is refused by its name and the others are read; a single one raises."""
    try:
        return parse(files[name], name)
    except Unreadable as error:
        if len(files) == 1:
            raise
        report.refused(name, str(error))
        return etree.Element("unreadable")


def _refuse_declarations(about: Any, where: str) -> None:
    """A document type by its bare name is never loaded and does no harm; everything else about it is refused."""
    declared = about.internalDTD
    if declared is None:
        return
    if next(iter(declared.iterentities()), None) is not None:
        raise Unreadable(f"{where} declares entities. Export it again without a document type.")
    if re.search(r"[:/\\]", declared.system_url or ""):
        raise Unreadable(f"{where} refers to a document type elsewhere ({declared.system_url}). Take its DOCTYPE line out.")


def local(element: Element) -> str:
    """The element's name without its namespace."""
    return str(etree.QName(element).localname) if isinstance(element.tag, str) else ""


def find_all(element: Element, name: str) -> list[Element]:
    """Descendants of this local name, in document order."""
    return [found for found in element.iter() if isinstance(found.tag, str) and local(found) == name]


def find(element: Element, name: str) -> Element | None:
    """The first descendant of this local name."""
    return next(iter(find_all(element, name)), None)


def line_of(element: Element) -> str:
    return f"line {element.sourceline}"


def legal(text: str) -> str:
    """The text without the characters that XML has no way to write."""
    return _ILLEGAL.sub("", text)


def to_bytes(root: Element) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=False))
