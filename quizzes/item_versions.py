"""An item version as the data its author wrote, and what differs between two of them."""

from dataclasses import dataclass
from datetime import date
from difflib import SequenceMatcher

from quizzes.item_specs import Evidence, ItemSpec, OptionSpec, Source, Stimulus
from quizzes.models import ItemVersion


def spec_of(version: ItemVersion) -> ItemSpec:
    """The version as an item of a bank file."""
    item = version.item
    return ItemSpec(
        key=item.key,
        objective=item.objective.slug,
        bloom=version.bloom,
        stem=version.stem,
        source=Source(version.source_url, version.source_dated, version.product_version),
        checked_on=version.checked_on,
        expires_on=version.expires_on,
        options=tuple(
            OptionSpec(option.text, option.rationale, option.misconception, option.is_key, option.proof or None, option.prompt)
            for option in version.options.all()
        ),
        exam_wording=version.exam_wording,
        current_name=version.current_name,
        language=version.language,
        kind=version.kind,
        exam=item.exam.slug if item.exam else "",
        difficulty=item.difficulty,
        stimulus=Stimulus(**version.stimulus) if version.stimulus else None,
        evidence=tuple(Evidence(e["says"], e["source"], date.fromisoformat(e["dated"])) for e in version.evidence),
        no_proof=version.no_proof,
        proof=version.proof or None,
        parameters={name: tuple(values) for name, values in version.parameters.items()},
        constraints=tuple(version.constraints),
    )


@dataclass(frozen=True)
class Piece:
    """A stretch of text that is in both versions, or only in the old or the new one."""

    text: str
    change: str
    """`same`, `old` or `new`."""


@dataclass(frozen=True)
class FieldChange:
    """A field that two versions do not have alike, word by word."""

    name: str
    pieces: tuple[Piece, ...]


def changes(old: ItemSpec, new: ItemSpec) -> list[FieldChange]:
    """What differs, in the order in which a reader meets it."""
    before, after = _fields(old), _fields(new)
    names = list(dict.fromkeys((*before, *after)))
    return [
        FieldChange(name, tuple(_pieces(before.get(name, ""), after.get(name, ""))))
        for name in names
        if before.get(name, "") != after.get(name, "")
    ]


def _pieces(old: str, new: str) -> list[Piece]:
    before, after = _words(old), _words(new)
    found = []
    for kind, i, j, k, m in SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(Piece("".join(before[i:j]), "same"))
            continue
        found += [Piece("".join(words), change) for words, change in ((before[i:j], "old"), (after[k:m], "new")) if words]
    return found


def _words(text: str) -> list[str]:
    """Words with the blanks behind them, so that joining them gives the text."""
    words: list[str] = []
    for part in text.split(" "):
        words.append(f"{part} ")
    if words:
        words[-1] = words[-1][:-1]
    return words


def _fields(spec: ItemSpec) -> dict[str, str]:
    """The version as named texts."""
    found = {
        "Kind": spec.kind,
        "Question": spec.stem,
        "Stimulus": spec.stimulus.code if spec.stimulus else "",
        "Level": spec.bloom,
        "Source": f"{spec.source.url}, {spec.source.dated}, {spec.source.product_version}",
        "Checked": str(spec.checked_on),
        "Asked until": str(spec.expires_on),
        "Exam guides say": spec.exam_wording,
        "Today it is called": spec.current_name,
        "No proof": spec.no_proof,
        "Proof of the item": str(spec.proof or ""),
        "Parameters": ", ".join(f"{name} = {list(values)}" for name, values in spec.parameters.items()),
        "Constraints": "; ".join(spec.constraints),
    }
    for number, option in enumerate(spec.options, 1):
        role = " (key)" if option.is_key and spec.is_choice else ""
        found[f"Option {number}"] = f"{option.prompt + ' → ' if option.prompt else ''}{option.text}{role}"
        found[f"Rationale {number}"] = option.rationale
        found[f"Misconception {number}"] = option.misconception
        found[f"Proof {number}"] = str(option.proof or "")
    for number, entry in enumerate(spec.evidence, 1):
        found[f"Evidence {number}"] = f"{entry.says} ({entry.source}, {entry.dated})"
    return found
