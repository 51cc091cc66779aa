"""Publish a correction with its audit entry and queue the re-scoring; what takes a fix back is another fix."""

from collections.abc import Sequence

from quizzes.corrected_keys import right_in_force
from quizzes.key_fixes.corrections import Correction, NotFixable, corrected_versions, fixable_version, prepare, right_for
from quizzes.key_fixes.preview import Preview, preview
from quizzes.key_fixes.rescoring import TASK
from quizzes.models import AttemptItem, Item, ItemEvent, ItemVersion, KeyCorrection, KeyFix, Kind, Option
from quizzes.publishing import banks_folder, publish
from quizzes.queue import QueueAway, enqueue
from quizzes.scoring import right_answer
from quizzes.variant_files import read_variants
from quizzes.variants import Computed
from sandbox.public import Person


def fix_key(item: Item, correction: Correction, base_digest: str, reason: str, actor: Person) -> KeyFix:
    """Publish the correction and queue the re-scoring.

    base_digest: that of the item's block which the author has seen in the preview.

    Raises:
        publishing.Conflict: another author was quicker.
        publishing.Refused: the linter has errors.
        NotFixable, BankFileError: see `prepare`.
    """
    old = fixable_version(item)
    if list(correction.right) == right_in_force(old):
        raise NotFixable("This is the key already. Edit the item to change only its words.")
    prepared = prepare(item, correction)
    versions = corrected_versions(old)
    seen = preview(item, correction.right)
    made: list[KeyFix] = []

    def also(published: Item) -> None:
        made.append(_record(published, old, versions, seen, said(old, correction.right), reason, actor))

    publish(prepared.draft, base_digest, actor, computed={item.key: _computed(old)}, also=also)
    fix = made[0]
    try:
        enqueue(TASK, fix.pk)
    except QueueAway:
        KeyFix.objects.filter(pk=fix.pk).update(message="The background worker cannot be reached; it goes on when it is back.")
    return fix


def _computed(version: ItemVersion) -> list[Computed]:
    """What the sandbox reported for the version, if it is not recorded beside the banks: another key needs no other facts."""
    if version.item.key in read_variants(banks_folder()):
        return []
    return [Computed(variant.parameters, variant.facts) for variant in version.variants.all()]


def _record(
    item: Item, old: ItemVersion, versions: Sequence[ItemVersion], seen: Preview, what: str, reason: str, actor: Person
) -> KeyFix:
    """The fix with what it corrects, and the audit entry."""
    to = item.current
    assert to is not None, "a published item has a version"
    total = AttemptItem.objects.filter(version__in=versions).count()
    fix = KeyFix.objects.create(
        item=item,
        to_version=to,
        actor=actor,
        reason=reason,
        total=total,
        people=seen.people,
        message="Waiting for the background worker.",
    )
    KeyCorrection.objects.bulk_create(KeyCorrection(fix=fix, version=version) for version in versions)
    whose = f"scores change for {seen.people} people in {seen.attempts} attempts."
    detail = f"{what} in version {to.number}; {whose} {reason}"
    ItemEvent.objects.create(item=item, kind=ItemEvent.Kind.KEY_FIXED, detail=detail, actor=actor)
    return fix


def said(version: ItemVersion, right: Sequence[int]) -> str:
    """What changes about the version's key, for the audit entry; numbers are positions in the bank file."""
    was = right_in_force(version)
    if version.kind == Kind.MATCHING:
        options = list(version.options.all())
        texts = {option.position: option.text for option in options}
        pairs = zip((option.prompt for option in options if option.prompt), was, right, strict=True)
        return "; ".join(f"{prompt}: {texts[old]} → {texts[new]}" for prompt, old, new in pairs if old != new)
    word = "Order" if version.kind == Kind.ORDERING else "Key"
    return f"{word} {', '.join(map(str, was))} → {', '.join(map(str, right))}"


def reversal(fix: KeyFix) -> Correction | None:
    """The correction that takes this fix back, with the words of before; None when a later version stands in its place."""
    current, kind = fix.item.current, fix.to_version.kind
    before = fix.item.versions.filter(corrections__fix=fix).exclude(pk=fix.to_version_id).order_by("-number").first()
    if current is None or current.pk != fix.to_version_id or before is None:
        return None
    own = list(before.options.all())
    right = right_for(current, before, right_answer(kind, own))
    words = {_name(kind, option): option for option in own}
    had = [words[_name(kind, option)] for option in current.options.all() if kind != Kind.MATCHING or option.prompt]
    return Correction(tuple(right), tuple(o.rationale for o in had), tuple(o.misconception for o in had))


def _name(kind: str, option: Option) -> tuple[str, int]:
    """What an option is known by in another version of the same question."""
    by = {Kind.ORDERING: (option.text, 0), Kind.MATCHING: (option.prompt, 0)}
    return by.get(Kind(kind), ("", option.position))
