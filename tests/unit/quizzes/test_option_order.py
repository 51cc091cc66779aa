"""The shown order of options: stable for a seed, and no position is favoured."""

from collections import Counter

from quizzes.option_order import shuffled

OPTIONS = ["key", "second", "third", "fourth"]


def test_the_same_seed_gives_the_same_order() -> None:
    assert shuffled(OPTIONS, 7, 3) == shuffled(OPTIONS, 7, 3)
    assert sorted(shuffled(OPTIONS, 7, 3)) == sorted(OPTIONS)


def test_questions_of_one_attempt_are_shuffled_apart() -> None:
    assert len({tuple(shuffled(OPTIONS, 7, position)) for position in range(30)}) > 5


def test_the_first_option_of_the_author_lands_everywhere_equally_often() -> None:
    counts = Counter(shuffled(OPTIONS, seed, 1).index("key") for seed in range(4000))
    # 4000 draws at 1/4: four standard deviations are 110
    assert all(abs(counts[place] - 1000) < 110 for place in range(4)), counts
