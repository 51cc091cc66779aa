"""QTI 2.2 and 3.0 packages (IMS/1EdTech Question and Test Interoperability): choice, order and match interactions.

The two versions differ in namespace and spelling (`assessmentItem` is `qti-assessment-item`, attributes likewise), which is
what a `Dialect` holds; reading takes either, also a single item file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from quizzes.interchange import archives, safe_xml
from quizzes.interchange.html import fill_inline, inline_text
from quizzes.interchange.portable import PortableItem, PortableOption
from quizzes.interchange.report import Report, Unreadable
from quizzes.interchange.safe_xml import Element, find, find_all, local
from quizzes.item_specs import Stimulus

CARRIES = frozenset({"language", "matching_rationale"})
KINDS = frozenset({"single", "multiple", "ordering", "matching"})
_HTML = {"p", "pre", "code", "br", "div"}
_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True)
class Dialect:
    """How a version of QTI spells things."""

    namespace: str
    is_kebab: bool
    resource_type: str
    manifest: str

    def tag(self, name: str) -> str:
        """An element's name with its namespace; HTML elements keep their names."""
        spelled = f"qti-{_kebab(name)}" if self.is_kebab and name not in _HTML else name
        return f"{{{self.namespace}}}{spelled}"

    def attributes(self, **given: str) -> dict[str, str]:
        return {_kebab(name) if self.is_kebab else name: value for name, value in given.items()}


def _kebab(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: "-" + found.group(1).lower(), name)


QTI_2_2 = Dialect(
    "http://www.imsglobal.org/xsd/imsqti_v2p2", False, "imsqti_item_xmlv2p2", "http://www.imsglobal.org/xsd/imscp_v1p1"
)
QTI_3_0 = Dialect(
    "http://www.imsglobal.org/xsd/imsqtiasi_v3p0",
    True,
    "imsqti_item_xmlv3p0",
    "http://www.imsglobal.org/xsd/qti/qtiv3p0/imscp_v1p1",
)


def write_2_2(items: Sequence[PortableItem], report: Report) -> bytes:
    """A content package of QTI 2.2 items."""
    return _package(items, QTI_2_2)


def write_3_0(items: Sequence[PortableItem], report: Report) -> bytes:
    """A content package of QTI 3.0 items."""
    return _package(items, QTI_3_0)


def _package(items: Sequence[PortableItem], dialect: Dialect) -> bytes:
    files = {f"items/{item.key}.xml": safe_xml.to_bytes(_written(item, dialect)) for item in items}
    return archives.pack({"imsmanifest.xml": _manifest(items, dialect), **files})


def _manifest(items: Sequence[PortableItem], dialect: Dialect) -> bytes:
    space = f"{{{dialect.manifest}}}"
    root = etree.Element(space + "manifest", nsmap={None: dialect.manifest}, identifier="proving-ground")
    etree.SubElement(root, space + "metadata")
    etree.SubElement(root, space + "organizations")
    resources = etree.SubElement(root, space + "resources")
    for item in items:
        path = f"items/{item.key}.xml"
        about = {"identifier": f"r-{item.key}", "type": dialect.resource_type, "href": path}
        resource = etree.SubElement(resources, space + "resource", about)
        etree.SubElement(resource, space + "file", href=path)
    return safe_xml.to_bytes(root)


def _written(item: PortableItem, dialect: Dialect) -> Element:
    about = dialect.attributes(identifier=item.key, title=item.key, adaptive="false", timeDependent="false")
    root = etree.Element(dialect.tag("assessmentItem"), about, nsmap={None: dialect.namespace})
    if item.meta.get("language"):
        root.set(_XML_LANG, item.meta["language"])
    _declare(root, item, dialect)
    body = etree.SubElement(root, dialect.tag("itemBody"))
    fill_inline(etree.SubElement(body, dialect.tag("p")), item.stem, dialect.tag)
    if item.stimulus:
        _write_stimulus(body, item.stimulus, dialect)
    _interact(body, item, dialect)
    _process(root, item, dialect)
    for number, option in enumerate(item.options):
        if option.rationale:
            shown = dialect.attributes(outcomeIdentifier="FEEDBACK", identifier=_choice_id(number), showHide="show")
            _fill_block(etree.SubElement(root, dialect.tag("modalFeedback"), shown), option.rationale, dialect)
    return root


def _fill_block(parent: Element, text: str, dialect: Dialect) -> None:
    """3.0 wants a content body in feedback, 2.2 takes the text itself."""
    holder = etree.SubElement(parent, dialect.tag("contentBody")) if dialect.is_kebab else parent
    fill_inline(etree.SubElement(holder, dialect.tag("p")), text, dialect.tag)


