"""QTI 2.2 and 3.0 packages (IMS/1EdTech Question and Test Interoperability): choice, order and match interactions.

The two versions differ in namespace and spelling (`assessmentItem` is `qti-assessment-item`, attributes likewise), which is
what a `Dialect` holds; `qti_reader` takes either, also a single item file.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from quizzes.interchange import archives, safe_xml
from quizzes.interchange.html import fill_inline
from quizzes.interchange.portable import PortableItem
from quizzes.interchange.report import Report
from quizzes.interchange.safe_xml import Element
from quizzes.item_specs import Stimulus

CARRIES = frozenset({"language", "matching_rationale"})
KINDS = frozenset({"single", "multiple", "ordering", "matching"})
_HTML = {"p", "pre", "code", "br", "div"}
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@dataclass(frozen=True)
class Dialect:
    """How a version of QTI spells things."""

    namespace: str
    is_kebab: bool
    resource_type: str
    manifest: str

    def tag(self, name: str) -> str:
        """An element's name with its namespace; HTML elements keep their names."""
        spelled = f"qti-{kebab(name)}" if self.is_kebab and name not in _HTML else name
        return f"{{{self.namespace}}}{spelled}"

    def attributes(self, **given: str) -> dict[str, str]:
        return {kebab(name) if self.is_kebab else name: value for name, value in given.items()}


def kebab(name: str) -> str:
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
        root.set(XML_LANG, item.meta["language"])
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
