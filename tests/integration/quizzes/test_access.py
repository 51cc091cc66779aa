"""Who may open what: the learner, another learner, her instructor, another instructor, a visitor who is not signed in."""

import pytest
from django.test import Client
from django.urls import reverse

from quizzes.cohorts import create_cohort, join_cohort
from quizzes.models import Attempt, Cohort, Enrolment, Lab, LabRun, Option, ProofRun, Response
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn, make_form, sat

pytestmark = pytest.mark.django_db


@pytest.fixture
def other_instructor(db: None) -> User:
    return User.objects.create_user("other_instructor", password="a password for tests", role="instructor")


@pytest.fixture
def cohort(learner: User, instructor: User) -> Cohort:
    led = create_cohort(instructor, "Autumn")
    join_cohort(learner, led.join_code)
    return led


@pytest.fixture
def attempt(learner: User) -> Attempt:
    return sat(learner, make_form(), "+-+")


@pytest.fixture
def lab_run(learner: User, content: None) -> LabRun:
    return LabRun.objects.create(lab=Lab.objects.get(), user=learner, state=LabRun.State.STARTED)


@pytest.fixture
def proof_run(learner: User, attempt: Attempt) -> ProofRun:
    return ProofRun.objects.create(user=learner, option=Option.objects.all()[0], state=ProofRun.State.DONE, confirmed=True)


@pytest.fixture
def people(learner: User, stranger: User, instructor: User, other_instructor: User, sign_in: SignIn) -> dict[str, Client]:
    browsers = {user.username: sign_in(user) for user in (learner, stranger, instructor, other_instructor)}
    return {**browsers, "visitor": Client()}


Matrix = dict[str, int]


def statuses(people: dict[str, Client], url: str, method: str = "get") -> Matrix:
    return {name: getattr(client, method)(url).status_code for name, client in people.items()}


OWNER_ONLY = {"learner": 200, "stranger": 404, "instructor": 404, "other_instructor": 404, "visitor": 302}


def test_an_attempt_is_for_its_learner(people: dict[str, Client], attempt: Attempt, cohort: Cohort) -> None:
    url = reverse("attempt", args=[attempt.pk]) + "?q=1"
    assert statuses(people, url) == OWNER_ONLY


def test_only_its_learner_answers_and_finishes_it(people: dict[str, Client], learner: User, cohort: Cohort) -> None:
    open_attempt = sat(learner, make_form(slug="open"), "+..")
    for name in ("stranger", "instructor", "other_instructor"):
        answered = people[name].post(reverse("answer", args=[open_attempt.pk, 2]), {"option": 1, "sequence": 1})
        finished = people[name].post(reverse("finish_attempt", args=[open_attempt.pk]))
        assert (answered.status_code, finished.status_code) == (404, 404)
    open_attempt.refresh_from_db()
    assert open_attempt.finished_at is None
    assert Response.objects.filter(attempt_item__attempt=open_attempt).count() == 1


def test_a_result_is_for_the_learner_and_the_instructor_of_her_cohort(
    people: dict[str, Client], attempt: Attempt, cohort: Cohort
) -> None:
    found = statuses(people, reverse("attempt_result", args=[attempt.pk]))
    assert found == {"learner": 200, "stranger": 404, "instructor": 200, "other_instructor": 404, "visitor": 302}


def test_an_instructor_who_no_longer_leads_the_learner_reads_nothing(
    people: dict[str, Client], attempt: Attempt, cohort: Cohort
) -> None:
    Enrolment.objects.all().delete()
    assert people["instructor"].get(reverse("attempt_result", args=[attempt.pk])).status_code == 404


def test_an_open_drill_shows_the_instructor_nothing_of_the_questions(
    people: dict[str, Client], learner: User, cohort: Cohort
) -> None:
    open_attempt = sat(learner, make_form(slug="open"), "...")
    text = people["instructor"].get(reverse("attempt_result", args=[open_attempt.pk])).content.decode()
    assert "still open" in text
    assert "Case" not in text


