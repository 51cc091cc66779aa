"""The list of items for authors: filters, status and statistics; read-only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Q, QuerySet

from quizzes.item_statistics import ItemStatistics, doubtful, item_statistics
from quizzes.misconceptions import sentence_of
from quizzes.models import Exam, Item, Kind, Objective, Option

STATUSES = ("asked", "quarantined", "not computed", "expired", "retired")


@dataclass(frozen=True)
class Row:
    """One item with what the list says about it."""

    item: Item
    status: str
    statistics: ItemStatistics | None
    objections: list[str]
    open_reports: int


@dataclass(frozen=True)
class Filters:
    """What the author wants to see; an empty word is no restriction."""

    exam: str = ""
    objective: str = ""
    misconception: str = ""
    kind: str = ""
    status: str = ""
    words: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        """From a query string; what is too long to be meant is cut, and NUL, which PostgreSQL cannot hold, is left out."""
        return cls(**{name: query.get(name, "").replace("\x00", "").strip()[:80] for name in cls.__dataclass_fields__})


def rows(filters: Filters, today: date) -> list[Row]:
    """The items that pass the filters."""
    items: list[Any] = list(filtered(filters).prefetch_related("current__options"))  # items with what the query annotates
    found = item_statistics()
    reasons = doubtful(items, found)
    listed = [
        Row(item, status_of(item, today), found.get(item.pk), reasons.get(item.pk, []), item.open_reports) for item in items
    ]
    if filters.status == "doubtful":
        return [row for row in listed if row.objections]
    if filters.status == "reported":
        return [row for row in listed if row.open_reports]
    return [row for row in listed if not filters.status or row.status == filters.status]


def status_of(item: Item, today: date) -> str:
    """Whether the item is asked, and if not why: one of STATUSES. Expects `variants` to be counted."""
    version = item.current
    if item.retired or version is None:
        return "retired"
    if item.quarantined:
        return "quarantined"
    if version.expires_on < today:
        return "expired"
    if version.kind == Kind.COMPUTED and not getattr(item, "variants", 1):
        return "not computed"
    return "asked"


def filtered(filters: Filters) -> QuerySet[Item]:
    """The items that pass all filters but the status."""
    items = Item.objects.select_related("current", "objective", "exam").order_by("bank", "key")
    items = items.annotate(
        open_reports=Count("reports", filter=Q(reports__closed_at=None), distinct=True),
        variants=Count("current__variants", distinct=True),
    )
    if filters.exam:
        items = items.filter(exam__slug=filters.exam)
    if filters.objective:
        items = items.filter(objective__slug=filters.objective)
    if filters.kind:
        items = items.filter(current__kind=filters.kind)
    if filters.misconception:
        tagged = Option.objects.filter(misconception=filters.misconception).values("version")
        items = items.filter(current__in=tagged)
    for word in filters.words.split():
        items = items.filter(Q(key__icontains=word) | Q(current__stem__icontains=word))
    return items


@dataclass(frozen=True)
class Choices:
    """What the filters offer: (value, words) each."""

    exams: list[tuple[str, str]]
    objectives: list[tuple[str, str]]
    misconceptions: list[tuple[str, str]]
    kinds: list[tuple[str, str]]
    statuses: list[tuple[str, str]]


def choices() -> Choices:
    """Only what occurs in the bank."""
    tags = Option.objects.exclude(misconception="").order_by("misconception").values_list("misconception", flat=True).distinct()
    return Choices(
        exams=list(Exam.objects.values_list("slug", "name")),
        objectives=list(Objective.objects.filter(items__isnull=False).distinct().order_by("name").values_list("slug", "name")),
        misconceptions=[(tag, sentence_of(tag)) for tag in tags],
        kinds=[(kind.value, kind.value) for kind in Kind],
        statuses=[(status, status) for status in (*STATUSES, "doubtful", "reported")],
    )
