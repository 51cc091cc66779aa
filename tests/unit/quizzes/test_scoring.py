"""Points of answers and attempts."""

import pytest

from quizzes.scoring import Score, score_attempt, score_response


def test_the_key_scores_a_point_and_a_distractor_none() -> None:
    assert (score_response(is_key=True), score_response(is_key=False)) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("answers", "score", "percentage"),
    [
        ([True, False, True, None], Score(raw=2.0, maximum=4.0, answered=3), 67),
        ([None, None], Score(raw=0.0, maximum=2.0, answered=0), None),
        ([], Score(raw=0.0, maximum=0.0, answered=0), None),
        ([True], Score(raw=1.0, maximum=1.0, answered=1), 100),
    ],
)
def test_an_attempt_is_the_sum_of_its_answers(answers: list[bool | None], score: Score, percentage: int | None) -> None:
    found = score_attempt(answers)
    assert found == score
    assert found.percentage == percentage
