"""What other systems can carry of an item, as plain data, and the way from and to an author's item."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from quizzes.item_specs import ItemSpec, Stimulus

PORTABLE_KINDS = ("single", "multiple", "ordering", "matching")
"""Computed items stay here: their keys come out of the sandbox."""
META = (
    "exam",
    "objective",
    "bloom",
    "difficulty",
    "source_url",
    "source_dated",
    "product_version",
    "checked_on",
    "expires_on",
    "exam_wording",
    "current_name",
    "language",
    "no_proof",
)
"""What an item says about itself, each a short text; a format carries some of them."""
OPTION_TAGS = "misconception"
STAYS_HERE = ("proof", "evidence")
"""Never exported: programs of the sandbox and the authors' notes."""


@dataclass(frozen=True)
class PortableOption:
    """An option; or a step of an ordering, in the right order; or a pair, or an extra text without prompt, of a matching."""

    text: str
    is_key: bool
    rationale: str = ""
    prompt: str = ""
    misconception: str = ""


@dataclass(frozen=True)
class PortableItem:
    """An item outside of a bank. `where`: line or file of the import it was read from, for the report."""

    key: str
    kind: str
    stem: str
    options: tuple[PortableOption, ...]
    stimulus: Stimulus | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    """Those of META that are not empty."""
    where: str = field(default="", compare=False)


def portable(spec: ItemSpec) -> PortableItem:
    """Everything of an item that some format could carry."""
    meta = {
        "exam": spec.exam,
        "objective": spec.objective,
        "bloom": spec.bloom,
        "difficulty": spec.difficulty,
        "source_url": spec.source.url,
        "source_dated": spec.source.dated.isoformat(),
        "product_version": spec.source.product_version,
        "checked_on": spec.checked_on.isoformat(),
        "expires_on": spec.expires_on.isoformat(),
        "exam_wording": spec.exam_wording,
        "current_name": spec.current_name,
        "language": spec.language,
        "no_proof": spec.no_proof,
    }
    options = tuple(PortableOption(o.text, o.is_key, o.rationale, o.prompt, o.misconception) for o in spec.options)
    return PortableItem(
        spec.key, spec.kind, spec.stem, options, spec.stimulus, {name: value for name, value in meta.items() if value}
    )


def as_yaml_data(item: PortableItem) -> dict[str, Any]:
    """The item as the mapping that stands in a bank file (see quizzes.bank_files)."""
    meta = dict(item.meta)
    data: dict[str, Any] = {"key": item.key, "kind": item.kind}
    for name in ("exam", "objective", "bloom", "difficulty", "exam_wording", "current_name", "language", "no_proof"):
        if meta.get(name):
            data[name] = meta[name]
    data["stem"] = item.stem
    if item.stimulus:
        stimulus = {"language": item.stimulus.language, "caption": item.stimulus.caption, "code": item.stimulus.code}
        data["stimulus"] = {name: value for name, value in stimulus.items() if value}
    source = {"url": meta.get("source_url"), "dated": meta.get("source_dated"), "product_version": meta.get("product_version")}
    data["source"] = {name: value for name, value in source.items() if value}
    data |= {name: meta[name] for name in ("checked_on", "expires_on") if meta.get(name)}
    return data | _parts(item)


def _parts(item: PortableItem) -> dict[str, Any]:
    tagged = [{"rationale": o.rationale, "misconception": o.misconception} for o in item.options]
    if item.kind == "ordering":
        return {"steps": [{"text": o.text, **tags} for o, tags in zip(item.options, tagged, strict=True)]}
    if item.kind == "matching":
        pairs = zip(item.options, tagged, strict=True)
        found: dict[str, Any] = {"pairs": [{"prompt": o.prompt, "match": o.text, **tags} for o, tags in pairs if o.prompt]}
        if extra := [o.text for o in item.options if not o.prompt]:
            found["extra_matches"] = extra
        return found
    keyed = [{"key": True} if o.is_key else {} for o in item.options]
    parts = zip(item.options, keyed, tagged, strict=True)
    return {"options": [{"text": o.text, **key, **tags} for o, key, tags in parts]}


def with_general_rationale(
    options: tuple[PortableOption, ...], general: str, where: str, report: Any
) -> tuple[PortableOption, ...]:
    """What is said about the question as a whole, as the rationale of steps and pairs that have none of their own."""
    lacking = [option for option in options if option.is_key and not option.rationale]
    if not general or not lacking:
        return options
    report.changed(where, "The feedback on the whole question stands as the rationale of each step or pair.")
    return tuple(replace(option, rationale=general) if option in lacking else option for option in options)


# --- stem and stimulus as one Markdown text, for formats with one text field -----------------------

_FENCED = re.compile(
    r"\A(?P<stem>.*?)\n\n(?:(?P<caption>[^\n`][^\n]*)\n)?(?P<fence>`{3,})(?P<language>\w+)\n(?P<code>.*)\n(?P=fence)\Z", re.S
)


def joined_stem(item: PortableItem) -> str:
    """The stem, then the stimulus as a fenced block with its caption above it."""
    if item.stimulus is None:
        return item.stem
    longest = max((len(run) for run in re.findall(r"`+", item.stimulus.code)), default=0)
    fence = "`" * max(3, longest + 1)
    caption = f"{item.stimulus.caption}\n" if item.stimulus.caption else ""
    return f"{item.stem}\n\n{caption}{fence}{item.stimulus.language}\n{item.stimulus.code}\n{fence}"


MAX_TEXT_CHARACTERS = 20_000


def parted_stem(text: str) -> tuple[str, Stimulus | None]:
    """The inverse of `joined_stem`. Raises ValueError for a text that is too long to be a question."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ValueError(f"The question has {len(text)} characters; {MAX_TEXT_CHARACTERS} are allowed.")
    found = _FENCED.match(text) if text.endswith("```") else None
    if found is None:
        return text.strip(), None
    return found["stem"].strip(), Stimulus(found["language"], found["caption"] or "", found["code"])
