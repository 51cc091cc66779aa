"""Items as other programs write them made fit for a bank: no control characters, code as a stimulus, a key of its own; pure."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from quizzes.interchange.portable import PortableItem
from quizzes.item_specs import ItemSpec, Stimulus
from quizzes.lint_rules import LANGUAGES

CAPTION = "Shown with the question"
"""Of a stimulus that came without one."""
_BLOCK = re.compile(r"\n*^```(\w*)\n(.+?)\n```$\n*", re.M | re.S)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x85\u2028\u2029]")


def cleaned(item: PortableItem) -> PortableItem:
    """Without control characters and line breaks that only some programs know."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return _CONTROL.sub(lambda found: " " if found.group() in "\x0b\x0c\x85\u2028\u2029" else "", value)
        if isinstance(value, dict):
            return {name: clean(part) for name, part in value.items()}
        return tuple(clean(part) for part in value) if isinstance(value, tuple) else value

    options = tuple(type(o)(**{name: clean(value) for name, value in vars(o).items()}) for o in item.options)
    shown = item.stimulus and type(item.stimulus)(**{name: clean(value) for name, value in vars(item.stimulus).items()})
    return PortableItem(clean(item.key), item.kind, clean(item.stem), options, shown, clean(dict(item.meta)), item.where)


def with_stimulus(item: PortableItem) -> PortableItem:
    """The one block of code in a question as its stimulus, with what a stimulus needs."""
    stem, shown = item.stem, item.stimulus
    found = _BLOCK.findall(stem)
    if shown is None and len(found) == 1:
        language, code = found[0]
        stem, shown = _BLOCK.sub("\n\n", stem).strip(), Stimulus(language, "", code)
    if shown is not None:
        language = shown.language if shown.language in LANGUAGES else "text"
        shown = Stimulus(language, shown.caption or CAPTION, shown.code)
    return replace(item, stem=stem, stimulus=shown)


def free_key(item: PortableItem, taken: set[str], known: Mapping[str, ItemSpec]) -> str:
    """The item's key in small letters, digits and hyphens; a number behind it when another item has it."""
    given = item.key.strip()
    slug = _slug(given) or _slug(" ".join(item.stem.split()[:8])) or "item"
    if slug == given:
        return slug
    key, number = slug, 1
    while key in taken or (key in known and not _is_like(item, known[key])):
        number += 1
        key = f"{slug[:70]}-{number}"
    return key


def _slug(text: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return plain[:80].strip("-")


def _is_like(item: PortableItem, base: ItemSpec) -> bool:
    """Whether the two are one question in two wordings, rather than two questions under one name."""
    texts = {" ".join(option.text.split()) for option in item.options}
    return " ".join(item.stem.split()) == base.stem or bool(texts & {" ".join(o.text.split()) for o in base.options})
