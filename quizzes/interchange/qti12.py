"""QTI 1.2, import only: what Canvas exports (a .zip or .imscc with `questestinterop` files), and plain files of it."""

from quizzes.interchange import archives, safe_xml
from quizzes.interchange.html import text_of_html
from quizzes.interchange.portable import PortableItem, PortableOption, parted_stem, with_general_rationale
from quizzes.interchange.report import Report, Unreadable
from quizzes.interchange.safe_xml import Element, find, find_all, local


def read(data: bytes, report: Report) -> list[PortableItem]:
    """Multiple choice, multiple answers and matching; other items are refused with their file and line."""
    files = archives.unpack(data, (".xml", ".qti")) if archives.is_archive(data) else {"the file": data}
    found, seen = [], 0
    for name in sorted(files):
        root = safe_xml.parse_one(files, name, report)
        if local(root) != "questestinterop":
            continue
        for item in find_all(root, "item"):
            seen += 1
            where = f"{name}, {safe_xml.line_of(item)}"
            try:
                found.append(_read_one(item, where, report))
            except ValueError as error:
                report.refused(where, str(error))
    if not seen and not report.refusals:
        raise Unreadable("There is no QTI 1.2 item in it. If it only refers to a question bank, export that bank as well.")
    return found


def _read_one(item: Element, where: str, report: Report) -> PortableItem:
    presentation = find(item, "presentation")
    if presentation is None:
        raise ValueError("The item has no presentation.")
    responses = [e for e in presentation.iter() if isinstance(e.tag, str) and local(e).startswith("response_") and e.get("ident")]
    asked = [e for e in responses if local(e) in {"response_lid", "response_str", "response_num", "response_grp", "response_xy"}]
    if not asked or any(local(e) != "response_lid" for e in asked):
        raise ValueError("Only choices and matching can be imported; this item asks for something else.")
    stem, stimulus = parted_stem(_material(presentation, asked, where, report))
    rights = _right_answers(item)
    feedback = _feedback(item, where, report)
    if len(asked) > 1:
        general = feedback.get("general") or feedback.get("correct") or ""
        kind, options = "matching", with_general_rationale(_pairs(asked, rights, where, report), general, where, report)
    else:
        kind, options = _choices(asked[0], rights, feedback, where, report)
    return PortableItem(item.get("ident") or item.get("title") or "", kind, stem, options, stimulus, {}, where)


def _material(presentation: Element, asked: list[Element], where: str, report: Report) -> str:
    """The words in front of what is asked."""
    inside = {e for each in asked for e in each.iter()}  # the elements themselves: lxml makes new proxies for old ones
    texts = [_mattext(e, where, report) for e in find_all(presentation, "mattext") if e not in inside]
    return "\n\n".join(text for text in texts if text)


def _mattext(element: Element, where: str, report: Report) -> str:
    text = "".join(element.itertext()).strip()
    return text_of_html(text, where, report) if (element.get("texttype") or "").endswith("html") and text else text


def _choices(
    asked: Element, rights: dict[str, list[str]], feedback: dict[str, str], where: str, report: Report
) -> tuple[str, tuple[PortableOption, ...]]:
    right = set(rights.get(str(asked.get("ident")), []))
    options = []
    for label in find_all(asked, "response_label"):
        name = str(label.get("ident"))
        text = " ".join(_mattext(e, where, report) for e in find_all(label, "mattext"))
        options.append(PortableOption(text, name in right, feedback.get(name, "")))
    keys = sum(option.is_key for option in options)
    if not keys:
        raise ValueError("No answer is marked as right.")
    is_single = (asked.get("rcardinality") or "Single").lower() == "single" and keys == 1
    return ("single" if is_single else "multiple"), tuple(options)


def _pairs(asked: list[Element], rights: dict[str, list[str]], where: str, report: Report) -> tuple[PortableOption, ...]:
    pairs, texts = [], dict[str, str]()
    for each in asked:
        own = [e for e in find_all(each, "mattext") if not any(local(a) == "response_label" for a in e.iterancestors())]
        texts |= {str(e.get("ident")): " ".join(_mattext(m, where, report) for m in find_all(e, "mattext"))
                  for e in find_all(each, "response_label")}  # fmt: skip
        right = rights.get(str(each.get("ident")), [])
        if len(right) != 1 or right[0] not in texts:
            raise ValueError("A prompt of the matching has no single right match.")
        pairs.append((" ".join(_mattext(e, where, report) for e in own), right[0]))
    used = {name for _, name in pairs}
    extra = [PortableOption(text, False) for name, text in texts.items() if name not in used]
    return (*(PortableOption(texts[name], True, prompt=prompt) for prompt, name in pairs), *extra)


def _right_answers(item: Element) -> dict[str, list[str]]:
    """Response -> the labels that a scoring condition asks for (not those it asks to be absent)."""
    found: dict[str, list[str]] = {}
    for condition in find_all(item, "respcondition"):
        points = [float(e.text or 0) for e in find_all(condition, "setvar") if _is_number(e.text)]
        if not any(point > 0 for point in points):
            continue
        for equal in find_all(condition, "varequal"):
            if not any(local(ancestor) == "not" for ancestor in equal.iterancestors()):
                labels = found.setdefault(str(equal.get("respident")), [])
                labels += [equal.text] if equal.text and equal.text not in labels else []
    return found


def _is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True


def _feedback(item: Element, where: str, report: Report) -> dict[str, str]:
    """Label -> the words that are shown when it is chosen (Canvas: `<label>_fb`)."""
    texts = {
        str(e.get("ident")): " ".join(_mattext(m, where, report) for m in find_all(e, "mattext"))
        for e in find_all(item, "itemfeedback")
    }
    return {name.removesuffix("_fb"): text for name, text in texts.items()}
