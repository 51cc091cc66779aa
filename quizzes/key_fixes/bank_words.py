"""A corrected item as it stands in its bank file: another key, order or match, other words, and the proofs of the new roles."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from quizzes.bank_files import BankFileError
from quizzes.interchange.bank_text import SharedPart, item_text, rewritten
from quizzes.interchange.merging import say_what_is_not_proved
from quizzes.models import ItemVersion, Kind, Option

NO_PROOF = "The key was corrected; the proofs of the options have to be written anew."

Words = Sequence[tuple[str, str]]
"""(rationale, misconception) of each part in authoring order."""


def corrected_text(
    raw: Mapping[str, Any], version: ItemVersion, right: Sequence[int], words: Words, text: str, where: str
) -> str:
    """The item's lines with `right` as its right answer. `raw`: its mapping in the file, whose whole text is `text`.

    Raises BankFileError when other items of the file refer to what would change.
    """
    data = deepcopy(dict(raw))
    if version.kind == Kind.ORDERING:
        _order(data, version, right, words)
    elif version.kind == Kind.MATCHING:
        _match(data, version, right, words)
    else:
        _choose(data, version, right, words)
    _say_what_is_proved(data)
    try:
        rewritten(text, where, {data["key"]: data})
    except SharedPart as error:
        raise BankFileError(str(error)) from None
    return item_text(data, text, where)


def _choose(data: dict[str, Any], version: ItemVersion, right: Sequence[int], words: Words) -> None:
    for option, stored, said in zip(data["options"], version.options.all(), words, strict=True):
        is_key = stored.position in right
        if is_key != stored.is_key:
            option.pop("key", None)
            option |= {"key": True} if is_key else {}
            _prove(option, _proof_of_part(version, text=stored.text, is_key=is_key))
        _say(option, said)


def _order(data: dict[str, Any], version: ItemVersion, right: Sequence[int], words: Words) -> None:
    for step, said in zip(data["steps"], words, strict=True):
        _say(step, said)
    data["steps"] = [data["steps"][position - 1] for position in right]
    if list(right) != sorted(right):
        texts = {step.position: step.text for step in version.options.all()}
        _prove(data, _proof_of_order(version, [texts[position] for position in right]))


def _match(data: dict[str, Any], version: ItemVersion, right: Sequence[int], words: Words) -> None:
    options = list(version.options.all())
    texts = {option.position: option.text for option in options}
    for pair, stored, match, said in zip(data["pairs"], options, right, words, strict=False):
        if texts[match] != stored.text:
            pair["match"] = texts[match]
            _prove(pair, _proof_of_part(version, prompt=stored.prompt, text=texts[match]))
        _say(pair, said)
    used = {texts[match] for match in right}
    unused = [text for text in dict.fromkeys(texts.values()) if text not in used]
    data.pop("extra_matches", None)
    data |= {"extra_matches": unused} if unused else {}


def _say(part: dict[str, Any], said: tuple[str, str]) -> None:
    """Other words; what differs only in line breaks stays as its author wrote it."""
    rationale, misconception = said
    if " ".join(str(part["rationale"]).split()) != " ".join(rationale.split()):
        part["rationale"] = rationale
    part["misconception"] = misconception


# --- proofs --------------------------------------------------------------------------------------


def _prove(part: dict[str, Any], proof: Mapping[str, Any]) -> None:
    """A proof shows one role: it goes with it, and comes back when an earlier version had it in this one."""
    part.pop("proof", None)
    if proof:
        part["proof"] = {name: value for name, value in proof.items() if value}


def _proof_of_part(version: ItemVersion, **role: Any) -> dict[str, Any]:
    """The newest proof that an option of the item had in this role; empty without any."""
    had = Option.objects.filter(version__item=version.item_id, version__kind=version.kind, **role).exclude(proof={})
    found = had.order_by("-version__number").first()
    return dict(found.proof) if found else {}


def _proof_of_order(version: ItemVersion, texts: Sequence[str]) -> dict[str, Any]:
    """The newest proof of the steps in this order; empty without any."""
    proved = version.item.versions.filter(kind=version.kind).exclude(proof={}).prefetch_related("options")
    for other in proved.order_by("-number"):
        if [step.text for step in other.options.all()] == list(texts):
            return dict(other.proof)
    return {}


def _say_what_is_proved(data: dict[str, Any]) -> None:
    """The sentence on missing proofs comes when one is lost, and goes when all are there again."""
    parts = [data] if "steps" in data else data.get("options") or data.get("pairs") or []
    if all("proof" in part for part in parts):
        if data.get("no_proof") == NO_PROOF:
            del data["no_proof"]
    elif "steps" in data:
        data.setdefault("no_proof", NO_PROOF)
    else:
        say_what_is_not_proved(data, NO_PROOF)
