"""Sitting a drill: feedback at once, one answer a question, nothing given away before it."""

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from quizzes.attempts import record_response, start_attempt
from quizzes.models import Attempt, AttemptItem, Option, Response
from quizzes.models.immutable import ImmutableRowError
from quizzes.presented import present
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn, answer, make_form, sat

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def page(client: Client, attempt: Attempt, position: int | None = None) -> str:
    asked = client.get(reverse("attempt", args=[attempt.pk]), {"q": position} if position else {})
    assert asked.status_code == 200
    return asked.content.decode()


def post(
    client: Client, attempt: Attempt, position: int, option: object, *, htmx: bool = True, sequence: int = 1
) -> tuple[int, str]:
    url = reverse("answer", args=[attempt.pk, position])
    headers = HTMX if htmx else {}
    data = {"sequence": str(sequence), **({} if option is None else {"option": str(option)})}
    sent = client.post(url, data, headers=headers)
    return sent.status_code, sent.content.decode()


def key_number(attempt: Attempt, position: int) -> int:
    shown = present(attempt, attempt.attempt_items.get(position=position)).parts
    return next(number for number, option in enumerate(shown, 1) if option.is_key)


def test_it_works(learner: User, sign_in: SignIn) -> None:
    client = sign_in(learner)
    make_form()
    started = client.post(reverse("start_drill"), {"form": "form"})
    attempt = Attempt.objects.get()
    assert started["Location"] == reverse("attempt", args=[attempt.pk])
    assert "Case 1?" in page(client, attempt)
    for position in (1, 2, 3):
        right = position != 2
        number = key_number(attempt, position) if right else key_number(attempt, position) % 4 + 1
        status, text = post(client, attempt, position, number)
        assert status == 200
        assert ("Right" if right else "Not right") in text
        assert text.count("Because of") == 4
        assert "Saved at" in text
    result = client.get(reverse("attempt_result", args=[attempt.pk])).content.decode()
    assert "2 of 3 answered" in result
    assert "67 %" in result
    assert client.get(reverse("attempt", args=[attempt.pk]))["Location"] == reverse("attempt_result", args=[attempt.pk])


def test_the_page_does_without_javascript(learner: User, sign_in: SignIn) -> None:
    attempt = start_attempt(learner, form=make_form())
    client = sign_in(learner)
    url = reverse("answer", args=[attempt.pk, 1])
    sent = client.post(url, {"option": 1, "sequence": 1})
    assert (sent.status_code, sent["Location"]) == (302, f"{reverse('attempt', args=[attempt.pk])}?q=1")
    shown = page(client, attempt, 1)
    assert "<html" in shown
    assert "Your answer" in shown


def test_an_answer_sent_twice_is_one_answer_and_the_first_counts(learner: User, sign_in: SignIn) -> None:
    attempt = start_attempt(learner, form=make_form())
    client = sign_in(learner)
    key = key_number(attempt, 1)
    first = post(client, attempt, 1, key)
    again = post(client, attempt, 1, key % 4 + 1)
    assert (again[0], without_tokens(again[1])) == (first[0], without_tokens(first[1]))
    response: Response = Response.objects.get()
    assert response.option is not None
    assert (response.option.is_key, response.score) == (True, 1.0)


def test_two_submissions_at_once_make_one_row(learner: User) -> None:
    attempt = start_attempt(learner, form=make_form())
    question = attempt.attempt_items.get(position=1)
    first = record_response(attempt, question, [1])
    second = record_response(attempt, AttemptItem.objects.get(pk=question.pk), [2])
    assert (first.is_new, second.is_new) == (True, False)
    assert first.response.pk == second.response.pk


def test_answers_are_append_only(learner: User) -> None:
    attempt = sat(learner, make_form(), "+..")
    saved: Response = Response.objects.get(attempt_item__attempt=attempt)
    with pytest.raises(ImmutableRowError):
        saved.save()
    with pytest.raises(ImmutableRowError):
        Response.objects.filter(pk=saved.pk).update(option_id=1)


