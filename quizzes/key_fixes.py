"""Correct which options of a published item are keys, and give every answer to it the score that it has by the right key.

Versions and answers stay as they were written. A fix adds a version and says which older versions it corrects
(`KeyCorrection`); answers are marked anew in chunks, each a transaction of its own, by the key in force at that moment. So a
run can be killed, repeated or overtaken by another fix, and ends with the same scores.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils import timezone

from quizzes.bank_files import parse_bank, parse_mapping
from quizzes.corrected_keys import keys_in_force, same_question
from quizzes.findings import Finding
from quizzes.interchange.bank_text import SharedPart, item_text, rewritten
from quizzes.interchange.merging import say_what_is_not_proved
from quizzes.models import AttemptItem, Cohort, Item, ItemEvent, ItemVersion, KeyCorrection, KeyFix, Kind, Response
from quizzes.publishing import Draft, bank_path, check, publish, stored_block
from quizzes.queue import QueueAway, enqueue
from quizzes.scoring import score_response
from sandbox.public import Person

TASK = "quizzes.rescore"
RESUME_TASK = "quizzes.resume_key_fixes"
CHUNK = 5_000
"""Questions of attempts in one transaction: a second of work at most, then others may write."""
HEAD_START = timedelta(minutes=1)
"""For the message that a fix sends; afterwards the schedule sees to it."""
FIXABLE = {Kind.SINGLE, Kind.MULTIPLE}
NO_PROOF = "The key was corrected; the proofs of the options have to be written anew."


class NotFixable(Exception):
    """The key of this item cannot be corrected on the page; the message says what to do instead."""


@dataclass(frozen=True)
class Correction:
    """What an author says is right: the keys by position, and words for each option, in authoring order."""

    keys: tuple[int, ...]
    rationales: tuple[str, ...]
    misconceptions: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A correction as it would stand in the bank file, and what the linter says about it."""

    draft: Draft
    base_digest: str
    findings: list[Finding]

    @property
    def errors(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level == "error"]


def prepare(item: Item, correction: Correction) -> Prepared:
    """Lay the correction over the item in its file. Raises NotFixable or BankFileError; nothing is written."""
    version = fixable_version(item)
    block = stored_block(item.bank, item.key)
    path = bank_path(item.bank)
    text = path.read_text(encoding="utf-8")
    bank = parse_bank(text, path.name)
    spec = next(each for each in bank.items if each.key == item.key)
    if spec.content_sha256 != version.content_sha256:
        raise NotFixable("The bank file has changes to this item that are not loaded. Run manage.py load_banks first.")
    raw = next(each for each in parse_mapping(text, path.name)["items"] if each["key"] == item.key)
    draft = Draft(item.bank, item.key, _corrected_text(raw, correction, text, path.name))
    return Prepared(draft, block.digest, check(draft).findings)


def fixable_version(item: Item) -> ItemVersion:
    """The item's version, if its key is some of its options; raises NotFixable."""
    version = item.current
    if version is None or version.kind not in FIXABLE:
        raise NotFixable("Only keys of choices are corrected here. Edit the item: what was answered so far keeps its score.")
    return version


def _corrected_text(raw: Mapping[str, Any], correction: Correction, text: str, where: str) -> str:
    data = deepcopy(dict(raw))
    has_lost_a_proof = False
    words = zip(data["options"], correction.rationales, correction.misconceptions, strict=True)
    for position, (option, rationale, misconception) in enumerate(words, 1):
        is_key = position in correction.keys
        if bool(option.get("key", False)) != is_key:
            has_lost_a_proof |= option.pop("proof", None) is not None
            option.pop("key", None)
            if is_key:
                option["key"] = True
        if " ".join(str(option["rationale"]).split()) != " ".join(rationale.split()):
            option["rationale"] = rationale
        option["misconception"] = misconception
    if has_lost_a_proof:
        say_what_is_not_proved(data, NO_PROOF)
    try:
        rewritten(text, where, {data["key"]: data})
    except SharedPart as error:
        raise NotFixable(str(error)) from None
    return item_text(data, text, where)


# --- who changes ---------------------------------------------------------------------------------


