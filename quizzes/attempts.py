"""The writes of an attempt: start it, record an answer, finish it."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from quizzes.behaviours import BEHAVIOURS
from quizzes.models import Attempt, AttemptItem, Exam, Form, Item, ItemVersion, Objective, Option, Response
from quizzes.option_order import shuffled
from sandbox.public import Person

DRILL_LENGTH = 10


class NoItems(Exception):
    """There is nothing to ask: no usable item for what was chosen."""


class AttemptClosed(Exception):
    """The attempt is finished and takes no more answers."""


class NoSuchOption(Exception):
    """The submitted number is that of no option of the question."""


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
            AttemptItem.objects.create(attempt=attempt, position=position, version=version)
    return attempt


def _title(exam: Exam | None, objective: Objective | None, form: Form | None) -> str:
    named = [str(part) for part in (exam, objective, form) if part is not None]
    return ": ".join(named) or "Mixed drill"


def _versions_for(user: Person, *, exam: Exam | None, objective: Objective | None, form: Form | None) -> list[ItemVersion]:
    """A form's items in its order; else the items that this learner has answered least often, at most DRILL_LENGTH."""
    usable = Item.objects.usable(timezone.now().date())
    if form is not None:
        return _current_versions(
            usable.filter(form_items__form=form).order_by("form_items__position").values_list("pk", flat=True)
        )
    if objective is not None:
        usable = usable.filter(objective=objective)
    elif exam is not None:
        blueprint = exam.blueprints.first()
        usable = usable.filter(objective__lines__blueprint=blueprint)
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


def options_shown(attempt: Attempt, attempt_item: AttemptItem) -> list[Option]:
    """The options of a question in the order of this attempt."""
    return shuffled(list(attempt_item.version.options.all()), attempt.seed, attempt_item.position)


def record_response(attempt: Attempt, attempt_item: AttemptItem, *, number: int, sequence: int = 1) -> Recorded:
    """Save the answer `number` (1 is the first option shown). Committed when this returns.

    Sent again, the same (question, sequence) is the same answer: the first one counts and is returned.
    """
    shown = options_shown(attempt, attempt_item)
    if not 1 <= number <= len(shown):
        raise NoSuchOption
    if not 1 <= sequence <= BEHAVIOURS[attempt.behaviour].answers_per_item:
        raise NoSuchOption
    saved = _saved(attempt_item, sequence)
    if saved is not None:
        return Recorded(saved, is_new=False)
    if attempt.is_finished:
        raise AttemptClosed
    try:
        with transaction.atomic(durable=True):
            response = Response.objects.create(attempt_item=attempt_item, sequence=sequence, option=shown[number - 1])
            _finish_if_complete(attempt)
    except IntegrityError:  # the same submission arrived twice at once
        saved = _saved(attempt_item, sequence)
        if saved is None:
            raise
        return Recorded(saved, is_new=False)
    return Recorded(response, is_new=True)


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


def answers(attempt_items: Sequence[AttemptItem]) -> list[bool | None]:
    """For each question whether the key was chosen; None where it is open. Expects responses to be prefetched."""
    marks: list[bool | None] = []
    for attempt_item in attempt_items:
        given = list(attempt_item.responses.all())
        marks.append(given[-1].option.is_key if given else None)
    return marks
