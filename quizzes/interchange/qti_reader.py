"""Reads QTI 2.2 and 3.0 packages, and single item files: choice, order and match interactions."""

import re

from quizzes.interchange import archives, safe_xml
from quizzes.interchange.html import inline_text
from quizzes.interchange.portable import PortableItem, PortableOption
from quizzes.interchange.qti import XML_LANG, kebab
from quizzes.interchange.report import Report, Unreadable
from quizzes.interchange.safe_xml import Element, find, find_all, local
from quizzes.item_specs import Stimulus


def read(data: bytes, report: Report) -> list[PortableItem]:
    """The items of a package or of one item file, of 2.x or 3.0; others are refused with their file."""
    files = archives.unpack(data) if archives.is_archive(data) else {"the file": data}
    found, seen = [], 0
    for name in sorted(files, key=_natural):
        root = safe_xml.parse_one(files, name, report)
        for element in find_all(root, "assessmentItem") + find_all(root, "qti-assessment-item"):
            seen += 1
            try:
                found.append(_read_one(element, name, report))
            except ValueError as error:
                report.refused(name, str(error))
    if not seen and not report.refusals:
        raise Unreadable("There is no QTI 2 or 3 item in it. For QTI 1.2 (Canvas) choose that format.")
    return found


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _plain_name(element: Element) -> str:
    """The 2.x name of an element of either dialect."""
    name = local(element)
    if not name.startswith("qti-"):
        return name
    first, *others = name[4:].split("-")
    return first + "".join(other.capitalize() for other in others)


def _get(element: Element, name: str) -> str:
    return str(element.get(name) or element.get(kebab(name)) or "")


def _named(parent: Element, name: str) -> list[Element]:
    return [e for e in parent.iter() if isinstance(e.tag, str) and _plain_name(e) == name]


_INTERACTIONS = ("choiceInteraction", "orderInteraction", "matchInteraction")


def _read_one(root: Element, where: str, report: Report) -> PortableItem:
    body = next(iter(_named(root, "itemBody")), None)
    if body is None:
        raise ValueError("The item has no body.")
    interactions = [e for e in body.iter() if isinstance(e.tag, str) and _plain_name(e).endswith("Interaction")]
    if len(interactions) != 1 or _plain_name(interactions[0]) not in _INTERACTIONS:
        names = ", ".join(sorted({_plain_name(e) for e in interactions})) or "none"
        raise ValueError(f"The item has the interactions {names}; one choice, order or match interaction can be imported.")
    feedback = {_get(e, "identifier"): _feedback_text(e) for e in _named(root, "modalFeedback")}
    right = [value.text or "" for each in _named(root, "correctResponse") for value in _named(each, "value")]
    if not right:
        raise ValueError("The item does not say which response is correct.")
    kind, options = _read_interaction(interactions[0], right, feedback)
    stem, stimulus = _read_body(body, interactions[0])
    language = root.get(XML_LANG) or ""
    meta = {"language": language} if language else {}
    return PortableItem(_get(root, "identifier"), kind, stem, options, stimulus, meta, where)


def _feedback_text(element: Element) -> str:
    blocks = [e for e in element.iter() if isinstance(e.tag, str) and local(e) == "p"] or [element]
    return "\n\n".join(inline_text(block).strip() for block in blocks).strip()


def _read_interaction(interaction: Element, right: list[str], feedback: dict[str, str]) -> tuple[str, tuple[PortableOption, ...]]:
    if _plain_name(interaction) == "matchInteraction":
        return "matching", _read_match(interaction, right, feedback)
    choices = [(_get(e, "identifier"), inline_text(e).strip()) for e in _named(interaction, "simpleChoice")]
    if _plain_name(interaction) == "orderInteraction":
        texts = dict(choices)
        if sorted(right) != sorted(texts):
            raise ValueError("The correct order does not name every step once.")
        return "ordering", tuple(PortableOption(texts[name], True, feedback.get(name, "")) for name in right)
    if not set(right) <= {name for name, _ in choices}:
        raise ValueError("The correct response names a choice that is not there.")
    options = tuple(PortableOption(text, name in right, feedback.get(name, "")) for name, text in choices)
    is_single = _get(interaction, "maxChoices") in {"", "1"} and len(right) == 1
    return ("single" if is_single else "multiple"), options


def _read_match(interaction: Element, right: list[str], feedback: dict[str, str]) -> tuple[PortableOption, ...]:
    sets = _named(interaction, "simpleMatchSet")
    if len(sets) != 2:
        raise ValueError("A match interaction needs two sets.")
    left, choices = (
        {_get(e, "identifier"): inline_text(e).strip() for e in _named(each, "simpleAssociableChoice")} for each in sets
    )
    pairs = [tuple(value.split()) for value in right]
    if not all(len(p) == 2 and p[1] in choices for p in pairs) or sorted(pair[0] for pair in pairs) != sorted(left):
        raise ValueError("The correct pairs do not name every prompt once.")
    matched = [PortableOption(choices[end], True, feedback.get(end, ""), left[start]) for start, end in pairs]
    taken = {end for _, end in pairs}
    extra = [PortableOption(text, False, feedback.get(name, "")) for name, text in choices.items() if name not in taken]
    return (*matched, *extra)


def _read_body(body: Element, interaction: Element) -> tuple[str, Stimulus | None]:
    """The words before the interaction (and its own prompt), and the first code block as the stimulus."""
    stimulus = _read_stimulus(body)
    code = [*find_all(body, "pre"), *(e for e in find_all(body, "div") if e.get("class") == "stimulus")]
    skipped = {*interaction.iter(), *(e for each in code for e in each.iter())}
    blocks = [e for e in body.iter() if isinstance(e.tag, str) and local(e) in {"p", "div"} and e not in skipped]
    texts = [inline_text(block).strip() for block in blocks if not any(child in blocks for child in block)]
    texts += [inline_text(prompt).strip() for prompt in _named(interaction, "prompt")]
    stem = "\n\n".join(text for text in texts if text)
    if not stem:
        raise ValueError("The item has no question text.")
    return stem, stimulus


def _read_stimulus(body: Element) -> Stimulus | None:
    pre = find(body, "pre")
    if pre is None:
        return None
    code = find(pre, "code")
    language = str(code.get("class") or "").removeprefix("language-") if code is not None else ""
    block = pre.getparent()
    caption = find(block, "p") if block.get("class") == "stimulus" else None
    text = "".join((pre if code is None else code).itertext())
    return Stimulus(language or "text", "" if caption is None else inline_text(caption), text)
