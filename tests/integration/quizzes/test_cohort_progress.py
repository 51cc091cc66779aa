"""The report of a cohort: right numbers, the CSV equals the screen, and a constant number of queries."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from quizzes.cohorts import create_cohort, join_cohort
from quizzes.models import CheckResult, Cohort, Lab, LabRun
from quizzes.models.labs import Verdict
from quizzes.reports import Cell, LabCell, cohort_progress
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn, make_form, sat

pytestmark = pytest.mark.django_db


class Cells(HTMLParser):
    """Rows of the table with id progress: the row's name and what each cell's data attributes say."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = self._in_name = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._inside = self._inside or given.get("id") == "progress"
        if not self._inside:
            return
        if tag == "th" and given.get("scope") == "row":
            self.rows.append([""])
            self._in_name = True
        elif "data-n" in given:
            self.rows[-1] += [given["data-attempts"], given["data-n"], given["data-facility"]]
        elif "data-state" in given:
            self.rows[-1] += [given["data-state"], given["data-score"]]

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._inside = False
        if tag == "th":
            self._in_name = False

    def handle_data(self, data: str) -> None:
        if self._in_name:
            self.rows[-1][0] += data.strip()


@pytest.fixture
def cohort(instructor: User, learner: User, stranger: User, content: None) -> Cohort:
    """Two members with answers and labs, one more without any, and somebody outside."""
    led = create_cohort(instructor, "Autumn")
    idle = User.objects.create_user("=idle", password="a password for tests")
    for member in (learner, stranger, idle):
        join_cohort(member, led.join_code)
    splits, updates = make_form((0, 1, 2), "splits", "split-traffic"), make_form((0, 1), "updates", "update-without-downtime")
    sat(learner, splits, "++-")
    sat(learner, splits, "+..")
    sat(learner, updates, "-.")
    sat(stranger, splits, "---")
    outsider = User.objects.create_user("outsider", password="a password for tests")
    sat(outsider, splits, "+++")
    run = LabRun.objects.create(lab=Lab.objects.get(), user=stranger, state=LabRun.State.STARTED)
    for number, verdict in ((1, Verdict.FAIL), (2, Verdict.PASS)):
        CheckResult.objects.create(
            run=run, round=number, check_name="endpoint_ready", weight=20, verdict=verdict, expected="", got=""
        )
        CheckResult.objects.create(
            run=run, round=number, check_name="two_versions", weight=25, verdict=Verdict.FAIL, expected="", got=""
        )
    return led


def cells_of(cohort: Cohort, username: str) -> dict[str, Cell]:
    report = cohort_progress(cohort)
    row = next(row for row in report.rows if row.username == username)
    return dict(zip([objective.slug for objective in report.objectives], row.cells, strict=True))


def numbers(cell: Cell) -> tuple[int, int, int | None]:
    return cell.attempts, cell.n, cell.percentage


def test_it_counts_attempts_answers_and_facility(cohort: Cohort) -> None:
    learner = cells_of(cohort, "learner")
    assert numbers(learner["split-traffic"]) == (2, 4, 75)
    assert numbers(learner["update-without-downtime"]) == (1, 1, 0)
    assert numbers(learner["query-custom-model"]) == (0, 0, None)
    assert numbers(cells_of(cohort, "stranger")["split-traffic"]) == (1, 3, 0)
    assert {numbers(cell) for cell in cells_of(cohort, "=idle").values()} == {(0, 0, None)}


def test_totals_are_over_the_members_only(cohort: Cohort) -> None:
    report = cohort_progress(cohort)
    slugs = [objective.slug for objective in report.objectives]
    assert numbers(report.totals[slugs.index("split-traffic")]) == (3, 7, 43)
    assert [row.username for row in report.rows] == ["=idle", "learner", "stranger"]


def test_the_lab_state_is_that_of_the_last_round(cohort: Cohort, stranger: User) -> None:
    states = {row.username: row.labs for row in cohort_progress(cohort).rows}
    assert states == {
        "=idle": (LabCell("not begun", None),),
        "learner": (LabCell("not begun", None),),
        "stranger": (LabCell("begun", 20),),
    }


def test_a_lab_once_passed_stays_passed(cohort: Cohort, stranger: User) -> None:
    from django.utils import timezone

    LabRun.objects.filter(user=stranger).update(state=LabRun.State.PASSED, passed_at=timezone.now())
    LabRun.objects.create(lab=Lab.objects.get(), user=stranger, state=LabRun.State.STARTED)
    states = {row.username: row.labs[0].state for row in cohort_progress(cohort).rows}
    assert states["stranger"] == "passed"


def test_the_csv_equals_the_screen(cohort: Cohort, instructor: User, sign_in: SignIn) -> None:
    client = sign_in(instructor)
    screen = Cells()
    screen.feed(client.get(reverse("cohort_progress", args=[cohort.pk])).content.decode())
    lines = csv_lines(client, cohort)
    assert len(screen.rows) == 4
    assert [[name.removeprefix("'"), *rest] for name, *rest in lines[1:]] == screen.rows
    header = lines[0]
    column = header.index("split-traffic facility_percent")
    learner = next(line for line in lines[1:] if line[0] == "learner")
    assert learner[column - 2 : column + 1] == ["2", "4", "75"]


def csv_lines(client: Client, cohort: Cohort) -> list[list[str]]:
    answer = client.get(reverse("cohort_progress_csv", args=[cohort.pk]))
    assert answer["Content-Type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(answer.content.decode())))


def test_a_name_that_is_a_formula_is_defused(cohort: Cohort, instructor: User, sign_in: SignIn) -> None:
    assert "'=idle" in [line[0] for line in csv_lines(sign_in(instructor), cohort)]


def test_a_cell_is_tinted_by_its_facility(cohort: Cohort, instructor: User, sign_in: SignIn) -> None:
    text = sign_in(instructor).get(reverse("cohort_progress", args=[cohort.pk])).content.decode()
    tinted = re.findall(r'<td class="heat heat-(\d+)"><span[^>]*data-facility="(\d+)"', text)
    assert [int(shade) for shade, _ in tinted] == [int(facility) // 10 * 10 for _, facility in tinted]
    assert ("70", "75") in tinted
    assert '<td><span class="cell-facility text-secondary" data-attempts="0"' in text


def test_n_stands_beside_each_facility(cohort: Cohort, instructor: User, sign_in: SignIn) -> None:
    text = sign_in(instructor).get(reverse("cohort_progress", args=[cohort.pk])).content.decode()
    assert "<strong>75 %</strong>" in text
    assert "n = 4, 2 attempts" in text


def test_more_members_need_no_more_queries(cohort: Cohort, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(6):
        cohort_progress(cohort)
    form = make_form((0,), "more")
    for number in range(12):
        member = User.objects.create_user(f"member-{number}", password=None)
        join_cohort(member, cohort.join_code)
        sat(member, form, "+")
    with django_assert_num_queries(6):
        cohort_progress(cohort)


def test_a_new_cohort_has_a_code_and_an_empty_page(instructor: User, sign_in: SignIn) -> None:
    client = sign_in(instructor)
    made = client.post(reverse("teach"), {"name": "Winter"})
    cohort = Cohort.objects.get(name="Winter")
    assert made["Location"] == reverse("cohort_progress", args=[cohort.pk])
    assert len(cohort.join_code) == 8
    assert "Nobody has joined yet" in client.get(made["Location"]).content.decode()
    assert client.post(reverse("teach"), {"name": " "}).status_code == 422