def corrected_versions(version: ItemVersion) -> list[ItemVersion]:
    """The versions that a fix of `version` corrects: it, and older ones with the same options and the same key in force."""
    options = list(version.options.all())
    keys = keys_in_force(version.pk)
    older = version.item.versions.filter(kind=version.kind).prefetch_related("options")
    return [each for each in older if same_question(list(each.options.all()), options) and keys_in_force(each.pk) == keys]


@dataclass(frozen=True)
class AttemptChange:
    """An attempt whose score changes: points before and after, of so many questions."""

    attempt_id: int
    username: str
    title: str
    is_finished: bool
    old: float
    new: float
    questions: int


@dataclass(frozen=True)
class Preview:
    """What a fix would do to answers given so far."""

    versions: tuple[int, ...]
    """Numbers of the versions that it corrects."""
    answers: int
    changed: int
    better: int
    worse: int
    attempts: int
    open_attempts: int
    people: int
    cohorts: tuple[tuple[str, str, int], ...]
    """(cohort, its instructor, members whose score changes)."""
    sample: tuple[AttemptChange, ...]


SAMPLE = 50


def preview(item: Item, keys: Sequence[int]) -> Preview:
    """Count whose scores change when these positions become the keys."""
    versions = corrected_versions(fixable_version(item))
    given = Response.objects.filter(attempt_item__version__in=versions)
    wanted = sorted(keys)
    better = given.filter(answer=wanted, score__lt=1)
    worse = given.filter(score__gte=1).exclude(answer=wanted)
    changed = given.filter(Q(answer=wanted, score__lt=1) | (Q(score__gte=1) & ~Q(answer=wanted)))
    path = "attempt_item__attempt"
    counts = changed.order_by().aggregate(
        attempts=Count(path, distinct=True),
        open_attempts=Count(path, distinct=True, filter=Q(attempt_item__attempt__finished_at=None)),
        people=Count(f"{path}__user", distinct=True),
    )
    return Preview(
        versions=tuple(version.number for version in versions),
        answers=given.count(),
        changed=changed.count(),
        better=better.count(),
        worse=worse.count(),
        cohorts=_cohorts(changed),
        sample=_sample(changed, wanted),
        **counts,
    )


def _cohorts(changed: QuerySet[Response]) -> tuple[tuple[str, str, int], ...]:
    people = changed.order_by().values("attempt_item__attempt__user")
    found = Cohort.objects.filter(enrolments__user__in=people).select_related("instructor")
    members = found.annotate(members=Count("enrolments", distinct=True, filter=Q(enrolments__user__in=people)))
    return tuple((cohort.name, cohort.instructor.get_username(), cohort.members) for cohort in members)


def _sample(changed: QuerySet[Response], keys: Sequence[int]) -> tuple[AttemptChange, ...]:
    """The attempts that change, the newest first, as many as a page shows."""
    related = changed.select_related("attempt_item__attempt__user").order_by("-attempt_item__attempt", "pk")
    rows = {row.attempt_item.attempt_id: row for row in related[:SAMPLE]}
    points = Response.objects.filter(attempt_item__attempt__in=rows).order_by()
    totals = dict(points.values_list("attempt_item__attempt").annotate(points=Sum("score")))
    asked = AttemptItem.objects.filter(attempt__in=rows).order_by()
    counts = dict(asked.values_list("attempt").annotate(n=Count("pk")))
    found = []
    for attempt_id, row in rows.items():
        attempt, old = row.attempt_item.attempt, float(totals[attempt_id])
        new = old - row.score + score_response(row.answer, keys)
        found.append(
            AttemptChange(
                attempt_id, attempt.user.get_username(), attempt.title, attempt.is_finished, old, new, counts[attempt_id]
            )
        )
    return tuple(found)


# --- the fix -------------------------------------------------------------------------------------


