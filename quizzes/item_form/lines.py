"""Writes a form into an item's lines: what was not changed keeps its lines, with comments, anchors and proofs; pure."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quizzes.bank_edit import block_of, item_node, replaced
from quizzes.bank_files import BankFileError, parse_mapping
from quizzes.interchange.bank_text import plain_lines
from quizzes.item_form.fields import PLAIN, SOURCE, STIMULUS, FormItem, FormOption, flat, read_item, value_of
from quizzes.item_form.mapping_lines import COMMENT, MappingLines, NotForThisForm, in_list

STEM_WIDTH = 122


@dataclass(frozen=True)
class Written:
    """The item's new lines, and the comments that stood in lines which had to go."""

    text: str
    lost_comments: tuple[str, ...]


def form_of(bank_text: str, key: str, where: str) -> FormItem:
    """The form of the item as it stands in a bank's text."""
    return read_item(_raw(bank_text, key, where))


def write(bank_text: str, key: str, where: str, form: FormItem) -> Written:
    """The item with what the form says. `bank_text`: the bank with the text that the form began from.

    Where lines cannot move because a reference of YAML would come before what it refers to, the item is written anew as a whole.
    Raises NotForThisForm when the result would not say exactly what the form says.
    """
    known = len(form_of(bank_text, key, where).options)
    if any(option.origin > known for option in form.options):
        raise NotForThisForm("The form has an option that the text does not have. Open it again.")
    try:
        found = _by_lines(bank_text, key, where, form)
        _need_the_same(bank_text, _with(bank_text, key, where, found), key, where, form)
    except NotForThisForm:
        found = _anew(bank_text, key, where, form)
        _need_the_same(bank_text, _with(bank_text, key, where, found), key, where, form)
    return found


def _with(bank_text: str, key: str, where: str, found: Written) -> str:
    return replaced(bank_text, block_of(bank_text, key, where), found.text)


def _by_lines(bank_text: str, key: str, where: str, form: FormItem) -> Written:
    """Other lines for what has changed, and no others."""
    node, first = item_node(bank_text, key, where)
    item = MappingLines(block_of(bank_text, key, where).text.splitlines(), node, first)
    before = read_item(_raw(bank_text, key, where))
    _write_fields(item, before, form)
    _write_options(item, before, form)
    text = "\n".join(item.written()).rstrip("\n") + "\n"
    return Written(text, tuple(item.lost))


def _anew(bank_text: str, key: str, where: str, form: FormItem) -> Written:
    """The whole item from its data: references are written out, comments go."""
    raw, lines = _raw(bank_text, key, where), block_of(bank_text, key, where).text.splitlines()
    before = read_item(raw)
    for name, value in _changed(before, form).items():
        raw = {**raw, name: value} if value not in ("", {}) else {k: v for k, v in raw.items() if k != name}
    raw["options"] = [_option_data(raw["options"], before, option) for option in form.options]
    comments = [found[1] for line in lines if (found := COMMENT.match(line.lstrip()))]
    return Written("\n".join(plain_lines(raw)) + "\n", tuple(comments))


def _option_data(options: Sequence[Mapping[str, Any]], before: FormItem, option: FormOption) -> dict[str, Any]:
    said = {"text": option.text} | ({"key": True} if option.is_key else {})
    said |= {"rationale": option.rationale, "misconception": option.misconception}
    if not option.origin:
        return said
    stood, old = options[option.origin - 1], before.options[option.origin - 1]
    kept = {name: value for name, value in stood.items() if name not in {"text", "key", *said}}
    texts = [name for name in ("text", "rationale", "misconception") if name in stood]
    alike = [name for name in texts if flat(getattr(old, name)) == flat(str(said[name]))]
    return {**said, **{name: stood[name] for name in alike}, **kept}


