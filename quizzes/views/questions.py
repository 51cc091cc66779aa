"""What the question's fragment shows: before the answer nothing of the key is among it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from quizzes.attempts import marks
from quizzes.corrected_keys import newest_fix
from quizzes.misconceptions import sentence_of
from quizzes.models import Attempt, AttemptItem, Response
from quizzes.presented import Presented, ShownPart, present
from quizzes.scoring import ARRANGED


@dataclass(frozen=True)
class QuestionPart:
    """An option, step or prompt as the page may show it. Before the answer only what was given in is filled in besides texts."""

    number: int
    text: str
    prompt: str = ""
    is_chosen: bool = False
    match: int = 0
    """Matching: the number of the match that stands in the field; 0 while none is chosen."""
    is_right: bool | None = None
    """An option: whether it is a key. A step or prompt: whether it was put right."""
    given: str = ""
    right: str = ""
    rationale: str = ""
    misconception: str = ""


@dataclass(frozen=True)
class Place:
    """A question's mark in the palette: open, right or wrong."""

    position: int
    state: str
    is_here: bool


def question(attempt: Attempt, attempt_item: AttemptItem, draft: Sequence[int] = ()) -> dict[str, Any]:
    """What the fragment shows. `draft`: numbers that were sent in and are no answer yet; they are shown again."""
    given = given_answer(attempt_item)
    shown = present(attempt, attempt_item)
    places = _places(attempt, attempt_item.position)
    open_positions = [place.position for place in places if place.state == "open" and place.position != attempt_item.position]
    context: dict[str, Any] = {
        "attempt": attempt,
        "position": attempt_item.position,
        "count": len(places),
        "places": places,
        "done": sum(place.state != "open" for place in places),
        "kind": shown.kind,
        "stem": shown.stem,
        "stimulus": shown.stimulus,
        "parts": open_parts(shown, draft) if given is None else answered_parts(shown, given.answer),
        "matches": [(number, part.text) for number, part in enumerate(shown.matches, 1)],
        "is_answered": given is not None,
        "sequence": 1,
        "next_position": next((p for p in open_positions if p > attempt_item.position), next(iter(open_positions), None)),
    }
    if given is not None:
        version = attempt_item.version
        context |= {"is_right": given.is_right, "saved_at": given.answered_at, "item": version.item, "fix": newest_fix(version)}
    return context


def given_answer(attempt_item: AttemptItem) -> Response | None:
    """The answer that counts: the last one."""
    given = list(attempt_item.responses.all())
    return given[-1] if given else None


def open_parts(shown: Presented, draft: Sequence[int]) -> list[QuestionPart]:
    """Everything as it is shown before the answer."""
    numbers = range(1, len(shown.parts) + 1)
    if shown.kind == "ordering":
        order = draft if sorted(draft) == list(numbers) else numbers
        return [QuestionPart(number, shown.parts[number - 1].text) for number in order]
    if shown.kind == "matching":
        chosen = draft if len(draft) == len(shown.parts) else [0] * len(shown.parts)
        return [
            QuestionPart(number, "", prompt=part.prompt, match=match)
            for number, part, match in zip(numbers, shown.parts, chosen, strict=True)
        ]
    return [QuestionPart(number, part.text, is_chosen=number in draft) for number, part in zip(numbers, shown.parts, strict=True)]


def answered_parts(shown: Presented, answer: Sequence[int]) -> list[QuestionPart]:
    """Everything with what was given, what is right and why; steps and pairs in their right order."""
    if shown.kind in ARRANGED:
        return _arranged(shown, answer)
    return [
        _explained(number, part, is_chosen=part.position in answer, is_right=part.is_key)
        for number, part in enumerate(shown.parts, 1)
    ]


def _arranged(shown: Presented, answer: Sequence[int]) -> list[QuestionPart]:
    by_position = {part.position: part for part in shown.authored}
    if shown.kind == "ordering":
        return [
            _explained(
                number,
                by_position[wanted],
                is_right=answer[number - 1] == wanted,
                given=str(answer.index(wanted) + 1),
            )
            for number, wanted in enumerate(shown.right, 1)
        ]
    pairs = zip((part for part in shown.authored if part.prompt), answer, shown.right, strict=True)
    return [
        _explained(
            number,
            replace(part, text=by_position[wanted].text),
            is_right=given == wanted,
            given=by_position[given].text,
            right=by_position[wanted].text,
        )
        for number, (part, given, wanted) in enumerate(pairs, 1)
    ]


def _explained(number: int, part: ShownPart, **more: Any) -> QuestionPart:
    return QuestionPart(
        number,
        part.text,
        prompt=part.prompt,
        rationale=part.rationale,
        misconception=sentence_of(part.misconception),
        **more,
    )


def _places(attempt: Attempt, here: int) -> list[Place]:
    attempt_items = list(attempt.attempt_items.prefetch_related("responses"))
    scores = zip(attempt_items, marks(attempt_items), strict=True)
    return [Place(found.position, _word(score), found.position == here) for found, score in scores]


def _word(score: float | None) -> str:
    return "open" if score is None else "right" if score >= 1 else "wrong"
