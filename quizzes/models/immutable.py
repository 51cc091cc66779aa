"""Rows that are written once: a change is a new row. Only erasing a person takes them along (by cascade)."""

from typing import Any, NoReturn, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model, covariant=True)


class ImmutableRowError(Exception):
    """Somebody tried to change or delete a row that may only be added."""


class AppendOnlyQuerySet(models.QuerySet[M]):
    """Refuses the bulk ways around `AppendOnly.save`."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise ImmutableRowError(f"{self.model.__name__} rows are never changed; add a new one.")

    def delete(self) -> NoReturn:
        raise ImmutableRowError(f"{self.model.__name__} rows are never deleted.")


class AppendOnly(models.Model):
    """Base of append-only rows: the first `save` inserts, a second one is refused."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding:
            raise ImmutableRowError(f"{type(self).__name__} {self.pk} was written before; add a new one.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ImmutableRowError(f"{type(self).__name__} rows are never deleted.")
