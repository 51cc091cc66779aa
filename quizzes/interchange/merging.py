"""An item from outside as the mapping that stands in a bank file: laid over the one that is there, or completed; pure."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from quizzes.interchange.portable import PortableItem, PortableOption, as_yaml_data, portable
from quizzes.item_specs import ItemSpec

UNTAGGED = "imported-not-tagged"
"""Misconception of options that came without one; stands in misconceptions.yaml."""
_DATES = ("checked_on", "expires_on")
_OF_SOURCE = {"source_url": "url", "source_dated": "dated", "product_version": "product_version"}
_PARTS = {"ordering": "steps", "matching": "pairs"}


class Incomplete(Exception):
    """The item lacks something; the messages say what to add."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = list(reasons)


@dataclass
class Merged:
    """The item's new mapping, and the names of what it changes."""

    data: dict[str, Any]
    changes: list[str] = field(default_factory=list)

    def change(self, name: str) -> None:
        if name not in self.changes:
            self.changes.append(name)


# --- a new item ----------------------------------------------------------------------------------


def completed(item: PortableItem, defaults: Mapping[str, str]) -> dict[str, Any]:
    """The mapping of a new item. `defaults`: what the author gives where the file says nothing.

    Raises Incomplete for options without a rationale, and for dates that are none.
    """
    _need_rationales(item.options, item.kind)
    tagged = tuple(
        replace(option, misconception=option.misconception or UNTAGGED) if _is_part(option, item.kind) else option
        for option in item.options
    )
    meta = {**defaults, **{name: value for name, value in item.meta.items() if value}}
    return _with_dates(as_yaml_data(replace(item, options=tagged, meta=meta)))


def _is_part(option: PortableOption, kind: str) -> bool:
    """Whether the option has a rationale and a misconception; extra texts of a matching have none."""
    return kind != "matching" or bool(option.prompt)


def _need_rationales(options: Sequence[PortableOption], kind: str) -> None:
    bare = [option for option in options if not option.rationale.strip() and _is_part(option, kind)]
    if bare:
        what = {"ordering": "steps", "matching": "pairs"}.get(kind, "options")
        named = "; ".join(repr(option.text[:60]) for option in bare[:3])
        raise Incomplete(
            [f"{len(bare)} of its {what} have no rationale ({named}): say in the feedback of each why it is right or wrong."]
        )


def _with_dates(data: dict[str, Any]) -> dict[str, Any]:
    for place, name in ((data, "checked_on"), (data, "expires_on"), (data["source"], "dated")):
        if isinstance(place.get(name), str):
            place[name] = _date(place[name], name)
    return data


def _date(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Incomplete([f"{name} is {text[:40]!r}; write a date such as 2027-05-15."]) from None


# --- an item that is there -----------------------------------------------------------------------


def merged(raw: Mapping[str, Any], base: ItemSpec, item: PortableItem) -> Merged:
    """The item laid over the one in the bank: what the format does not carry stays as it is.

    raw: the mapping in the bank file; base: the same, read. Options are matched by their text.
    """
    found = Merged(deepcopy(dict(raw)))
    if _flat(item.stem) != base.stem:
        found.data["stem"] = item.stem
        found.change("stem")
    _merge_stimulus(found, base, item)
    _merge_meta(found, base, item)
    _merge_parts(found, base, item)
    return found


def _flat(text: str) -> str:
    return " ".join(text.split())


def _merge_stimulus(found: Merged, base: ItemSpec, item: PortableItem) -> None:
    if item.stimulus == base.stimulus:
        return
    found.change("stimulus")
    found.data.pop("stimulus", None)
    if item.stimulus is not None:
        shown = item.stimulus
        found.data["stimulus"] = {"language": shown.language, "caption": shown.caption, "code": shown.code}


def _merge_meta(found: Merged, base: ItemSpec, item: PortableItem) -> None:
    known = portable(base).meta
    for name, value in item.meta.items():
        if value and value != known.get(name, ""):
            found.change(name)
            new = _date(value, name) if name in (*_DATES, "source_dated") else value
            if name in _OF_SOURCE:
                found.data["source"] = {**found.data["source"], _OF_SOURCE[name]: new}
            else:
                found.data[name] = new


def _merge_parts(found: Merged, base: ItemSpec, item: PortableItem) -> None:
    options = _filled_up(item, base)
    _need_rationales(options, item.kind)
    before = [_comparable(option) for option in portable(base).options]
    if item.kind == base.kind and [_comparable(option) for option in options] == before:
        return
    name, new_name = _PARTS.get(base.kind, "options"), _PARTS.get(item.kind, "options")
    parts = found.data.pop(name)
    fresh = as_yaml_data(replace(item, options=tuple(options), meta={}))
    if item.kind == base.kind:
        by_text = {(_flat(o.prompt), _flat(o.text)): part for o, part in zip(base.options, parts, strict=False)}
        texts = [(_flat(option.prompt), _flat(option.text)) for option in options]
        fresh[new_name] = [_over(by_text.get(text), part) for text, part in zip(texts, fresh[new_name], strict=False)]
    else:
        found.change("kind")
        found.data["kind"] = item.kind
        found.data.pop("proof", None)
    found.data[new_name] = fresh[new_name]
    found.data.pop("extra_matches", None)
    if "extra_matches" in fresh:
        found.data["extra_matches"] = fresh["extra_matches"]
    found.change("options" if new_name == "options" else new_name)
    say_what_is_not_proved(found.data, "The options were changed by an import; their proofs have to be written anew.")


def _comparable(option: PortableOption) -> tuple[object, ...]:
    texts = (option.text, option.prompt, option.rationale, option.misconception)
    return (option.is_key, *map(_flat, texts))


def _filled_up(item: PortableItem, base: ItemSpec) -> list[PortableOption]:
    """The options with rationale and misconception from those of the same text, where the format carries none."""
    by_text = {(_flat(option.prompt), _flat(option.text)): option for option in portable(base).options}
    found = []
    for option in item.options:
        known = by_text.get((_flat(option.prompt), _flat(option.text)))
        rationale = option.rationale or (known.rationale if known else "")
        tag = option.misconception or (known.misconception if known else UNTAGGED)
        found.append(replace(option, rationale=rationale, misconception=tag if _is_part(option, item.kind) else ""))
    return found


def _over(known: Mapping[str, Any] | None, part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of the file with the values of the new one; a proof goes with the role that it proved."""
    if known is None:
        return dict(part)
    same = {name: known[name] for name in known if name in part and _flat(str(known[name])) == _flat(str(part[name]))}
    kept = {**{name: value for name, value in known.items() if name != "key"}, **part, **same}
    if bool(known.get("key")) != bool(part.get("key")):
        kept.pop("proof", None)
    return kept


def say_what_is_not_proved(data: dict[str, Any], why: str) -> None:
    """When a part has lost its proof and no reason is given yet, give this one."""
    parts = data.get("options") or data.get("pairs") or []
    if any("proof" not in part for part in parts) and not data.get("no_proof") and data.get("kind") != "computed":
        data["no_proof"] = why