def test_answers_are_written_through_to_the_disk() -> None:
    """An acknowledged answer outlives a crash: SQLite syncs at each commit, in a journal mode that is safe."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL syncs at each commit by default")
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)


@pytest.mark.parametrize("option", [None, "", "0", "5", "x", "-1", "1 OR 1=1", "99999999999999999999"])
def test_an_answer_that_is_none_is_asked_for_again(learner: User, sign_in: SignIn, option: str | None) -> None:
    attempt = start_attempt(learner, form=make_form())
    status, text = post(sign_in(learner), attempt, 1, option)
    assert status == 422
    assert 'role="alert"' in text
    assert "Because of" not in text
    assert Response.objects.count() == 0


@pytest.mark.parametrize("sequence", [0, 2, 50])
def test_a_drill_takes_one_answer_a_question(learner: User, sign_in: SignIn, sequence: int) -> None:
    attempt = start_attempt(learner, form=make_form())
    assert post(sign_in(learner), attempt, 1, 1, sequence=sequence)[0] == 422
    assert Response.objects.count() == 0


def test_a_finished_drill_takes_no_answer(learner: User, sign_in: SignIn) -> None:
    attempt = start_attempt(learner, form=make_form())
    client = sign_in(learner)
    client.post(reverse("finish_attempt", args=[attempt.pk]))
    sent = client.post(reverse("answer", args=[attempt.pk, 1]), {"option": 1, "sequence": 1})
    assert sent["Location"] == reverse("attempt_result", args=[attempt.pk])
    assert Response.objects.count() == 0


def test_a_drill_takes_at_most_ten_items_and_those_answered_least(learner: User, content: None) -> None:
    from quizzes.models import Exam

    exam = Exam.objects.get(slug="genai-engineer-associate")
    usable = list(exam.items.exclude(bank__startswith="genai").values_list("pk", flat=True)[:11])
    exam.items.exclude(pk__in=usable).update(retired=True)
    first = start_attempt(learner, exam=exam)
    keys = {question.version.item.key for question in first.attempt_items.all()}
    assert len(keys) == 10
    for question in first.attempt_items.all():
        answer(first, question.position, rightly=True)
    second = start_attempt(learner, exam=exam)
    fresh = {question.version.item.key for question in second.attempt_items.all()} - keys
    assert len(fresh) == len(usable) - 10


# --- nothing is given away ------------------------------------------------------------------------

VOLATILE = re.compile(
    r"csrfmiddlewaretoken\" value=\"[^\"]+\"|X-CSRFToken\": \"[^\"]+\"|X-CSRFToken&quot;: &quot;[^&]+&quot;|X-CSRFToken[^}]+"
)


def without_tokens(text: str) -> str:
    return VOLATILE.sub("", text)


def everything_shown(client: Client, attempt: Attempt) -> dict[str, str]:
    """Every response about an open question: page, fragment, wrong submissions, item page."""
    url = reverse("attempt", args=[attempt.pk])
    item = attempt.attempt_items.get(position=1).version.item
    return {
        "page": page(client, attempt),
        "fragment": client.get(url, {"q": 1}, headers=HTMX).content.decode(),
        "no option": post(client, attempt, 1, None)[1],
        "wrong option": post(client, attempt, 1, 9, htmx=False)[1],
        "item": client.get(reverse("item", args=[item.pk])).content.decode(),
        "home": client.get("/").content.decode(),
        "result": client.get(reverse("attempt_result", args=[attempt.pk]), follow=True).content.decode(),
    }


def test_an_open_question_gives_nothing_of_its_key_away(learner: User, sign_in: SignIn) -> None:
    attempt = start_attempt(learner, form=make_form())
    for where, text in everything_shown(sign_in(learner), attempt).items():
        plain = html.unescape(text)
        for option in Option.objects.all():
            assert option.rationale not in plain, where
        for word in ("is_key", "option-key", "Right answer", 'class="rationale"', "Belief", "One.", "docs.databricks", "/prove/"):
            assert word not in plain, (where, word)
        if where in {"page", "fragment"}:
            assert re.findall(r'name="option" value="(\w+)"', plain) == ["1", "2", "3", "4"]


def test_the_page_is_the_same_wherever_the_key_is(learner: User, sign_in: SignIn) -> None:
    """Two attempts with the same seed on items that differ only in which option is the key: byte for byte the same."""
    shown = []
    for place in (0, 3):
        form = make_form((place,), slug=f"key-at-{place}")
        attempt = start_attempt(learner, form=form)
        Attempt.objects.filter(pk=attempt.pk).update(seed=4711, title="The same")
        attempt.refresh_from_db()
        texts = everything_shown(sign_in(learner), attempt)
        shown.append({where: without_ids(text, attempt) for where, text in texts.items() if where != "home"})
    assert shown[0] == shown[1]


def without_ids(text: str, attempt: Attempt) -> str:
    item_id = attempt.attempt_items.get().version.item_id
    return re.sub(rf"/(attempts|items)/({attempt.pk}|{item_id})/", r"/\1/N/", without_tokens(text))


def test_the_author_order_of_options_does_not_show(learner: User) -> None:
    form = make_form((0,))
    places = set()
    for _ in range(40):
        attempt = start_attempt(learner, form=form)
        places.add(key_number(attempt, 1))
    assert places == {1, 2, 3, 4}


def test_the_item_page_opens_with_the_answer(learner: User, sign_in: SignIn) -> None:
    attempt = start_attempt(learner, form=make_form())
    client = sign_in(learner)
    item_url = reverse("item", args=[attempt.attempt_items.get(position=1).version.item_id])
    assert "Because of" not in client.get(item_url).content.decode()
    answer(attempt, 1, rightly=True)
    text = client.get(item_url).content.decode()
    assert text.count("Because of") == 4
    assert "databricks-sdk 0.156.0" in text
    assert "docs.databricks.com/aws/en/machine-learning/" in text
