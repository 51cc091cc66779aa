"""The traffic split: draws against routes."""

import random

import pytest

from sandbox.invocations.routing import choose
from sandbox.live import LiveRoute

EIGHTY_TWENTY = (LiveRoute("champion", 80), LiveRoute("challenger", 20))


@pytest.mark.parametrize(
    ("draw", "expected"),
    [(0.0, "champion"), (79.999, "champion"), (80.0, "challenger"), (99.999, "challenger")],
)
def test_the_edge_between_two_routes_is_their_share(draw: float, expected: str) -> None:
    assert choose(EIGHTY_TWENTY, draw) == expected


def test_a_route_of_zero_percent_is_never_chosen() -> None:
    routes = (LiveRoute("off", 0), LiveRoute("on", 100))
    assert {choose(routes, draw) for draw in range(100)} == {"on"}


def test_many_draws_keep_the_split() -> None:
    draw = random.Random(7)
    chosen = [choose(EIGHTY_TWENTY, draw.random() * 100) for _ in range(10_000)]
    # binomial: sd = sqrt(10000 · 0.8 · 0.2) = 40; five of them
    assert abs(chosen.count("champion") - 8000) < 200
