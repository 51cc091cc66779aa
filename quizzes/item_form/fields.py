"""What the form holds, read from an item's mapping or from what was sent; and what is wrong with it, field by field; pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from quizzes.lint_rules import BLOOM, DIFFICULTIES, LANGUAGES

KINDS = ("single", "multiple")
"""The others (orders, matches, computed answers) are written as YAML."""
MAX_OPTIONS = 9
SOURCE = {"source_url": "url", "source_dated": "dated", "product_version": "product_version"}
STIMULUS = {"stimulus_language": "language", "stimulus_caption": "caption", "stimulus_code": "code"}
PLAIN = ("exam", "objective", "bloom", "difficulty", "stem", "checked_on", "expires_on", "no_proof")
DATES = ("source_dated", "checked_on", "expires_on")
NAMES = (*PLAIN, *SOURCE, *STIMULUS)
REQUIRED = {
    "objective": "Choose what the item measures.",
    "stem": "Write the question.",
    "source_url": "Name the page that shows that the key is right.",
    "product_version": "Say which version the page is about.",
}
CHOICES = {"bloom": BLOOM, "difficulty": DIFFICULTIES, "stimulus_language": LANGUAGES}
_OPTION = re.compile(r"\A[on][1-9]\d?\Z")


Sent = Callable[[str], list[str]]
"""All values that were sent under a name."""


@dataclass(frozen=True)
class FormOption:
    """`name`: o3 is the third option of the text that the form began from, n1 a new one."""

    name: str
    text: str = ""
    is_key: bool = False
    rationale: str = ""
    misconception: str = ""

    @property
    def origin(self) -> int:
        """Place in the text that the form began from, from 1; 0 for a new option."""
        return int(self.name[1:]) if self.name.startswith("o") else 0


@dataclass(frozen=True)
class FormItem:
    """The fields by NAMES as text (dates in ISO form, empty when there is none), and the options in their order."""

    kind: str
    fields: Mapping[str, str]
    options: tuple[FormOption, ...]


def read_item(raw: Mapping[str, Any]) -> FormItem:
    """The form of an item's mapping in a bank file."""
    source, stimulus = raw.get("source") or {}, raw.get("stimulus") or {}
    found = {name: _text(raw.get(name)) for name in PLAIN}
    found |= {name: _text(source.get(part)) for name, part in SOURCE.items()}
    found |= {name: str(stimulus.get(part) or "").rstrip("\n") for name, part in STIMULUS.items()}
    found["stem"] = flat(found["stem"])
    options = [
        FormOption(
            f"o{number}", _text(o.get("text")), bool(o.get("key")), _text(o.get("rationale")), _text(o.get("misconception"))
        )
        for number, o in enumerate(raw.get("options") or [], 1)
    ]
    return FormItem(str(raw.get("kind", "single")), found, tuple(options))


def read_sent(sent: Sent, kind: str) -> FormItem:
    """The form as it was sent, line ends as files have them."""
    names = [name for name in sent("option") if _OPTION.match(name)][: MAX_OPTIONS + 1]
    keys = set(sent("key"))
    fields = {name: _sent(sent, name) for name in NAMES}
    if not fields["stimulus_code"].strip():
        fields |= dict.fromkeys(STIMULUS, "")
    options = [
        FormOption(
            name,
            _sent(sent, f"text-{name}"),
            name in keys,
            _sent(sent, f"rationale-{name}"),
            _sent(sent, f"misconception-{name}"),
        )
        for name in dict.fromkeys(names)
    ]
    return FormItem(kind, fields | {"stem": flat(fields["stem"])}, tuple(options))


def _sent(sent: Sent, name: str) -> str:
    text = (sent(name) or [""])[-1][:20_000].replace("\r\n", "\n")
    return text.rstrip("\n") if name == "stimulus_code" else text.strip()


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def flat(text: str) -> str:
    """On one line: where lines break is the author's business."""
    return " ".join(text.split())


# --- changes of the form itself -------------------------------------------------------------------


def done(form: FormItem, what: str) -> FormItem:
    """The form after a button: `add`, or `up`, `down`, `remove` with the option's name, such as `up-o2`."""
    if what == "add":
        return replace(form, options=(*form.options, FormOption(_new_name(form.options)))[:MAX_OPTIONS])
    action, _, name = what.partition("-")
    here = next((place for place, option in enumerate(form.options) if option.name == name), None)
    if here is None:
        return form
    options = list(form.options)
    moved = options.pop(here)
    if action in {"up", "down"}:
        options.insert(max(0, here - 1) if action == "up" else here + 1, moved)
    return replace(form, options=tuple(options))


def _new_name(options: Sequence[FormOption]) -> str:
    taken = {option.name for option in options}
    return next(name for number in range(1, 99) if (name := f"n{number}") not in taken)


# --- what is wrong --------------------------------------------------------------------------------


def problems(form: FormItem) -> dict[str, str]:
    """What has to be typed differently before the item can be read at all, by field; the linter judges the rest."""
    found = {name: words for name, words in REQUIRED.items() if not form.fields[name]}
    found |= {name: "Choose one." for name in ("bloom", "difficulty") if form.fields[name] not in CHOICES[name]}
    found |= {name: "Write a date such as 2027-05-15." for name in DATES if _date(form.fields[name]) is None}
    if form.fields["stimulus_code"]:
        if not form.fields["stimulus_caption"]:
            found["stimulus_caption"] = "Say in a few words what the code is."
        if form.fields["stimulus_language"] not in LANGUAGES:
            found["stimulus_language"] = "Choose the language."
    for option in form.options:
        for name, words in (
            ("text", "Write the option, or remove it."),
            ("rationale", "Say why it is right or wrong."),
            ("misconception", "Name the belief behind it."),
        ):
            if not getattr(option, name):
                found[f"{name}-{option.name}"] = words
    wanted = 2 if form.kind == "multiple" else 1
    if sum(option.is_key for option in form.options) != wanted:
        found["key"] = f"Mark exactly {'two options' if wanted == 2 else 'one option'} as right."
    return found


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def value_of(name: str, text: str) -> Any:
    """The value as it stands in YAML: a date where one is wanted, else the text."""
    return (_date(text) or text) if name in DATES else text
