"""Tags of an object as its pages show them."""

from sandbox.catalog.models import Securable, Tag


def tags_of(row: Securable) -> list[Tag]:
    """Those on the object itself, by key."""
    return list(Tag.objects.filter(securable=row, column="").order_by("key"))
