"""Endpoints hear of what happens to the online tables that they look up in: an event, and a sentence beside their state.

Deleting or changing a table that is in use is allowed there [docs: Databricks Online Feature Stores, "unexpected failures in
downstream dependencies"], so it is said and not refused; requests are refused rather than answered with other numbers.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.db import transaction
from redis.exceptions import RedisError

from sandbox.features.models import OnlineTable
from sandbox.features.plan import LookupPlan, TableLookup, misfit
from sandbox.features.sync import current_pointer
from sandbox.serving import afterwards, events
from sandbox.serving.models import ServedEntity

DELETED = (
    "The online table {online_table} was deleted. Requests that need features of {table} are refused until it is published again "
    "and the config is updated."
)
AGAIN = "The online table {online_table} has its rows again, and is kept up to date."
State = OnlineTable.State


def online_table_changed(sender: Any, table: OnlineTable, **_: Any) -> None:
    """Receiver of `online_table_changed`."""
    _tell(table, table)


def online_table_was_deleted(sender: Any, table: OnlineTable, **_: Any) -> None:
    """Receiver of `online_table_deleted`."""
    _tell(table, None)


def _tell(table: OnlineTable, now: OnlineTable | None) -> None:
    """Bring the sentence of each entity that looks up in the table up to date; `now` None for a table that goes."""
    entities = ServedEntity.objects.filter(config__endpoint__workspace_id=table.workspace_id, config__retired_at=None)
    using = [
        (entity, plan)
        for entity in entities.filter(lookups__isnull=False).select_related("config__endpoint")
        if entity.lookups and table.pk in (plan := LookupPlan.from_dict(entity.lookups)).online_table_ids
    ]
    if not using:
        return
    for entity, plan in using:
        others = OnlineTable.objects.filter(pk__in=plan.online_table_ids).exclude(pk=table.pk)
        there = {each.pk: each for each in [*others, *([now] if now is not None else [])]}
        troubles = (_trouble(lookup, there.get(lookup.online_table_id), plan.types) for lookup in plan.tables)
        _say(entity, " ".join(dict.fromkeys(filter(None, troubles))), AGAIN.format(online_table=table.full_name))


def _trouble(lookup: TableLookup, online: OnlineTable | None, types: Mapping[str, str]) -> str:
    """What is wrong with one of the plan's tables; empty when all is well."""
    if online is None:
        return DELETED.format(online_table=lookup.online_table, table=lookup.table)
    if why := _misfit(lookup, types):
        return f"The online table {online.full_name} {why}. Requests that need features of {lookup.table} are refused."
    if online.state in {State.FAILED, State.PIPELINE_FAILED}:
        return f"The online table {online.full_name} is not kept up to date: {online.message}"
    if online.synced_version is None:
        return f"The online table {online.full_name} lost its rows, which are being copied anew; until then requests are refused."
    return ""


def _misfit(lookup: TableLookup, types: Mapping[str, str]) -> str:
    """Of the rows that replicas find now; empty too while the store does not answer."""
    with suppress(RedisError):
        if (pointer := current_pointer(lookup.online_table_id)) is not None:
            return misfit(lookup, pointer.key_columns, dict(zip(pointer.columns, pointer.types, strict=True)), types)
    return ""


def _say(entity: ServedEntity, sentence: str, again: str) -> None:
    """One event for each change of the sentence."""
    with transaction.atomic():
        as_read = ServedEntity.objects.filter(id=entity.id, lookups_message=entity.lookups_message)
        if as_read.exclude(lookups_message=sentence).update(lookups_message=sentence):
            events.of_entity(entity, events.LOOKUPS_BROKEN if sentence else events.LOOKUPS_RESTORED, sentence or again)
            afterwards.reconcile(entity.config.endpoint)