def test_a_lab_run_is_for_its_learner(people: dict[str, Client], lab_run: LabRun, cohort: Cohort) -> None:
    for name in ("lab_check", "lab_solve", "lab_end"):
        found = statuses(people, reverse(name, args=[lab_run.pk]), "post")
        assert {person: found[person] for person in ("stranger", "instructor", "other_instructor")} == {
            "stranger": 404,
            "instructor": 404,
            "other_instructor": 404,
        }, name
        assert found["visitor"] == 302
        assert found["learner"] == 302  # back to the lab


def test_a_proof_run_is_for_its_learner(people: dict[str, Client], proof_run: ProofRun, cohort: Cohort) -> None:
    assert statuses(people, reverse("proof_run", args=[proof_run.pk])) == OWNER_ONLY


def test_a_proof_is_replayed_only_by_who_has_answered(people: dict[str, Client], attempt: Attempt, content: None) -> None:
    option = Option.objects.exclude(proof={})[0]
    assert people["stranger"].post(reverse("prove", args=["options", option.pk])).status_code == 404


@pytest.mark.parametrize("name", ["cohort_progress", "cohort_progress_csv"])
def test_a_cohort_is_for_its_instructor(people: dict[str, Client], cohort: Cohort, name: str) -> None:
    found = statuses(people, reverse(name, args=[cohort.pk]))
    assert found == {"learner": 403, "stranger": 403, "instructor": 200, "other_instructor": 404, "visitor": 302}


@pytest.mark.parametrize("name", ["attempt", "attempt_result", "item", "proof_run", "cohort_progress"])
def test_what_is_not_there_answers_like_what_is_somebody_elses(people: dict[str, Client], name: str) -> None:
    assert people["instructor"].get(reverse(name, args=[987_654])).status_code == 404


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("home", []),
        ("study", []),
        ("labs", []),
        ("teach", []),
        ("join", []),
        ("author_bank", []),
        ("exam", ["ml-associate"]),
        ("lab_run", ["x"]),
    ],
)
def test_a_visitor_is_asked_to_sign_in(name: str, arguments: list[str]) -> None:
    answer = Client().get(reverse(name, args=arguments))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/?next=")


def test_roles_decide_about_teach_and_author(people: dict[str, Client], learner: User, sign_in: SignIn) -> None:
    author = sign_in(User.objects.create_user("author", password="a password for tests", role="author"))
    assert statuses({**people, "author": author}, reverse("teach")) == {
        "learner": 403, "stranger": 403, "instructor": 200, "other_instructor": 200, "visitor": 302, "author": 403,
    }  # fmt: skip
    assert author.get(reverse("author_bank")).status_code == 200
    assert people["instructor"].get(reverse("author_bank")).status_code == 403


def test_changes_need_a_csrf_token(learner: User, attempt: Attempt) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(learner)
    assert strict.post(reverse("start_drill"), {"form": "form"}).status_code == 403
    assert strict.post(reverse("answer", args=[attempt.pk, 1]), {"option": 1, "sequence": 1}).status_code == 403


def test_a_link_alone_joins_nobody(people: dict[str, Client], stranger: User, cohort: Cohort) -> None:
    shown = people["stranger"].get(reverse("join_with", args=[cohort.join_code]))
    assert cohort.join_code in shown.content.decode()
    assert not Enrolment.objects.filter(user=stranger).exists()


def test_the_code_is_read_as_it_is_spoken(people: dict[str, Client], stranger: User, cohort: Cohort) -> None:
    spoken = f" {cohort.join_code[:4].lower()}-{cohort.join_code[4:]} "
    assert people["stranger"].post(reverse("join"), {"code": spoken}).status_code == 302
    assert people["stranger"].post(reverse("join"), {"code": spoken}).status_code == 302
    assert Enrolment.objects.filter(user=stranger, cohort=cohort).count() == 1


@pytest.mark.parametrize("code", ["", "AAAAAAAA", "short", "x" * 41, "<script>"])
def test_a_wrong_code_is_refused_with_help(people: dict[str, Client], code: str) -> None:
    answer = people["stranger"].post(reverse("join"), {"code": code})
    assert answer.status_code == 422
    assert not Enrolment.objects.exists()
