"""Sitting a drill: one question on the screen, an answer that is saved before it is judged, the result."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from quizzes.attempts import AttemptClosed, NoSuchOption, answers, finish_attempt, options_shown, record_response
from quizzes.inputs import AnswerInput
from quizzes.misconceptions import sentence_of
from quizzes.models import Attempt, AttemptItem, Option, Response
from quizzes.scoring import score_attempt
from quizzes.views.people import own_attempt, person, readable_attempt, wants_fragment


@dataclass(frozen=True)
class ShownOption:
    """An option as the page may show it. Before the answer only `number` and `text` are filled in."""

    number: int
    text: str
    is_chosen: bool = False
    is_key: bool | None = None
    rationale: str = ""
    misconception: str = ""


@dataclass(frozen=True)
class Place:
    """A question's mark in the palette: open, right or wrong."""

    position: int
    state: str
    is_here: bool


@login_required
@never_cache
@require_GET
def attempt(request: HttpRequest, attempt_id: int) -> HttpResponse:
    """The question at ?q=, else the first open one."""
    found = own_attempt(person(request), attempt_id)
    if not request.GET.get("q") and found.is_finished:
        return redirect("attempt_result", found.pk)
    attempt_item = _wanted_question(found, request.GET.get("q", ""))
    if attempt_item is None or (found.is_finished and _given(attempt_item) is None):
        return redirect("attempt_result", found.pk)
    template = "quizzes/_question.html" if wants_fragment(request) else "quizzes/attempt.html"
    return render(request, template, question(found, attempt_item))


@login_required
@never_cache
@require_POST
def answer(request: HttpRequest, attempt_id: int, position: int) -> HttpResponse:
    """Save the answer (committed before the page says so), then show the question with its rationales."""
    found = own_attempt(person(request), attempt_id)
    attempt_item = get_object_or_404(_questions(found), position=position)
    given = AnswerInput(request.POST)
    if not given.is_valid():
        return _again(request, found, attempt_item, str(next(iter(given.errors.values()))[0]))
    try:
        record_response(found, attempt_item, number=given.cleaned_data["option"], sequence=given.cleaned_data["sequence"])
    except NoSuchOption:
        return _again(request, found, attempt_item, "Choose one of the options shown.")
    except AttemptClosed:
        return redirect("attempt_result", found.pk)
    if not wants_fragment(request):
        return redirect(f"{reverse('attempt', args=[found.pk])}?q={position}")
    answered = _questions(found).get(pk=attempt_item.pk)
    return render(request, "quizzes/_question.html", question(found, answered))


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
    """Every answered question with what was chosen; for the learner and for instructors of her cohorts."""
    found = readable_attempt(person(request), attempt_id)
    if not found.is_finished:
        if found.user_id == person(request).pk:
            return redirect("attempt", found.pk)
        return render(request, "quizzes/attempt_open.html", {"attempt": found})
    attempt_items = list(_questions(found))
    lines = [(attempt_item, _given(attempt_item)) for attempt_item in attempt_items]
    wrong = [given.option.misconception for _, given in lines if given and not given.option.is_key]
    shown = {
        "attempt": found,
        "score": score_attempt(answers(attempt_items)),
        "lines": lines,
        "misconceptions": [sentence_of(tag) for tag in dict.fromkeys(wrong)],
        "is_own": found.user_id == person(request).pk,
    }
    return render(request, "quizzes/attempt_result.html", shown)


def question(attempt: Attempt, attempt_item: AttemptItem) -> dict[str, Any]:
    """What the question's fragment shows. Before the answer no key, rationale, source or proof is among it."""
    given = _given(attempt_item)
    options = options_shown(attempt, attempt_item)
    places = _places(attempt, attempt_item.position)
    open_positions = [place.position for place in places if place.state == "open" and place.position != attempt_item.position]
    shown: dict[str, Any] = {
        "attempt": attempt,
        "position": attempt_item.position,
        "count": len(places),
        "places": places,
        "done": sum(place.state != "open" for place in places),
        "stem": attempt_item.version.stem,
        "options": [_shown(number, option, given) for number, option in enumerate(options, 1)],
        "is_answered": given is not None,
        "sequence": 1,
        "next_position": next((p for p in open_positions if p > attempt_item.position), next(iter(open_positions), None)),
    }
    if given is not None:
        version = attempt_item.version
        shown |= {"is_right": given.option.is_key, "saved_at": given.answered_at, "item": version.item}
    return shown


def _shown(number: int, option: Option, given: Response | None) -> ShownOption:
    if given is None:
        return ShownOption(number, option.text)
    return ShownOption(
        number,
        option.text,
        is_chosen=option.pk == given.option_id,
        is_key=option.is_key,
        rationale=option.rationale,
        misconception=sentence_of(option.misconception),
    )


def _places(attempt: Attempt, here: int) -> list[Place]:
    attempt_items = list(attempt.attempt_items.prefetch_related("responses__option"))
    words = {None: "open", True: "right", False: "wrong"}
    marks = zip(attempt_items, answers(attempt_items), strict=True)
    return [Place(attempt_item.position, words[mark], attempt_item.position == here) for attempt_item, mark in marks]


def _questions(attempt: Attempt) -> Any:
    """The attempt's questions with what a page about them needs."""
    related = attempt.attempt_items.select_related("version__item__objective")
    return related.prefetch_related("version__options", "responses__option")


def _wanted_question(attempt: Attempt, position: str) -> AttemptItem | None:
    """The question asked for; without one the first open one; None when all are answered."""
    questions = _questions(attempt)
    if position:
        number = int(position) if position.isascii() and position.isdigit() and len(position) < 5 else 0
        asked: AttemptItem = get_object_or_404(questions, position=number)
        return asked
    first_open: AttemptItem | None = questions.filter(responses=None).first()
    return first_open


def _given(attempt_item: AttemptItem) -> Response | None:
    """The answer that counts: the last one."""
    given = list(attempt_item.responses.all())
    return given[-1] if given else None


def _again(request: HttpRequest, attempt: Attempt, attempt_item: AttemptItem, problem: str) -> HttpResponse:
    """The question once more with what was wrong, status 422."""
    shown = {**question(attempt, attempt_item), "problem": problem}
    template = "quizzes/_question.html" if wants_fragment(request) else "quizzes/attempt.html"
    return render(request, template, shown, status=422)
