"""Statistics of items and the rule that takes them out of circulation."""

from math import isclose

import pytest

from quizzes.item_statistics import ENOUGH, Answer, correlation, guessing_score, objections, statistics_of


def answers(*groups: tuple[int, float, int, float]) -> list[Answer]:
    """(how many, score, chosen position, mean score on the rest) for each group."""
    return [Answer(score, (chosen,), rest) for count, score, chosen, rest in groups for _ in range(count)]


def test_correlation_is_pearsons() -> None:
    assert isclose(correlation([1, 0, 1, 0], [0.9, 0.1, 0.7, 0.3]) or 0, 0.9486832980505138)
    assert correlation([1, 1, 1], [0.1, 0.5, 0.9]) is None
    assert correlation([1], [1]) is None


def test_a_good_item_has_no_objections() -> None:
    found = statistics_of(answers((20, 1.0, 2, 0.8), (10, 0.0, 1, 0.3), (5, 0.0, 3, 0.4)))
    assert (found.n, found.is_enough) == (35, True)
    assert found.facility is not None
    assert isclose(found.facility.value, 20 / 35)
    assert found.discrimination is not None
    assert found.discrimination > 0.9
    assert isclose(found.shares[1], 10 / 35)
    assert objections(found, 0.25, [2]) == []


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (((30, 1.0, 2, 0.5), (1, 0.0, 1, 0.4)), "facility 0.97"),
        (((5, 1.0, 2, 0.9), (30, 0.0, 1, 0.2)), "facility 0.14"),
        (((18, 1.0, 2, 0.4), (18, 0.0, 1, 0.6)), "discrimination -1.00"),
        (((18, 1.0, 2, 0.5), (10, 0.0, 1, 0.1), (8, 0.0, 3, 0.9)), "option 3 is chosen by better learners than the key"),
    ],
)
def test_a_bad_item_is_objected_to(groups: tuple[tuple[int, float, int, float], ...], words: str) -> None:
    found = statistics_of(answers(*groups))
    said = objections(found, 0.25, [2])
    assert any(words in reason for reason in said), said
    assert all(f"(n = {found.n})" in reason for reason in said)


def test_too_few_answers_are_no_reason() -> None:
    found = statistics_of(answers((ENOUGH - 1, 0.0, 1, 0.5)))
    assert objections(found, 0.25, [2]) == []


@pytest.mark.parametrize(("kind", "parts", "chance"), [("single", 4, 0.25), ("multiple", 5, 0.1), ("ordering", 4, 0.0)])
def test_the_score_of_guessing(kind: str, parts: int, chance: float) -> None:
    assert isclose(guessing_score(kind, parts), chance)