def _changed(before: FormItem, form: FormItem) -> dict[str, Any]:
    """New values of the item's own fields, by their names in YAML; an empty one is to go."""
    found: dict[str, Any] = {}
    for name in PLAIN:
        if form.fields[name] != before.fields[name]:
            found[name] = _stem(form.fields[name]) if name == "stem" else value_of(name, form.fields[name])
    for name, parts in (("source", SOURCE), ("stimulus", STIMULUS)):
        if any(form.fields[field] != before.fields[field] for field in parts):
            found[name] = {part: value_of(field, form.fields[field]) for field, part in parts.items() if form.fields[field]}
    return found


def _raw(bank_text: str, key: str, where: str) -> dict[str, Any]:
    items = parse_mapping(bank_text, where).get("items") or []
    found = next((item for item in items if isinstance(item, dict) and item.get("key") == key), None)
    if found is None:
        raise BankFileError(f"{where} has no item {key!r}.")
    return found


def _write_fields(item: MappingLines, before: FormItem, form: FormItem) -> None:
    for name, value in _changed(before, form).items():
        item.put(name, value)


def _stem(text: str) -> str:
    """On several lines, as authors write it: YAML then makes a block of it."""
    return "\n".join(textwrap.wrap(text, STEM_WIDTH, break_long_words=False, break_on_hyphens=False)) + "\n"


def _write_options(item: MappingLines, before: FormItem, form: FormItem) -> None:
    if form.options == before.options:
        return
    entries = item.entries("options")
    indent = entries[0].column - item.column - 2
    lines = []
    for option in form.options:
        entry = entries[option.origin - 1] if option.origin else None
        if entry is None:
            lines.append(in_list(_new_lines(option), indent))
            continue
        _write_option(entry, before.options[option.origin - 1], option)
        lines.append(entry.as_entry(indent))
        item.lost += entry.lost
    kept = {option.origin for option in form.options}
    item.lost += [comment for n, entry in enumerate(entries, 1) if n not in kept for comment in entry.comments()]
    item.replace_entries("options", lines)


def _write_option(entry: MappingLines, before: FormOption, option: FormOption) -> None:
    for name in ("text", "rationale", "misconception"):
        old, new = getattr(before, name), getattr(option, name)
        if flat(new) != flat(old):
            entry.put(name, new)
    if option.is_key != before.is_key:
        entry.put("key", True if option.is_key else None, after="text")


def _new_lines(option: FormOption) -> list[str]:
    said = {"text": option.text} | ({"key": True} if option.is_key else {})
    return plain_lines({**said, "rationale": option.rationale, "misconception": option.misconception})


def _need_the_same(old: str, new: str, key: str, where: str, form: FormItem) -> None:
    """Read again what was written: it says what the form says, and everything else in the file is as it was."""
    before = _raw(old, key, where)
    try:
        after, others = _raw(new, key, where), _others(new, key, where)
    except BankFileError as error:
        raise NotForThisForm(f"Other items of the file refer to a part of this one ({error}). Change it as YAML.") from None
    found = read_item(after)
    if found.fields != dict(form.fields) or _bare(found.options) != _bare(form.options):
        raise NotForThisForm("This cannot be written so that it is read in the same way. Write it as YAML.")
    if _rest(after) != _rest(before) or others != _others(old, key, where):
        raise NotForThisForm("This change would also change something that is not in the form. Make it as YAML.")
    proofs = [option.get("proof") for option in before.get("options") or []]
    if [o.get("proof") for o in after["options"]] != [proofs[o.origin - 1] if o.origin else None for o in form.options]:
        raise NotForThisForm("The proofs of the options would change. Make this change as YAML.")


def _others(bank_text: str, key: str, where: str) -> list[Any]:
    """The other items of the file."""
    return [item for item in parse_mapping(bank_text, where)["items"] if item.get("key") != key]


def _bare(options: Sequence[FormOption]) -> list[tuple[str, bool, str, str]]:
    return [(flat(o.text), o.is_key, flat(o.rationale), o.misconception) for o in options]


def _rest(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in {*PLAIN, "source", "stimulus", "options"}}
