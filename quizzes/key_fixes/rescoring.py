"""Marks the answers to corrected versions anew, in chunks; a run that was killed goes on where it stopped."""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from quizzes.corrected_keys import right_now
from quizzes.models import AttemptItem, KeyFix, Response
from quizzes.scoring import score_response

TASK = "quizzes.rescore"
RESUME_TASK = "quizzes.resume_key_fixes"
CHUNK = 5_000
"""Questions of attempts in one transaction: a second of work at most, then others may write."""
HEAD_START = timedelta(minutes=1)
"""For the message that a fix sends; afterwards the schedule sees to it."""


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
    right = right_now(version_id)
    given = Response.objects.filter(attempt_item__version=version_id, attempt_item__gte=first, attempt_item__lte=last)
    changed = 0
    for answer in given.order_by().values_list("answer", flat=True).distinct():
        score = score_response(answer, right)
        changed += given.filter(answer=answer).exclude(score=score).rescore(score)
    return changed


def resume() -> None:
    """Go on with every fix that is not finished; running one twice at once changes nothing."""
    left = KeyFix.objects.exclude(state=KeyFix.State.DONE).filter(created_at__lt=timezone.now() - HEAD_START)
    for fix_id in left.order_by("pk").values_list("pk", flat=True):
        rescore(fix_id)
