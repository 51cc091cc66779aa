"""The writes of an attempt: start it, record an answer, finish it."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from quizzes.behaviours import BEHAVIOURS
from quizzes.corrected_keys import right_now
from quizzes.models import Attempt, AttemptItem, Exam, Form, Item, ItemVersion, Kind, Objective, Response
from quizzes.presented import NoSuchAnswer, present
from quizzes.scoring import score_response
from quizzes.variants import draw_variant
from sandbox.public import Person

DRILL_LENGTH = 10


class NoItems(Exception):
    """There is nothing to ask: no usable item for what was chosen."""


class AttemptClosed(Exception):
    """The attempt is finished and takes no more answers."""


@dataclass(frozen=True)
class Recorded:
    """The answer that counts, and whether this submission made it (False: it had been saved before)."""

    response: Response
    is_new: bool


def start_attempt(
    user: Person, *, exam: Exam | None = None, objective: Objective | None = None, form: Form | None = None
) -> Attempt:
    """A drill on a form, an objective or an exam; raises NoItems when there is nothing usable."""
    versions = _versions_for(user, exam=exam, objective=objective, form=form)
    if not versions:
        raise NoItems
    with transaction.atomic():
        attempt = Attempt.objects.create(
            user=user,
            exam=exam,
            objective=objective,
            form=form,
            title=_title(exam, objective, form),
            seed=secrets.randbits(62),
        )
        for position, version in enumerate(versions, 1):
            variant = draw_variant(user, version, attempt.seed, position)
            AttemptItem.objects.create(attempt=attempt, position=position, version=version, variant=variant)
    return attempt


def _title(exam: Exam | None, objective: Objective | None, form: Form | None) -> str:
    named = [str(part) for part in (exam, objective, form) if part is not None]
    return ": ".join(named) or "Mixed drill"


def _versions_for(user: Person, *, exam: Exam | None, objective: Objective | None, form: Form | None) -> list[ItemVersion]:
    """A form's items in its order; else those of the exam and objective that she has answered least, at most DRILL_LENGTH."""
    usable = Item.objects.usable(timezone.now().date())
    if form is not None:
        return _current_versions(
            usable.filter(form_items__form=form).order_by("form_items__position").values_list("pk", flat=True)
        )
    if exam is not None:
        usable = usable.filter(exam=exam)
    if objective is not None:
        usable = usable.filter(objective=objective)
    answered = Count("versions__attempt_items__responses", filter=Q(versions__attempt_items__attempt__user=user))
    by_exposure = list(usable.annotate(answered=answered).order_by("answered").values_list("answered", "pk"))
    chosen = [pk for _, pk in sorted(by_exposure, key=lambda row: (row[0], secrets.randbits(32)))[:DRILL_LENGTH]]
    secrets.SystemRandom().shuffle(chosen)
    return _current_versions(chosen)


def _current_versions(item_ids: Iterable[int]) -> list[ItemVersion]:
    """The versions to ask, in the order of the items."""
    wanted = list(item_ids)
    items = Item.objects.select_related("current").in_bulk(wanted)
    return [version for pk in wanted if (version := items[pk].current) is not None]


def record_response(attempt: Attempt, attempt_item: AttemptItem, given: Sequence[int], sequence: int = 1) -> Recorded:
    """Save an answer by the numbers shown (see Presented.answer). Committed when this returns.

    Sent again, the same (question, sequence) is the same answer: the first one counts and is returned.
    Raises NoSuchAnswer when it is none, AttemptClosed when it comes too late.
    """
    shown = present(attempt, attempt_item)
    answer = shown.answer(given)
    if not 1 <= sequence <= BEHAVIOURS[attempt.behaviour].answers_per_item:
        raise NoSuchAnswer("This question takes no further answer.")
    saved = _saved(attempt_item, sequence)
    if saved is not None:
        return Recorded(saved, is_new=False)
    if attempt.is_finished:
        raise AttemptClosed
    chosen = next((part.pk for part in shown.parts if [part.position] == answer), None)
    try:
        with transaction.atomic(durable=True):
            response = Response.objects.create(
                attempt_item=attempt_item,
                sequence=sequence,
                answer=answer,
                option_id=chosen if attempt_item.version.kind in {Kind.SINGLE, Kind.COMPUTED} else None,
                score=score_response(answer, _right_answer_now(attempt_item)),
            )
            _finish_if_complete(attempt)
    except IntegrityError:  # the same submission arrived twice at once
        saved = _saved(attempt_item, sequence)
        if saved is None:
            raise
        return Recorded(saved, is_new=False)
    return Recorded(response, is_new=True)


def _right_answer_now(attempt_item: AttemptItem) -> list[int]:
    """By the key in force. The lock makes a key fix wait for this answer, or this answer see the fix."""
    AttemptItem.objects.select_for_update().get(pk=attempt_item.pk)
    return right_now(attempt_item.version_id)


def _saved(attempt_item: AttemptItem, sequence: int) -> Response | None:
    found: Response | None = (
        Response.objects.select_related("option").filter(attempt_item=attempt_item, sequence=sequence).first()
    )
    return found


def _finish_if_complete(attempt: Attempt) -> None:
    """Finish when no question is open; two last answers at once may both come here, one of them finishes it."""
    if not attempt.attempt_items.filter(responses=None).exists():
        finish_attempt(attempt)


def finish_attempt(attempt: Attempt) -> None:
    """Close the attempt; questions left open stay unanswered."""
    now = timezone.now()
    if Attempt.objects.filter(pk=attempt.pk, finished_at=None).update(finished_at=now):
        attempt.finished_at = now


def marks(attempt_items: Sequence[AttemptItem]) -> list[float | None]:
    """The score of each question; None where it is open. Expects responses to be prefetched."""
    found: list[float | None] = []
    for attempt_item in attempt_items:
        given = list(attempt_item.responses.all())
        found.append(given[-1].score if given else None)
    return found