def _write_stimulus(body: Element, stimulus: Stimulus, dialect: Dialect) -> None:
    block = etree.SubElement(body, dialect.tag("div"), {"class": "stimulus"})
    if stimulus.caption:
        fill_inline(etree.SubElement(block, dialect.tag("p")), stimulus.caption, dialect.tag)
    code = etree.SubElement(etree.SubElement(block, dialect.tag("pre")), dialect.tag("code"))
    code.set("class", f"language-{stimulus.language}")
    code.text = safe_xml.legal(stimulus.code)


def _choice_id(number: int) -> str:
    return f"choice_{number + 1}"


def _prompt_id(number: int) -> str:
    return f"prompt_{number + 1}"


_CARDINALITY = {
    "single": ("single", "identifier"),
    "multiple": ("multiple", "identifier"),
    "ordering": ("ordered", "identifier"),
    "matching": ("multiple", "directedPair"),
}


def _declare(root: Element, item: PortableItem, dialect: Dialect) -> None:
    cardinality, base = _CARDINALITY[item.kind]
    about = dialect.attributes(identifier="RESPONSE", cardinality=cardinality, baseType=base)
    response = etree.SubElement(root, dialect.tag("responseDeclaration"), about)
    right = etree.SubElement(response, dialect.tag("correctResponse"))
    for number, option in enumerate(item.options):
        if item.kind == "matching" and option.prompt:
            etree.SubElement(right, dialect.tag("value")).text = f"{_prompt_id(number)} {_choice_id(number)}"
        elif item.kind != "matching" and option.is_key:
            etree.SubElement(right, dialect.tag("value")).text = _choice_id(number)
    score = dialect.attributes(identifier="SCORE", cardinality="single", baseType="float")
    etree.SubElement(root, dialect.tag("outcomeDeclaration"), score)
    if item.kind != "matching":
        feedback = dialect.attributes(identifier="FEEDBACK", cardinality=cardinality, baseType="identifier")
        etree.SubElement(root, dialect.tag("outcomeDeclaration"), feedback)


def _interact(body: Element, item: PortableItem, dialect: Dialect) -> None:
    if item.kind == "matching":
        _write_match(body, item, dialect)
        return
    most = {"single": "1", "multiple": str(sum(option.is_key for option in item.options))}
    about = dialect.attributes(responseIdentifier="RESPONSE", shuffle="true")
    name = "orderInteraction" if item.kind == "ordering" else "choiceInteraction"
    if item.kind in most:
        about |= dialect.attributes(maxChoices=most[item.kind])
    interaction = etree.SubElement(body, dialect.tag(name), about)
    for number, option in enumerate(item.options):
        choice = etree.SubElement(interaction, dialect.tag("simpleChoice"), identifier=_choice_id(number))
        fill_inline(choice, option.text, dialect.tag)


def _write_match(body: Element, item: PortableItem, dialect: Dialect) -> None:
    prompts = sum(1 for option in item.options if option.prompt)
    about = dialect.attributes(responseIdentifier="RESPONSE", shuffle="true", maxAssociations=str(prompts))
    interaction = etree.SubElement(body, dialect.tag("matchInteraction"), about)
    left = etree.SubElement(interaction, dialect.tag("simpleMatchSet"))
    right = etree.SubElement(interaction, dialect.tag("simpleMatchSet"))
    for number, option in enumerate(item.options):
        if option.prompt:
            one = {"identifier": _prompt_id(number), **dialect.attributes(matchMax="1")}
            fill_inline(etree.SubElement(left, dialect.tag("simpleAssociableChoice"), one), option.prompt, dialect.tag)
        other = {"identifier": _choice_id(number), **dialect.attributes(matchMax="1")}
        fill_inline(etree.SubElement(right, dialect.tag("simpleAssociableChoice"), other), option.text, dialect.tag)


def _process(root: Element, item: PortableItem, dialect: Dialect) -> None:
    """All or nothing; the rationales of what was chosen are shown."""
    processing = etree.SubElement(root, dialect.tag("responseProcessing"))
    condition = etree.SubElement(processing, dialect.tag("responseCondition"))
    when = etree.SubElement(condition, dialect.tag("responseIf"))
    match = etree.SubElement(when, dialect.tag("match"))
    etree.SubElement(match, dialect.tag("variable"), identifier="RESPONSE")
    etree.SubElement(match, dialect.tag("correct"), identifier="RESPONSE")
    for branch, points in ((when, "1"), (etree.SubElement(condition, dialect.tag("responseElse")), "0")):
        score = etree.SubElement(branch, dialect.tag("setOutcomeValue"), identifier="SCORE")
        etree.SubElement(score, dialect.tag("baseValue"), dialect.attributes(baseType="float")).text = points
    if item.kind != "matching":
        shown = etree.SubElement(processing, dialect.tag("setOutcomeValue"), identifier="FEEDBACK")
        etree.SubElement(shown, dialect.tag("variable"), identifier="RESPONSE")


# --- reading ----------------------------------------------------------------------------------------


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
    return str(element.get(name) or element.get(_kebab(name)) or "")


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
    language = root.get(_XML_LANG) or ""
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
