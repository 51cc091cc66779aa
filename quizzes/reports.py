"""Reports for instructors: one report object feeds the page and the CSV."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from quizzes.item_analysis import Facility, facility_of
from quizzes.models import CheckResult, Cohort, Lab, LabRun, Objective, Response
from quizzes.models.labs import Verdict


@dataclass(frozen=True)
class Cell:
    """A learner's answers to one objective; `facility` is None before the first."""

    attempts: int
    facility: Facility | None

    @property
    def n(self) -> int:
        return self.facility.n if self.facility else 0

    @property
    def percentage(self) -> int | None:
        return self.facility.percentage if self.facility else None

    @property
    def shade(self) -> str:
        """The percentage rounded down to tens, by which the page tints the cell; "" before the first answer."""
        return "" if self.percentage is None else str(self.percentage // 10 * 10)


@dataclass(frozen=True)
class LabCell:
    """A learner's latest run of a lab: a word for its state, and the percentage of the checks that passed last."""

    state: str
    percentage: int | None


@dataclass(frozen=True)
class LearnerRow:
    """One line of the report."""

    username: str
    cells: tuple[Cell, ...]
    labs: tuple[LabCell, ...]


@dataclass(frozen=True)
class CohortProgress:
    """Learners by objectives and labs. `totals` are over all learners of the cohort."""

    objectives: tuple[Objective, ...]
    labs: tuple[Lab, ...]
    rows: tuple[LearnerRow, ...]
    totals: tuple[Cell, ...]

    def header(self) -> list[str]:
        """Column titles of the CSV: three for each objective, two for each lab."""
        columns = ["learner"]
        for objective in self.objectives:
            columns += [f"{objective.slug} attempts", f"{objective.slug} answers", f"{objective.slug} facility_percent"]
        for lab in self.labs:
            columns += [f"{lab.slug} state", f"{lab.slug} score_percent"]
        return columns

    def table(self) -> list[list[Any]]:
        """The rows under `header`, learners first, then the line of totals. An empty cell is an empty string."""
        return [*(self._line(row) for row in self.rows), ["All learners", *_flat(self.totals), *[""] * (2 * len(self.labs))]]

    def _line(self, row: LearnerRow) -> list[Any]:
        labs = [value for lab in row.labs for value in (lab.state, _or_empty(lab.percentage))]
        return [row.username, *_flat(row.cells), *labs]


def _flat(cells: tuple[Cell, ...]) -> list[Any]:
    return [value for cell in cells for value in (cell.attempts, cell.n, _or_empty(cell.percentage))]


def _or_empty(value: int | None) -> int | str:
    return "" if value is None else value


def cohort_progress(cohort: Cohort) -> CohortProgress:
    """The whole report, in a fixed number of queries whatever the size of the cohort."""
    members = list(cohort.enrolments.select_related("user").values_list("user_id", "user__username").order_by("user__username"))
    objectives = tuple(Objective.objects.filter(items__retired=False).distinct())
    labs = tuple(Lab.objects.all())
    answers = _answers(cohort)
    runs = _latest_runs(cohort)
    rows = tuple(
        LearnerRow(
            username,
            tuple(_cell(answers.get((user_id, objective.pk))) for objective in objectives),
            tuple(runs.get((user_id, lab.pk), LabCell("not begun", None)) for lab in labs),
        )
        for user_id, username in members
    )
    totals = tuple(_sum([answers[key] for key in answers if key[1] == objective.pk]) for objective in objectives)
    return CohortProgress(objectives, labs, rows, totals)


@dataclass(frozen=True)
class _Answers:
    n: int
    right: int
    attempts: int


def _answers(cohort: Cohort) -> dict[tuple[int, int], _Answers]:
    """Counts by (user id, objective id) of the cohort's members."""
    rows = (
        Response.objects.filter(attempt_item__attempt__user__enrolments__cohort=cohort)
        .values("attempt_item__attempt__user", "attempt_item__version__item__objective")
        .annotate(
            n=Count("pk"),
            right=Count("pk", filter=Q(score__gte=1)),
            attempts=Count("attempt_item__attempt", distinct=True),
        )
        .order_by()
    )
    return {
        (row["attempt_item__attempt__user"], row["attempt_item__version__item__objective"]): _Answers(
            row["n"], row["right"], row["attempts"]
        )
        for row in rows
    }


def _cell(answers: _Answers | None) -> Cell:
    return Cell(0, None) if answers is None else Cell(answers.attempts, facility_of(answers.right, answers.n))


def _sum(parts: list[_Answers]) -> Cell:
    total = sum(part.n for part in parts)
    return Cell(sum(part.attempts for part in parts), facility_of(sum(part.right for part in parts), total))


def _latest_runs(cohort: Cohort) -> dict[tuple[int, int], LabCell]:
    """By (user id, lab id): passed once is passed for good; otherwise the latest run says where the learner is."""
    runs = list(LabRun.objects.filter(user__enrolments__cohort=cohort).order_by("pk"))
    scores = _scores([run.pk for run in runs])
    cells: dict[tuple[int, int], LabCell] = {}
    for run in runs:
        key = (run.user_id, run.lab_id)
        if cells.get(key, LabCell("", None)).state == "passed" and run.passed_at is None:
            continue
        cells[key] = LabCell("passed" if run.passed_at else _word(run), scores.get(run.pk))
    return cells


def _word(run: LabRun) -> str:
    if run.solved_for_learner:
        return "solution shown"
    return {"setting-up": "begun", "started": "begun", "setup-failed": "begun", "ended": "ended"}.get(run.state, run.state)


def _scores(run_ids: list[int]) -> dict[int, int]:
    """Percentage of the last round of checks by run id."""
    scores: dict[int, int] = {}
    rounds: dict[int, int] = {}
    for run_id, number, verdict, weight in (
        CheckResult.objects.filter(run_id__in=run_ids)
        .order_by("run_id", "round")
        .values_list("run_id", "round", "verdict", "weight")
    ):
        if rounds.get(run_id) != number:
            rounds[run_id], scores[run_id] = number, 0
        scores[run_id] += weight if verdict == Verdict.PASS else 0
    return scores
