"""Drills with items of every kind: what the page shows, how an answer is given, kept and scored, what is given away."""

import html
import re
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client
from django.urls import reverse

from quizzes.attempts import NoItems, record_response, start_attempt
from quizzes.models import Attempt, AttemptItem, Exam, Item, ItemVariant, Option, Response
from quizzes.presented import NoSuchAnswer, present
from quizzes.scoring import right_answer
from sandbox.models import User
from tests.integration.quizzes.conftest import SignIn
from tests.integration.quizzes.of_each_kind import COMPUTED, KINDS, make_form_of, make_item_of

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def attempt(learner: User) -> Attempt:
    """One question of each kind, in the order of KINDS."""
    return start_attempt(learner, form=make_form_of(*KINDS))


def at(attempt: Attempt, kind: str) -> AttemptItem:
    found: AttemptItem = attempt.attempt_items.get(position=KINDS.index(kind) + 1)
    return found


def fields(kind: str, numbers: list[int]) -> dict[str, Any]:
    """What the browser sends for these numbers."""
    if kind == "matching":
        return {f"match-{place}": str(number or "") for place, number in enumerate(numbers, 1)}
    return {"order" if kind == "ordering" else "option": [str(number) for number in numbers]}


def send(client: Client, attempt: Attempt, kind: str, numbers: list[int], **more: Any) -> tuple[int, str]:
    url = reverse("answer", args=[attempt.pk, KINDS.index(kind) + 1])
    answer = client.post(url, {"sequence": "1", **fields(kind, numbers), **more}, headers=HTMX)
    return answer.status_code, html.unescape(answer.content.decode())


def right_numbers(attempt: Attempt, kind: str) -> list[int]:
    shown = present(attempt, at(attempt, kind))
    return shown.numbers(right_answer(kind, shown.authored))


