"""Statistics of items from real answers, and the rule by which an item is taken out of circulation.

Only the first answer of each learner to an item's current version counts: later ones break the assumptions of the theory.
Discrimination is the correlation of the item's score with the mean score on the rest of the same attempt (item-rest).
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import sqrt
from statistics import fmean

from django.db.models import Exists, F, Max, OuterRef, Q

from quizzes.item_analysis import Facility, facility_of
from quizzes.models import Item, ItemEvent, KeyCorrection, Response

ENOUGH = 30
"""Answers from which on a statistic is believed; below it is shown in grey and decides nothing."""
EASIEST = 0.95
ABOVE_GUESSING = 0.05
LEAST_DISCRIMINATION = 0.15


@dataclass(frozen=True)
class Answer:
    """One first answer with the learner's mean score on the rest of the attempt; None when there was no rest."""

    score: float
    chosen: tuple[int, ...]
    """Authoring positions of the options that were chosen; empty for what is arranged."""
    rest: float | None


@dataclass(frozen=True)
class ItemStatistics:
    """What is known about an item's current version. Discriminations are None where nothing varies."""

    facility: Facility | None
    discrimination: float | None
    options: Mapping[int, float] = field(default_factory=dict)
    """Discrimination of each chosen option, by authoring position."""
    shares: Mapping[int, float] = field(default_factory=dict)
    """Share of the answers that chose each option."""

    @property
    def n(self) -> int:
        return self.facility.n if self.facility else 0

    @property
    def is_enough(self) -> bool:
        return self.n >= ENOUGH


def statistics_of(answers: Sequence[Answer]) -> ItemStatistics:
    """Facility and discriminations of one item."""
    paired = [(answer, answer.rest) for answer in answers if answer.rest is not None]
    rests = [rest for _, rest in paired]
    positions = sorted({position for answer in answers for position in answer.chosen})
    by_option = {
        position: correlation([float(position in answer.chosen) for answer, _ in paired], rests) for position in positions
    }
    return ItemStatistics(
        facility_of(sum(answer.score for answer in answers), len(answers)),
        correlation([answer.score for answer, _ in paired], rests),
        {position: value for position, value in by_option.items() if value is not None},
        {position: fmean(float(position in answer.chosen) for answer in answers) for position in positions},
    )


def correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Pearson's correlation; None when either does not vary."""
    if len(one) < 2:
        return None
    mean_one, mean_other = fmean(one), fmean(other)
    both = sum((a - mean_one) * (b - mean_other) for a, b in zip(one, other, strict=True))
    spread_one, spread_other = sum((a - mean_one) ** 2 for a in one), sum((b - mean_other) ** 2 for b in other)
    return both / sqrt(spread_one * spread_other) if spread_one > 1e-12 and spread_other > 1e-12 else None


def objections(found: ItemStatistics, guessing: float, keys: Iterable[int] = ()) -> list[str]:
    """Why the item should not be asked any more; empty while there are too few answers to say.

    `guessing`: the score that a random answer gets on average. `keys`: positions of the keys of a choice.
    """
    if not found.is_enough or found.facility is None:
        return []
    reasons = []
    value = found.facility.value
    if not guessing + ABOVE_GUESSING <= value <= EASIEST:
        reasons.append(f"facility {value:.2f}, where {guessing + ABOVE_GUESSING:.2f} to {EASIEST} is fine")
    if found.discrimination is not None and found.discrimination < LEAST_DISCRIMINATION:
        reasons.append(f"discrimination {found.discrimination:.2f}, where at least {LEAST_DISCRIMINATION} is wanted")
    right = [found.options[key] for key in keys if key in found.options]
    better = [p for p, v in found.options.items() if right and p not in set(keys) and v > max(right)]
    reasons += [f"option {position} is chosen by better learners than the key" for position in better]
    return [f"{reason} (n = {found.n})" for reason in reasons]


def guessing_score(kind: str, parts: int) -> float:
    """Mean score of a random answer: 1 of k options, 1 of the pairs of 5, next to nothing for what is arranged."""
    if kind in {"single", "computed"}:
        return 1 / parts if parts else 0.0
    return 2 / (parts * (parts - 1)) if kind == "multiple" and parts > 1 else 0.0


def item_statistics(item_ids: Sequence[int] | None = None) -> dict[int, ItemStatistics]:
    """Statistics of current versions by item id, of all items that were answered or of the named ones; two queries.

    Answers to older versions count where a fix of the key has made them answers to the current one.
    Answers from before an author released an item from quarantine do not count against it again.
    """
    version, current = "attempt_item__version", "attempt_item__version__item__current"
    corrected = KeyCorrection.objects.filter(version=OuterRef(version), fix__to_version=OuterRef(current))
    rows = Response.objects.filter(Q(**{current: F(version)}) | Exists(corrected))
    if item_ids is not None:
        attempts = rows.filter(attempt_item__version__item__in=item_ids).values("attempt_item__attempt")
        rows = rows.filter(attempt_item__attempt__in=attempts)
    values = rows.order_by("answered_at", "pk").values_list(
        "attempt_item__attempt", "attempt_item__attempt__user", "attempt_item__version__item",
        "attempt_item__version__kind", "score", "answer", "answered_at",
    )  # fmt: skip
    totals: defaultdict[int, list[float]] = defaultdict(list)
    rows_seen = list(values)
    for attempt, *_, score, _, _ in rows_seen:
        totals[attempt].append(score)
    released = _released()
    first: dict[int, dict[int, Answer]] = defaultdict(dict)
    for attempt, user, item, kind, score, answer, at in rows_seen:
        if user in first[item] or (item in released and at <= released[item]):
            continue
        others = len(totals[attempt]) - 1
        rest = (sum(totals[attempt]) - score) / others if others else None
        first[item][user] = Answer(score, () if kind in {"ordering", "matching"} else tuple(answer), rest)
    wanted = first if item_ids is None else {item: first[item] for item in item_ids if item in first}
    return {item: statistics_of(list(answers.values())) for item, answers in wanted.items() if answers}


def _released() -> dict[int, datetime]:
    """When each item was last released from quarantine, by item id."""
    events = ItemEvent.objects.filter(kind=ItemEvent.Kind.RELEASED).order_by()
    return dict(events.values_list("item").annotate(last=Max("at")))


def doubtful(items: Iterable[Item], found: Mapping[int, ItemStatistics]) -> dict[int, list[str]]:
    """Objections by item id, of those that have any. Expects current versions with their options."""
    reasons: dict[int, list[str]] = {}
    for item in items:
        version = item.current
        if item.pk not in found or version is None:
            continue
        options = list(version.options.all())
        keys = [option.position for option in options if option.is_key]
        guessing = guessing_score(version.kind, len(options))
        if said := objections(found[item.pk], guessing, () if version.kind in {"ordering", "matching"} else keys):
            reasons[item.pk] = said
    return reasons