def fix_key(item: Item, correction: Correction, base_digest: str, reason: str, actor: Person) -> KeyFix:
    """Publish the correction and queue the re-scoring.

    base_digest: that of the item's block which the author has seen in the preview.

    Raises:
        publishing.Conflict: another author was quicker.
        publishing.Refused: the linter has errors.
        NotFixable, BankFileError: see `prepare`.
    """
    old = fixable_version(item)
    if sorted(correction.keys) == keys_in_force(old.pk):
        raise NotFixable("These are the keys already. Edit the item to change only its words.")
    prepared = prepare(item, correction)
    versions = corrected_versions(old)
    seen = preview(item, correction.keys)
    made: list[KeyFix] = []

    def also(published: Item) -> None:
        made.append(_record(published, old, versions, seen, reason, actor))

    publish(prepared.draft, base_digest, actor, also=also)
    fix = made[0]
    try:
        enqueue(TASK, fix.pk)
    except QueueAway:
        KeyFix.objects.filter(pk=fix.pk).update(message="The background worker cannot be reached; it goes on when it is back.")
    return fix


def _record(item: Item, old: ItemVersion, versions: Sequence[ItemVersion], seen: Preview, reason: str, actor: Person) -> KeyFix:
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
    was, now = (", ".join(map(str, keys)) for keys in (keys_in_force_before(old, fix), keys_in_force(to.pk)))
    said = (
        f"Key {was} → {now} in version {to.number}; scores change for {seen.people} people in {seen.attempts} attempts. {reason}"
    )
    ItemEvent.objects.create(item=item, kind=ItemEvent.Kind.KEY_FIXED, detail=said, actor=actor)
    return fix


def keys_in_force_before(version: ItemVersion, fix: KeyFix) -> list[int]:
    """Positions of the keys that `version` had until this fix."""
    earlier = version.corrections.filter(fix__lt=fix.pk).select_related("fix__to_version").order_by("-pk").first()
    holds = earlier.fix.to_version if earlier else version
    return [option.position for option in holds.options.all() if option.is_key]


# --- re-scoring ----------------------------------------------------------------------------------


def rescore(fix_id: int) -> None:
    """Mark the answers to all corrected versions anew; goes on where a killed run has stopped."""
    fix = KeyFix.objects.get(pk=fix_id)
    versions = list(fix.corrections.values_list("version", flat=True))
    up_to = fix.done_up_to
    while (last := _rescore_chunk(fix, versions, up_to)) is not None:
        up_to = last
    unfinished = KeyFix.objects.filter(pk=fix.pk, finished_at=None)
    unfinished.update(state=KeyFix.State.DONE, finished_at=timezone.now(), done=F("total"), message="Every answer is scored.")


def _rescore_chunk(fix: KeyFix, versions: Sequence[int], after: int) -> int | None:
    """Mark the next questions; the id of the last one, None when there is none left."""
    with transaction.atomic():
        chunk = AttemptItem.objects.filter(version__in=versions, pk__gt=after).order_by("pk")
        if connection.features.has_select_for_update:
            chunk = chunk.select_for_update()  # an answer that is being saved is waited for; a later one sees the fix
        ids = list(chunk.values_list("pk", flat=True)[:CHUNK])
        if not ids:
            return None
        changed = sum(_rescore_version(version, ids[0], ids[-1]) for version in versions)
        _note(fix, ids, changed)
        return int(ids[-1])


def _note(fix: KeyFix, ids: Sequence[int], changed: int) -> None:
    """Say how far it is; of two workers at the same chunk one counts it."""
    row = KeyFix.objects.filter(pk=fix.pk)
    row.update(changed=F("changed") + changed, message="Scoring the answers by the right key.", state=KeyFix.State.RUNNING)
    row.filter(done_up_to__lt=ids[-1]).update(done=F("done") + len(ids), done_up_to=ids[-1])


def _rescore_version(version_id: int, first: int, last: int) -> int:
    """Mark the answers to one version among these questions; how many have another score since."""
    keys = keys_in_force(version_id)
    given = Response.objects.filter(attempt_item__version=version_id, attempt_item__gte=first, attempt_item__lte=last)
    changed = 0
    for answer in given.order_by().values_list("answer", flat=True).distinct():
        score = score_response(answer, keys)
        changed += given.filter(answer=answer).exclude(score=score).rescore(score)
    return changed


def resume() -> None:
    """Go on with every fix that is not finished; running one twice at once changes nothing."""
    left = KeyFix.objects.exclude(state=KeyFix.State.DONE).filter(created_at__lt=timezone.now() - HEAD_START)
    for fix_id in left.order_by("pk").values_list("pk", flat=True):
        rescore(fix_id)
