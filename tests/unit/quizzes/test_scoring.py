"""Points of answers and attempts: all or nothing for every kind."""

from dataclasses import dataclass

import pytest

from quizzes.scoring import Score, beliefs_shown, right_answer, score_attempt, score_response


@dataclass(frozen=True)
class Part:
    position: int
    text: str
    is_key: bool = True
    prompt: str = ""
    misconception: str = ""


def parts(*texts: str, keys: tuple[int, ...] = ()) -> list[Part]:
    """Options, or steps when no key is named; the belief behind the first is `b1`."""
    return [
        Part(number, text, is_key=not keys or number in keys, misconception=f"b{number}") for number, text in enumerate(texts, 1)
    ]


CHOICE = parts("a", "b", "c", "d", keys=(2,))
TWO = parts("a", "b", "c", "d", "e", keys=(2, 4))
STEPS = parts("create", "wait", "query", "delete")
PAIRS = [
    Part(1, "custom", prompt="pickle", misconception="b1"),
    Part(2, "external", prompt="gpt", misconception="b2"),
    Part(3, "custom", prompt="pyfunc", misconception="b3"),
    Part(4, "feature", is_key=False),
]


@pytest.mark.parametrize(
    ("kind", "shape", "right"),
    [
        ("single", CHOICE, [2]),
        ("computed", CHOICE, [2]),
        ("multiple", TWO, [2, 4]),
        ("ordering", STEPS, [1, 2, 3, 4]),
        ("matching", PAIRS, [1, 2, 1]),  # the third match reads like the first
    ],
)
def test_the_right_answer_has_the_point(kind: str, shape: list[Part], right: list[int]) -> None:
    assert right_answer(kind, shape) == right
    assert score_response(right, right_answer(kind, shape)) == 1.0


@pytest.mark.parametrize(
    ("kind", "shape", "answer", "beliefs"),
    [
        ("single", CHOICE, [3], ["b3"]),
        ("multiple", TWO, [2, 5], ["b5"]),
        ("multiple", TWO, [1, 3], ["b1", "b3"]),
        ("ordering", STEPS, [2, 1, 3, 4], ["b1", "b2"]),
        ("matching", PAIRS, [1, 4, 1], ["b2"]),
        ("matching", PAIRS, [2, 1, 4], ["b1", "b2", "b3"]),
    ],
)
def test_anything_else_has_none_and_shows_a_belief(kind: str, shape: list[Part], answer: list[int], beliefs: list[str]) -> None:
    assert score_response(answer, right_answer(kind, shape)) == 0.0
    assert beliefs_shown(kind, shape, answer, right_answer(kind, shape)) == beliefs


def test_a_right_answer_shows_no_belief() -> None:
    for kind, shape in (("single", CHOICE), ("multiple", TWO), ("ordering", STEPS), ("matching", PAIRS)):
        right = right_answer(kind, shape)
        assert beliefs_shown(kind, shape, right, right) == []


@pytest.mark.parametrize(
    ("scores", "score", "percentage"),
    [
        ([1.0, 0.0, 1.0, None], Score(raw=2.0, maximum=4.0, answered=3), 67),
        ([None, None], Score(raw=0.0, maximum=2.0, answered=0), None),
        ([], Score(raw=0.0, maximum=0.0, answered=0), None),
        ([1.0], Score(raw=1.0, maximum=1.0, answered=1), 100),
    ],
)
def test_an_attempt_is_the_sum_of_its_answers(scores: list[float | None], score: Score, percentage: int | None) -> None:
    found = score_attempt(scores)
    assert found == score
    assert found.percentage == percentage


def test_steps_are_misplaced_by_the_order_that_is_right_now() -> None:
    """The key was corrected to: wait, create, query, delete. The author's order is wrong at its first two places."""
    assert beliefs_shown("ordering", STEPS, [1, 2, 3, 4], [2, 1, 3, 4]) == ["b2", "b1"]
    assert beliefs_shown("ordering", STEPS, [2, 1, 3, 4], [2, 1, 3, 4]) == []
    assert beliefs_shown("matching", PAIRS, [1, 2, 1], [1, 4, 1]) == ["b2"]
