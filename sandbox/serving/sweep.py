"""Looks at everything now and then: what Redis lost is published again, what nobody needs any more is taken away."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import TypeVar

from django.db.models import F, Model, Q, QuerySet
from django.utils import timezone

from sandbox import live
from sandbox.catalog import folders
from sandbox.connections import redis_client
from sandbox.registry import versions
from sandbox.serving import compute, nodes, rollout, snapshot
from sandbox.serving.models import Endpoint, EndpointConfig, EndpointKind, ServedEntity
from sandbox.workspaces import operations as workspaces
from sandbox.workspaces.models import Token

log = logging.getLogger(__name__)
Row = TypeVar("Row", bound=Model)
Thing = TypeVar("Thing")

SWEPT_KEY = "control:swept"
"""`run_id` of the Redis server that was swept last; another or none means that Redis started anew."""
CHUNK = 500
ENDED_TOKENS_KEPT = timedelta(days=30)


def sweep_if_redis_is_new() -> None:
    """After a restart Redis may have forgotten its last second, or everything."""
    redis = redis_client()
    run_id = str(redis.info("server")["run_id"])
    if (redis.get(SWEPT_KEY) or b"").decode() != run_id:
        log.info("Redis started anew: publishing what it lacks")
        sweep()


def sweep() -> None:
    redis = redis_client()
    run_id = str(redis.info("server")["run_id"])
    _publish_tokens()
    _withdraw_tokens()
    _publish_endpoints()
    _withdraw_endpoints()
    _stop_replicas()
    _place_what_waits()
    versions.give_up_unfinished(timezone.now())
    folders.remove_left_over(timezone.now())
    redis.set(SWEPT_KEY, run_id)


def _publish_tokens() -> None:
    for tokens in _chunks(workspaces.usable_tokens().filter(user__is_active=True).select_related("user").order_by("id")):
        for token, is_there in zip(tokens, _exist([live.token_key(t.sha256) for t in tokens]), strict=True):
            if not is_there:
                workspaces.publish(token)


def _withdraw_tokens() -> None:
    """Whatever opens nothing any more: revoked while Redis was away, expired, or gone together with its person."""
    redis, prefix = redis_client(), live.token_key("")
    for keys in _batched(redis.scan_iter(match=f"{prefix}*", count=1000)):
        published = {key.decode().removeprefix(prefix) for key in keys}
        usable = workspaces.usable_tokens().filter(sha256__in=published, user__is_active=True).values_list("sha256", flat=True)
        for sha256 in published - set(usable):
            live.withdraw_token(redis, sha256)
    old = timezone.now() - ENDED_TOKENS_KEPT  # the query panel and each proof make one that lives for minutes
    Token.objects.filter(Q(revoked_at__lt=old) | Q(expires_at__lt=old)).delete()


def _publish_endpoints() -> None:
    for endpoints in _chunks(Endpoint.objects.select_related("workspace").order_by("id")):
        published = redis_client().mget([live.endpoint_key(e.workspace_id, e.name) for e in endpoints])
        configs = _active_configs(endpoints)
        for endpoint, data in zip(endpoints, published, strict=True):
            wanted = snapshot.live_endpoint(endpoint, configs.get(endpoint.id), with_keys=False)
            if data is None or _without_keys(live.LiveEndpoint.from_json(data)) != wanted:
                snapshot.sync(endpoint.workspace_id, endpoint.name)


def _active_configs(endpoints: list[Endpoint]) -> dict[str, EndpointConfig]:
    active = EndpointConfig.objects.filter(endpoint__in=endpoints, config_version=F("endpoint__active_version"))
    return {config.endpoint_id: config for config in active.prefetch_related("entities")}


def _without_keys(endpoint: live.LiveEndpoint) -> live.LiveEndpoint:
    entities = tuple(
        replace(e, external={**e.external, "api_key_ciphertext": ""}) if e.external else e for e in endpoint.entities
    )
    return replace(endpoint, entities=entities)


def _withdraw_endpoints() -> None:
    """Snapshots whose endpoint was deleted by a process that died before it could say so."""
    prefix = live.endpoint_key("", "").rstrip(":")
    for key in redis_client().scan_iter(match=f"{prefix}:*", count=1000):
        _, _, workspace_id, name = key.decode().split(":", 3)
        if not Endpoint.objects.filter(workspace_id=workspace_id, name=name).exists():
            snapshot.sync(workspace_id, name)


def _stop_replicas() -> None:
    """Replicas of entities that are deleted, replaced or at zero."""
    prefix = live.replicas_key("")
    keys = redis_client().scan_iter(match=f"{prefix}*", count=1000)
    running = {key.decode().removeprefix(prefix) for key in keys}
    wanted = ServedEntity.objects.filter(id__in=running, config__retired_at=None, is_at_zero=False)
    for entity_id in running - set(wanted.values_list("id", flat=True)):
        nodes.stop(entity_id)


def _place_what_waits() -> None:
    """Entities with fewer replicas than they ask for: there was no room, or the limit of the site has been raised."""
    active = ServedEntity.objects.filter(is_at_zero=False, config__config_version=F("config__endpoint__active_version"))
    for entities in _chunks(active.exclude(config__endpoint__kind=EndpointKind.EXTERNAL).select_related("config").order_by("id")):
        for entity in entities:
            if compute.wanted_replicas(entity) != sum(entity.placement.values()):
                rollout.reconcile(entity.config.endpoint_id)


def _exist(keys: list[str]) -> list[bool]:
    pipe = redis_client().pipeline(transaction=False)
    for key in keys:
        pipe.exists(key)
    return [bool(found) for found in pipe.execute()]


def _chunks(rows: QuerySet[Row]) -> Iterator[list[Row]]:
    """The rows in lists of at most CHUNK, without holding all of them."""
    return _batched(rows.iterator(chunk_size=CHUNK))


def _batched(things: Iterator[Thing]) -> Iterator[list[Thing]]:
    while batch := list(islice(things, CHUNK)):
        yield batch
