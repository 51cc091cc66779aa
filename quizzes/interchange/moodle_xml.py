"""Moodle XML (docs.moodle.org/en/Moodle_XML_format): multichoice, matching and ordering. Texts are Markdown."""

import re
from collections.abc import Sequence

from lxml import etree

from quizzes.interchange import safe_xml
from quizzes.interchange.html import text_of_html
from quizzes.interchange.portable import PortableItem, PortableOption, joined_stem, parted_stem, with_general_rationale
from quizzes.interchange.report import Report
from quizzes.interchange.safe_xml import Element

CARRIES = frozenset({"exam", "objective", "bloom", "difficulty", "source_url", "source_dated", "language"})
KINDS = frozenset({"single", "multiple", "ordering", "matching"})
_TYPES = {"single": "multichoice", "multiple": "multichoice", "ordering": "ordering", "matching": "matching"}


def write(items: Sequence[PortableItem], report: Report) -> bytes:
    """One quiz file."""
    root = etree.Element("quiz")
    for item in items:
        root.append(_written(item, report))
    return safe_xml.to_bytes(root)


def _written(item: PortableItem, report: Report) -> Element:
    question = etree.Element("question", type=_TYPES[item.kind])
    _text(etree.SubElement(question, "name"), item.key)
    _text(etree.SubElement(question, "questiontext", format="markdown"), joined_stem(item))
    _text(etree.SubElement(question, "generalfeedback", format="markdown"), "")
    etree.SubElement(question, "defaultgrade").text = "1"
    etree.SubElement(question, "idnumber").text = item.key
    etree.SubElement(question, "shuffleanswers").text = "true"
    if item.kind == "matching":
        _write_pairs(question, item, report)
    elif item.kind == "ordering":
        _write_steps(question, item)
    else:
        _write_choices(question, item)
    tags = etree.SubElement(question, "tags")
    for name in sorted(CARRIES):
        if item.meta.get(name):
            _text(etree.SubElement(tags, "tag"), f"{name}={item.meta[name]}")
    return question


def _text(parent: Element, text: str) -> None:
    etree.SubElement(parent, "text").text = safe_xml.legal(text)


def _write_choices(question: Element, item: PortableItem) -> None:
    etree.SubElement(question, "single").text = "true" if item.kind == "single" else "false"
    keys = sum(option.is_key for option in item.options)
    for option in item.options:
        wrong = "0" if item.kind == "single" else "-100"
        answer = etree.SubElement(question, "answer", fraction=f"{100 / keys:.7g}" if option.is_key else wrong, format="markdown")
        _text(answer, option.text)
        _text(etree.SubElement(answer, "feedback", format="markdown"), option.rationale)


def _write_steps(question: Element, item: PortableItem) -> None:
    settings = {"layouttype": "VERTICAL", "selecttype": "ALL", "selectcount": "0", "gradingtype": "ALL_OR_NOTHING"}
    for name, value in settings.items():
        etree.SubElement(question, name).text = value
    for number, option in enumerate(item.options, 1):
        answer = etree.SubElement(question, "answer", fraction=f"{number}.0000000", format="markdown")
        _text(answer, option.text)
        _text(etree.SubElement(answer, "feedback", format="markdown"), option.rationale)


def _write_pairs(question: Element, item: PortableItem, report: Report) -> None:
    for option in item.options:
        pair = etree.SubElement(question, "subquestion", format="markdown")
        _text(pair, option.prompt)
        _text(etree.SubElement(pair, "answer"), option.text)


# --- reading ----------------------------------------------------------------------------------------


def read(data: bytes, report: Report) -> list[PortableItem]:
    """The questions that are items here; others are refused with their line."""
    root = safe_xml.parse(data, "The file")
    found = []
    for question in safe_xml.find_all(root, "question"):
        if question.get("type") == "category":
            continue
        where = safe_xml.line_of(question)
        try:
            found.append(_read_one(question, where, report))
        except ValueError as error:
            report.refused(where, str(error))
    return found


def _read_one(question: Element, where: str, report: Report) -> PortableItem:
    kind = str(question.get("type"))
    stem, stimulus = parted_stem(_text_at(question, "questiontext", where, report))
    name = _plain(question.find("name"))
    key = (question.findtext("idnumber") or name).strip()
    tags = dict(tag.split("=", 1) for tag in (_plain(each) for each in question.iterfind("tags/tag")) if "=" in tag)
    meta = {name: value for name, value in tags.items() if name in CARRIES}
    if kind == "multichoice":
        kind, options = _read_choices(question, where, report)
    elif kind == "matching":
        options = _read_pairs(question, where, report)
    elif kind == "ordering":
        options = _read_steps(question, where, report)
    else:
        raise ValueError(f"Questions of type {kind!r} cannot be imported; multichoice, matching and ordering can.")
    if kind in {"matching", "ordering"}:
        options = with_general_rationale(options, _text_at(question, "generalfeedback", where, report), where, report)
    return PortableItem(key, kind, stem, options, stimulus, meta, where)


def _read_choices(question: Element, where: str, report: Report) -> tuple[str, tuple[PortableOption, ...]]:
    options = []
    for answer in question.iterfind("answer"):
        fraction = _fraction(answer)
        rationale = _text_at(answer, "feedback", where, report)
        options.append(PortableOption(_own_text(answer, where, report), fraction > 0, rationale))
    keys = sum(option.is_key for option in options)
    if not keys:
        raise ValueError("No answer has a positive fraction, so none is right.")
    is_single = (question.findtext("single") or "true").strip().lower() in {"true", "1"}
    return ("single" if is_single and keys == 1 else "multiple"), tuple(options)


def _fraction(answer: Element) -> float:
    """The answer's share of the points in percent; of a step its place."""
    given = str(answer.get("fraction") or 0)
    try:
        return float(given)
    except ValueError:
        raise ValueError(f"The fraction {given[:40]!r} of an answer is no number.") from None


def _read_pairs(question: Element, where: str, report: Report) -> tuple[PortableOption, ...]:
    pairs = []
    for pair in question.iterfind("subquestion"):
        prompt = _own_text(pair, where, report)
        pairs.append(PortableOption(_plain(pair.find("answer")), bool(prompt), prompt=prompt))
    if len(pairs) < 2:
        raise ValueError("A matching question needs two pairs or more.")
    return tuple(pairs)


def _read_steps(question: Element, where: str, report: Report) -> tuple[PortableOption, ...]:
    answers = sorted(question.iterfind("answer"), key=_fraction)
    steps = [PortableOption(_own_text(a, where, report), True, _text_at(a, "feedback", where, report)) for a in answers]
    if len(steps) < 2:
        raise ValueError("An ordering question needs two steps or more.")
    return tuple(steps)


def _text_at(parent: Element, name: str, where: str, report: Report) -> str:
    child = parent.find(name)
    return "" if child is None else _own_text(child, where, report)


def _own_text(element: Element, where: str, report: Report) -> str:
    """The element's text as Markdown; HTML is turned into it."""
    text = _plain(element)
    if element.find("file") is not None:
        report.dropped(where, "An embedded file (a picture, perhaps) was left out.")
    if (element.get("format") or "html") in {"html", "moodle_auto_format"} and re.search("[<&]", text):
        return text_of_html(text, where, report)
    return text


def _plain(element: Element | None) -> str:
    return "" if element is None else (element.findtext("text") or "").strip()
