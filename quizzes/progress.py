"""What one learner has done: read-only queries for her pages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from django.db.models import Count, Q, QuerySet

from quizzes.item_analysis import Facility, facility_of
from quizzes.labs.runs import latest_results, score_percentage
from quizzes.models import Attempt, Exam, ItemVersion, Lab, LabRun, Objective, Response
from quizzes.scoring import ARRANGED
from sandbox.public import Person


@dataclass(frozen=True)
class ObjectiveProgress:
    """An objective and how the learner's answers to it went; `facility` is None before the first."""

    objective: Objective
    domain: str
    domain_percentage: int
    items: int
    facility: Facility | None


class AttemptCounts(TypedDict):
    """What `_counted` adds to an attempt."""

    questions: int
    answered: int
    right: int


if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    CountedAttempt = WithAnnotations[Attempt, AttemptCounts]


@dataclass(frozen=True)
class LabProgress:
    """A lab and the learner's latest run of it; None when she has none."""

    lab: Lab
    run: LabRun | None
    percentage: int


def facility_by_objective(user: Person) -> dict[int, Facility]:
    """Facility of the learner's answers by objective id, over all attempts."""
    rows = (
        Response.objects.filter(attempt_item__attempt__user=user)
        .values("attempt_item__version__item__objective")
        .annotate(n=Count("pk"), right=Count("pk", filter=Q(score__gte=1)))
        .order_by()
    )
    found = {row["attempt_item__version__item__objective"]: facility_of(row["right"], row["n"]) for row in rows}
    return {objective: value for objective, value in found.items() if value is not None}


def exam_progress(user: Person, exam: Exam) -> list[ObjectiveProgress]:
    """The objectives of the exam's newest blueprint with the learner's facility."""
    blueprint = exam.blueprints.first()
    if blueprint is None:
        return []
    usable = Count("objective__items", filter=Q(objective__items__retired=False, objective__items__exam=exam), distinct=True)
    lines = blueprint.lines.select_related("objective").annotate(items=usable)
    facilities = facility_by_objective(user)
    return [
        ObjectiveProgress(line.objective, line.domain, line.domain_percentage, line.items, facilities.get(line.objective_id))
        for line in lines
    ]


def weakest_objective(user: Person) -> ObjectiveProgress | None:
    """Where the learner stands lowest among the objectives that she has answered; None before the first answer."""
    facilities = facility_by_objective(user)
    if not facilities:
        return None
    lowest = min(facilities, key=lambda objective: (facilities[objective].value, -facilities[objective].n))
    objective = Objective.objects.get(pk=lowest)
    return ObjectiveProgress(objective, "", 0, objective.items.filter(retired=False).count(), facilities[lowest])


def open_attempts(user: Person) -> "QuerySet[CountedAttempt]":
    """Attempts with questions left, the newest first, with the number of answers."""
    return _counted(Attempt.objects.filter(user=user, finished_at=None))


def recent_attempts(user: Person) -> "QuerySet[CountedAttempt]":
    """Finished attempts, the newest first, with numbers of questions, answers and right answers."""
    return _counted(Attempt.objects.filter(user=user).exclude(finished_at=None))


def _counted(attempts: QuerySet[Attempt]) -> "QuerySet[CountedAttempt]":
    return attempts.annotate(
        questions=Count("attempt_items", distinct=True),
        answered=Count("attempt_items__responses", distinct=True),
        right=Count("attempt_items__responses", filter=Q(attempt_items__responses__score__gte=1), distinct=True),
    )


def lab_progress(user: Person) -> list[LabProgress]:
    """Every lab with the learner's latest run."""
    return [_progress_of(user, lab) for lab in Lab.objects.all()]


def _progress_of(user: Person, lab: Lab) -> LabProgress:
    run = LabRun.objects.filter(user=user, lab=lab).first()
    return LabProgress(lab, run, score_percentage(latest_results(run)) if run else 0)


def has_answered(user: Person, item_id: int) -> bool:
    """Whether the learner has answered the item, in any version."""
    return Response.objects.filter(attempt_item__attempt__user=user, attempt_item__version__item_id=item_id).exists()


def chosen_positions(user: Person, version: ItemVersion) -> set[int]:
    """Authoring positions of the options of this version that the learner has chosen so far; empty for what is arranged."""
    if version.kind in ARRANGED:
        return set()
    of_version = Q(attempt_item__version=version) | Q(attempt_item__version__corrections__fix__to_version=version)
    given = Response.objects.filter(of_version, attempt_item__attempt__user=user)
    return {position for answer in given.values_list("answer", flat=True) for position in answer}
