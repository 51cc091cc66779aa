"""Who changes when the key is corrected; nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet, Sum

from quizzes.key_fixes.corrections import corrected_versions, fixable_version, right_for
from quizzes.models import AttemptItem, Cohort, Item, Response
from quizzes.scoring import score_response

SAMPLE = 50
"""Attempts that the page shows."""


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
    waiting: int
    """Open attempts in which the question is not answered yet: it stays as it is there, and is marked by the right key."""
    cohorts: tuple[tuple[str, str, int], ...]
    """(cohort, its instructor, members whose score changes)."""
    sample: tuple[AttemptChange, ...]


def preview(item: Item, right: Sequence[int]) -> Preview:
    """Count whose scores change when this becomes the right answer to the item's current version."""
    current = fixable_version(item)
    versions = corrected_versions(current)
    wanted = {version.pk: right_for(version, current, right) for version in versions}
    given = Response.objects.filter(attempt_item__version__in=versions)
    is_right = Q(pk__in=())
    for version_id, answer in wanted.items():
        is_right |= Q(attempt_item__version=version_id, answer=answer)
    better, worse = Q(is_right, score__lt=1), Q(score__gte=1) & ~is_right
    changed = given.filter(better | worse)
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
        better=given.filter(better).count(),
        worse=given.filter(worse).count(),
        waiting=AttemptItem.objects.filter(version__in=versions, attempt__finished_at=None, responses=None).count(),
        cohorts=_cohorts(changed),
        sample=_sample(changed, wanted),
        **counts,
    )


def _cohorts(changed: QuerySet[Response]) -> tuple[tuple[str, str, int], ...]:
    people = changed.order_by().values("attempt_item__attempt__user")
    found = Cohort.objects.filter(enrolments__user__in=people).select_related("instructor")
    members = found.annotate(members=Count("enrolments", distinct=True, filter=Q(enrolments__user__in=people)))
    return tuple((cohort.name, cohort.instructor.get_username(), cohort.members) for cohort in members)


def _sample(changed: QuerySet[Response], wanted: Mapping[int, Sequence[int]]) -> tuple[AttemptChange, ...]:
    """The attempts that change, the newest first, as many as a page shows. `wanted`: right answers by version id."""
    related = changed.select_related("attempt_item__attempt__user").order_by("-attempt_item__attempt", "pk")
    rows = {row.attempt_item.attempt_id: row for row in related[:SAMPLE]}
    points = Response.objects.filter(attempt_item__attempt__in=rows).order_by()
    totals = dict(points.values_list("attempt_item__attempt").annotate(points=Sum("score")))
    asked = AttemptItem.objects.filter(attempt__in=rows).order_by()
    counts = dict(asked.values_list("attempt").annotate(n=Count("pk")))
    found = []
    for attempt_id, row in rows.items():
        attempt, old = row.attempt_item.attempt, float(totals[attempt_id])
        new = old - row.score + score_response(row.answer, wanted[row.attempt_item.version_id])
        found.append(
            AttemptChange(
                attempt_id, attempt.user.get_username(), attempt.title, attempt.is_finished, old, new, counts[attempt_id]
            )
        )
    return tuple(found)
