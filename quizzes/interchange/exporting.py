"""Items of the banks as a file of another system, with the report of what it does not carry."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from quizzes.bank_browser import Filters, filtered, rows, status_of
from quizzes.interchange.formats import FORMATS, MAX_ITEMS, Format, export
from quizzes.interchange.report import Report
from quizzes.item_versions import spec_of
from quizzes.models import Item

WRITTEN = tuple(form for form in FORMATS.values() if form.write is not None)
_NEEDS_STATISTICS = {"doubtful", "reported"}


@dataclass(frozen=True)
class Exported:
    """A file, its name, and what it does not carry."""

    data: bytes
    name: str
    report: Report
    items: int
    """Items that the file holds."""


def chosen(filters: Filters, key: str, today: date) -> list[Item]:
    """The item with this key, or all that pass the filters; retired ones only when they are asked for."""
    if key:
        return list(_with_versions(Item.objects.filter(key=key)))
    if filters.status in _NEEDS_STATISTICS:
        kept = [row.item.pk for row in rows(filters, today)]
        return list(_with_versions(Item.objects.filter(pk__in=kept)))
    found = _with_versions(filtered(filters))
    wanted = [filters.status] if filters.status else ["asked", "quarantined", "not computed", "expired"]
    return [item for item in found if status_of(item, today) in wanted]


def _with_versions(items: Any) -> Any:
    related = items.select_related("current", "objective", "exam").exclude(current=None)
    return related.prefetch_related("current__options").order_by("bank", "key")


def exported(items: Sequence[Item], form: Format, today: date, name: str) -> Exported:
    """The file. `name`: what it is of, for the file's name. Raises Unreadable for more than can be imported again."""
    specs = [spec_of(version) for item in items if (version := item.current) is not None]
    data, report = export(specs, form)
    refused = {line.where for line in report.refusals}
    kept = sum(spec.key not in refused for spec in specs)
    return Exported(data, f"proving-ground-{name}-{today.isoformat()}.{form.suffix}", report, kept)


def too_many(items: Sequence[Item]) -> bool:
    """Whether a file of them could not be imported again."""
    return len(items) > MAX_ITEMS


def losses(report: Report) -> list[tuple[str, str, int]]:
    """(level, sentence, number of items) of a report, what is refused first, then the most frequent."""
    counts = Counter((line.level, line.message) for line in report.lines)
    ordered = sorted(counts.items(), key=lambda entry: (entry[0][0] != "refused", -entry[1], entry[0]))
    return [(level, message, count) for (level, message), count in ordered]
