"""Take items out of circulation when their statistics say so, and let authors put them back; each time with an entry."""

from django.db import transaction

from quizzes.item_statistics import doubtful, item_statistics
from quizzes.models import Item, ItemEvent
from sandbox.public import Person

TASK = "quizzes.quarantine_items"


def quarantine_by_statistics() -> list[Item]:
    """Quarantine every item in circulation that the rule objects to; returns those that were taken out now."""
    asked = Item.objects.filter(retired=False, quarantined=False).select_related("current")
    items = list(asked.prefetch_related("current__options"))
    reasons = doubtful(items, item_statistics())
    return [item for item in items if item.pk in reasons and quarantine(item, "; ".join(reasons[item.pk]), None)]


def quarantine(item: Item, why: str, actor: Person | None) -> bool:
    """Stop asking an item; whether this call did it. `actor`: None when the site does it by itself."""
    return _switch(item, to=True, kind=ItemEvent.Kind.QUARANTINED, why=why, actor=actor)


def release(item: Item, why: str, actor: Person) -> bool:
    """Ask it again; its statistics begin anew."""
    return _switch(item, to=False, kind=ItemEvent.Kind.RELEASED, why=why, actor=actor)


def _switch(item: Item, *, to: bool, kind: str, why: str, actor: Person | None) -> bool:
    with transaction.atomic():
        changed = Item.objects.filter(pk=item.pk, quarantined=not to).update(quarantined=to)
        if changed:
            ItemEvent.objects.create(item=item, kind=kind, detail=why, actor=actor)
    return bool(changed)
