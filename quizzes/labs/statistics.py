"""The binomial range within which an observed traffic share is believable; pure."""

from math import exp, lgamma, log

TAIL_PROBABILITY = 0.0005
"""Left out on each side: a right 80/20 split is refused once in a thousand checks."""


def binomial_range(n: int, share: float, tail: float = TAIL_PROBABILITY) -> tuple[int, int]:
    """Smallest and largest count (of n draws at `share`) that leave at most `tail` outside on each side."""
    if not 0 < share < 1 or n < 1:
        raise ValueError(f"A range needs n >= 1 and a share between 0 and 1, not n={n}, share={share}.")
    low = _first_reaching(n, share, tail)
    high = n - _first_reaching(n, 1 - share, tail)
    return low, high


def _first_reaching(n: int, share: float, tail: float) -> int:
    """The smallest k with P(X <= k) > tail."""
    cumulative = 0.0
    for k in range(n + 1):
        cumulative += _term(n, k, share)
        if cumulative > tail:
            return k
    return n


def _term(n: int, k: int, share: float) -> float:
    """P(X = k), by logarithms: the binomial of some thousand draws does not fit a float."""
    return exp(lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(share) + (n - k) * log(1 - share))
