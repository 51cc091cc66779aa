"""Sentences for misconception tags, as the catalogue beside the banks has them."""

from functools import cache

from django.conf import settings

from quizzes.bank_files import read_catalogue


@cache
def sentences() -> dict[str, str]:
    """All beliefs by their tag."""
    return read_catalogue(settings.FIXTURES_DIR / "banks").misconceptions


def sentence_of(tag: str) -> str:
    """The belief in words; an old tag that the catalogue no longer has is shown as its words."""
    return sentences().get(tag, f"{tag.replace('-', ' ').capitalize()}.")