def wrong_numbers(attempt: Attempt, kind: str) -> list[int]:
    numbers = right_numbers(attempt, kind)
    if kind == "ordering":
        return [numbers[1], numbers[0], *numbers[2:]]
    count = len(present(attempt, at(attempt, kind)).parts)
    if kind == "matching":
        return [numbers[0] % 3 + 1, *numbers[1:]]
    return [*numbers[:-1], next(n for n in range(1, count + 1) if n not in numbers)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_right_answer_scores_and_explains_everything(attempt: Attempt, learner: User, sign_in: SignIn, kind: str) -> None:
    status, text = send(sign_in(learner), attempt, kind, right_numbers(attempt, kind))
    response: Response = Response.objects.get()
    assert (status, response.score) == (200, 1.0)
    assert "circle-check" in text
    assert "Not right" not in text
    assert text.count("Because of") == at(attempt, kind).version.options.exclude(rationale="").count()
    assert (response.option is not None) == (kind in {"single", "computed"})


@pytest.mark.parametrize("kind", KINDS)
def test_one_thing_wrong_is_no_point(attempt: Attempt, learner: User, sign_in: SignIn, kind: str) -> None:
    status, text = send(sign_in(learner), attempt, kind, wrong_numbers(attempt, kind))
    response: Response = Response.objects.get()
    assert (status, response.score) == (200, 0.0)
    assert "Not right" in text
    assert "Belief behind it" in text


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_and_positions_are_two_names_of_one_answer(attempt: Attempt, kind: str) -> None:
    shown = present(attempt, at(attempt, kind))
    for numbers in (right_numbers(attempt, kind), wrong_numbers(attempt, kind)):
        assert shown.answer(shown.numbers(shown.answer(numbers))) == shown.answer(numbers)


@pytest.mark.parametrize(
    ("kind", "numbers", "words"),
    [
        ("multiple", [1], "Select two: one is chosen. Your choice is kept."),
        ("multiple", [1, 2, 3], "Select two: 3 are chosen. Your choice is kept."),
        ("matching", [1, 0, 2], "Choose a match for each line: one is still open."),
        ("single", [], "Choose an option first."),
        ("single", [1, 2], "Choose one option."),
        ("ordering", [1, 2, 3], "Put all 4 steps in order."),
        ("ordering", [1, 2, 3, 3], "Choose among what is shown."),
        ("multiple", [1, 9], "Choose among what is shown."),
        ("matching", [1, 2], "Choose among what is shown."),
        ("matching", [1, 2, 9], "Choose among what is shown."),
    ],
)
def test_what_is_no_answer_is_said_and_kept(
    attempt: Attempt, learner: User, sign_in: SignIn, kind: str, numbers: list[int], words: str
) -> None:
    status, text = send(sign_in(learner), attempt, kind, numbers)
    assert (status, Response.objects.count()) == (422, 0)
    assert words in text
    assert "Because of" not in text
    if kind == "multiple":
        assert [int(n) for n in re.findall(r'value="(\d)" data-number="\d" checked', text)] == [n for n in numbers if n < 6]
    if kind == "matching" and len(numbers) == 3:
        chosen = [int(n) for n in re.findall(r'<option value="(\d)" selected>', text)]
        assert chosen == [n for n in numbers if 0 < n < 4]


def test_steps_are_moved_without_script_and_without_dragging(attempt: Attempt, learner: User, sign_in: SignIn) -> None:
    client = sign_in(learner)
    status, text = send(client, attempt, "ordering", [1, 2, 3, 4], move="up-3")
    assert status == 200
    order = [int(n) for n in re.findall(r'name="order" value="(\d)"', text)]
    assert order == [1, 3, 2, 4]
    _, text = send(client, attempt, "ordering", order, move="down-1")
    assert [int(n) for n in re.findall(r'name="order" value="(\d)"', text)] == [3, 1, 2, 4]
    _, text = send(client, attempt, "ordering", [3, 1, 2, 4], move="up-3")
    assert [int(n) for n in re.findall(r'name="order" value="(\d)"', text)] == [3, 1, 2, 4]  # it was at the top
    assert Response.objects.count() == 0
    _, text = send(client, attempt, "ordering", right_numbers(attempt, "ordering"))
    _, again = send(client, attempt, "ordering", [1, 2, 3, 4], move="up-2")
    assert "Saved at" in again  # an answered question is not moved about


def test_steps_never_stand_in_order_from_the_start(learner: User) -> None:
    form = make_form_of("ordering")
    for _ in range(60):
        opened = start_attempt(learner, form=form)
        shown = present(opened, opened.attempt_items.get())
        assert [part.position for part in shown.parts] != [1, 2, 3, 4]


def test_nothing_of_the_key_is_on_the_page_before_the_answer(attempt: Attempt, learner: User, sign_in: SignIn) -> None:
    client = sign_in(learner)
    for position in range(1, len(KINDS) + 1):
        url = reverse("attempt", args=[attempt.pk])
        for headers in ({}, HTMX):
            text = html.unescape(client.get(url, {"q": position}, headers=headers).content.decode())
            assert "Because of" not in text
            for word in ("is_key", "option-key", "Right answer", "misconception", "Belief", "One.", "/prove/", "fact."):
                assert word not in text, (position, word)


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_is_the_same_wherever_the_key_is(attempt: Attempt, learner: User, sign_in: SignIn, kind: str) -> None:
    """A change of what is right, and of nothing that is shown, changes no byte of the page."""
    client = sign_in(learner)
    url, position = reverse("attempt", args=[attempt.pk]), KINDS.index(kind) + 1
    before = client.get(url, {"q": position}, headers=HTMX).content
    changed = Option.objects.filter(version=at(attempt, kind).version)
    for option in changed:
        flipped = {"is_key": not option.is_key, "rationale": "Other.", "misconception": "two"}
        QuerySet.update(changed.filter(pk=option.pk), **flipped)  # the model itself refuses it
    assert without_tokens(client.get(url, {"q": position}, headers=HTMX).content) == without_tokens(before)


def without_tokens(page: bytes) -> str:
    return re.sub(r'csrfmiddlewaretoken" value="[^"]+"', "", page.decode())


def test_code_is_shown_with_its_caption_and_can_be_copied(attempt: Attempt, learner: User, sign_in: SignIn) -> None:
    position = KINDS.index("ordering") + 1
    text = sign_in(learner).get(reverse("attempt", args=[attempt.pk]), {"q": position}).content.decode()
    assert 'data-copy="#stimulus"' in text
    assert "The client" in text
    assert re.search(r'<code id="stimulus">w = WorkspaceClient\(\)</code>', text)


def test_the_result_explains_every_kind(attempt: Attempt, learner: User, sign_in: SignIn) -> None:
    for number, kind in enumerate(KINDS):
        numbers = right_numbers(attempt, kind) if number % 2 else wrong_numbers(attempt, kind)
        record_response(attempt, at(attempt, kind), numbers)
    text = html.unescape(sign_in(learner).get(reverse("attempt_result", args=[attempt.pk])).content.decode())
    assert "2 of 5 answered" in text  # multiple and matching
    assert "put at place" in text
    assert "40 %" in text
    item = at(attempt, "ordering").version.item
    page = html.unescape(sign_in(learner).get(reverse("item", args=[item.pk])).content.decode())
    assert page.index("Train it") < page.index("Register it") < page.index("Deploy it") < page.index("Query it")


# --- computed items -------------------------------------------------------------------------------


def test_a_computed_question_is_filled_in_and_pinned(learner: User) -> None:
    opened = start_attempt(learner, form=make_form_of("computed"))
    question = opened.attempt_items.get()
    assert question.variant is not None
    shown = present(opened, question)
    share = question.variant.parameters["share"]
    assert shown.stem == f"Version 1 gets {share} percent. What is left?"
    assert {part.text for part in shown.parts} == {f"{100 - share} percent", f"{share} percent", "1 percent", "200 percent"}
    assert question.variant.key == f"{100 - share} percent"


def test_variants_that_were_not_seen_come_first(learner: User) -> None:
    form = make_form_of("computed")
    for _ in range(3):
        drawn = [start_attempt(learner, form=form).attempt_items.get().variant_id for _ in COMPUTED]
        assert len(set(drawn)) == len(COMPUTED)


def test_another_learner_starts_anew(learner: User, stranger: User) -> None:
    form = make_form_of("computed")
    seeds = {start_attempt(stranger, form=form).attempt_items.get().variant_id for _ in range(12)}
    assert len(seeds) == len(COMPUTED)


def test_without_variants_it_is_not_asked(learner: User) -> None:
    make_item_of("computed", computed=[])
    with pytest.raises(NoItems):
        start_attempt(learner, exam=Exam.objects.get())


def test_a_combination_with_two_equal_options_is_dropped() -> None:
    """At a share of 50 the key and a distractor say the same."""
    even = type(COMPUTED[0])({"share": 50}, {"rest": 50})
    item = make_item_of("computed", computed=[*COMPUTED, even])
    assert [variant.parameters["share"] for variant in ItemVariant.objects.filter(version__item=item)] == [90, 80, 70]


def test_a_quarantined_item_is_not_asked(learner: User) -> None:
    item = make_item_of("single")
    Item.objects.filter(pk=item.pk).update(quarantined=True)
    with pytest.raises(NoItems):
        start_attempt(learner, exam=Exam.objects.get())


def test_answers_that_are_none_are_refused_below_the_page_too(attempt: Attempt) -> None:
    with pytest.raises(NoSuchAnswer):
        record_response(attempt, at(attempt, "multiple"), [1])
