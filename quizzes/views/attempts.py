"""Sitting a drill: one question on the screen, an answer that is saved before it is judged, the result."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from quizzes.attempts import AttemptClosed, finish_attempt, marks, record_response
from quizzes.corrected_keys import WITH_CORRECTIONS
from quizzes.inputs import AnswerInput, numbers_given
from quizzes.misconceptions import sentence_of
from quizzes.models import Attempt, AttemptItem, Response
from quizzes.presented import NoSuchAnswer, Presented, present
from quizzes.scoring import beliefs_shown, score_attempt
from quizzes.views.people import own_attempt, person, readable_attempt, wants_fragment
from quizzes.views.questions import QuestionPart, answered_parts, given_answer, question


@dataclass(frozen=True)
class ResultLine:
    """A question of a finished attempt: what was asked, what was given, and why that is right or not."""

    attempt_item: AttemptItem
    given: Response | None
    shown: Presented
    parts: list[QuestionPart]
    """Options that were chosen, or all steps and pairs; empty when it was left open."""


@login_required
@never_cache
@require_GET
def attempt(request: HttpRequest, attempt_id: int) -> HttpResponse:
    """The question at ?q=, else the first open one."""
    found = own_attempt(person(request), attempt_id)
    if not request.GET.get("q") and found.is_finished:
        return redirect("attempt_result", found.pk)
    attempt_item = _wanted_question(found, request.GET.get("q", ""))
    if attempt_item is None or (found.is_finished and given_answer(attempt_item) is None):
        return redirect("attempt_result", found.pk)
    return _show(request, found, attempt_item)


@login_required
@never_cache
@require_POST
def answer(request: HttpRequest, attempt_id: int, position: int) -> HttpResponse:
    """Save the answer (committed before the page says so), then show the question with its rationales.

    A step that is moved up or down is shown at its new place; nothing is saved by that.
    """
    found = own_attempt(person(request), attempt_id)
    attempt_item = get_object_or_404(_questions(found), position=position)
    numbers = numbers_given(request.POST, attempt_item.version.kind)
    given = AnswerInput(request.POST)
    if not given.is_valid():
        return _show(request, found, attempt_item, numbers, "Choose an option first.")
    if given_answer(attempt_item) is None and given.cleaned_data["move"]:
        return _show(request, found, attempt_item, given.moved(numbers))
    try:
        record_response(found, attempt_item, numbers, given.cleaned_data["sequence"])
    except NoSuchAnswer as error:
        return _show(request, found, attempt_item, numbers, str(error))
    except AttemptClosed:
        return redirect("attempt_result", found.pk)
    if not wants_fragment(request):
        return redirect(f"{reverse('attempt', args=[found.pk])}?q={position}")
    return _show(request, found, _questions(found).get(pk=attempt_item.pk))


@login_required
@require_POST
def finish(request: HttpRequest, attempt_id: int) -> HttpResponse:
    """End the drill early; open questions stay unanswered."""
    found = own_attempt(person(request), attempt_id)
    finish_attempt(found)
    return redirect("attempt_result", found.pk)


@login_required
@never_cache
@require_GET
def result(request: HttpRequest, attempt_id: int) -> HttpResponse:
    """Every question with what was answered; for the learner and for instructors of her cohorts."""
    found = readable_attempt(person(request), attempt_id)
    if not found.is_finished:
        if found.user_id == person(request).pk:
            return redirect("attempt", found.pk)
        return render(request, "quizzes/attempt_open.html", {"attempt": found})
    attempt_items = list(_questions(found))
    lines = [_line(found, attempt_item) for attempt_item in attempt_items]
    tags = [tag for line in lines if line.given for tag in _beliefs(line.shown, line.given)]
    shown = {
        "attempt": found,
        "score": score_attempt(marks(attempt_items)),
        "lines": lines,
        "misconceptions": [sentence_of(tag) for tag in dict.fromkeys(tags)],
        "is_own": found.user_id == person(request).pk,
    }
    return render(request, "quizzes/attempt_result.html", shown)


def _line(attempt: Attempt, attempt_item: AttemptItem) -> ResultLine:
    given, shown = given_answer(attempt_item), present(attempt, attempt_item)
    parts = answered_parts(shown, given.answer) if given else []
    return ResultLine(attempt_item, given, shown, [part for part in parts if part.is_chosen or part.given])


def _beliefs(shown: Presented, given: Response) -> list[str]:
    return beliefs_shown(shown.kind, shown.authored, given.answer, shown.right)


def _questions(attempt: Attempt) -> Any:
    """The attempt's questions with what a page about them needs."""
    related = attempt.attempt_items.select_related("version__item__objective", "variant")
    return related.prefetch_related("version__options", WITH_CORRECTIONS, "responses")


def _wanted_question(attempt: Attempt, position: str) -> AttemptItem | None:
    """The question asked for; without one the first open one; None when all are answered."""
    questions = _questions(attempt)
    if position:
        number = int(position) if position.isascii() and position.isdigit() and len(position) < 5 else 0
        asked: AttemptItem = get_object_or_404(questions, position=number)
        return asked
    first_open: AttemptItem | None = questions.filter(responses=None).first()
    return first_open


def _show(
    request: HttpRequest, attempt: Attempt, attempt_item: AttemptItem, draft: Sequence[int] = (), problem: str = ""
) -> HttpResponse:
    """The question, with what was sent in so far; with what was wrong about it the status is 422."""
    shown = {**question(attempt, attempt_item, draft), "problem": problem}
    template = "quizzes/_question.html" if wants_fragment(request) else "quizzes/attempt.html"
    return render(request, template, shown, status=422 if problem else 200)
