"""The snapshot in which control plane and data plane meet: control publishes, the gateway reads.

Everything here is plain data in Redis, so that no invocation touches the database:

========================================  =====================================================
``live:endpoint:<workspace_id>:<name>``   JSON of a LiveEndpoint
``live:token:<sha256 of the token>``      JSON of a LiveToken
``live:replicas:<entity_id>``             hash replica_id -> JSON of a LiveReplica, kept by the nodes
``live:failures:<entity_id>``             JSON {"message": …}: the entity cannot start (FAILED)
``live:idle:<entity_id>``                 time of the last invocation, seconds since the epoch
channel ``live``                          the key that just changed; gateways drop it from their cache
========================================  =====================================================
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

import orjson

CHANNEL = "live"
SYSTEM_WORKSPACE = "system"
"""Workspace id of the preconfigured foundation endpoints, which every workspace can query."""

Runtime = Literal["onnx", "pyfunc", "embedding", "spec", "external"]


@dataclass(frozen=True)
class LiveRoute:
    """A share of the traffic; the shares of an endpoint add up to 100."""

    served_entity_name: str
    traffic_percentage: int


@dataclass(frozen=True)
class LiveEntity:
    """One served entity of the active config, as far as an invocation needs it."""

    entity_id: str
    name: str
    runtime: Runtime
    entity_name: str
    entity_version: str
    model_sha256: str = ""
    """Content address of the model file (`sandbox.builds.store`); empty for external models and feature specs."""
    scale_to_zero: bool = False
    max_concurrency: int = 4
    """The most provisioned concurrency it may scale up to: how many requests may wait goes by it."""
    external: dict[str, Any] = field(default_factory=dict)
    """For runtime `external`: provider, model, task, base_url, api_key_ciphertext (Fernet)."""


@dataclass(frozen=True)
class LiveLimit:
    """So many calls, or tokens, in a minute; None is no limit."""

    counter: str
    """`endpoint`, `user` or `group:<name>`; what is counted under `user` is counted for each person."""
    calls: int | None = None
    tokens: int | None = None
    people: frozenset[str] | None = None
    """Ids of those whom it is for; None for everybody."""


@dataclass(frozen=True)
class LiveEndpoint:
    """What the gateway knows of an endpoint: its active config and where its calls are logged."""

    workspace_id: str
    endpoint_id: str
    name: str
    config_version: int
    task: str
    routes: tuple[LiveRoute, ...]
    entities: tuple[LiveEntity, ...]
    inference_table: str
    """Three-level name of the inference table; empty when capture is switched off."""
    not_ready_message: str = ""
    """Non-empty while no config is active: the sentence that an invocation is answered with."""
    may_query: frozenset[str] | None = None
    """Ids of the people with CAN_QUERY or more; None for everybody who has a token of the workspace."""
    limits: tuple[LiveLimit, ...] = ()

    @property
    def key(self) -> str:
        return endpoint_key(self.workspace_id, self.name)

    def allows(self, user_id: str) -> bool:
        """Whether the person may send invocations."""
        return self.may_query is None or user_id in self.may_query

    def entity(self, served_name: str) -> LiveEntity | None:
        for each in self.entities:  # a generator would take three times as long, for every request
            if each.name == served_name:
                return each
        return None

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self), default=sorted)

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        raw = orjson.loads(data)
        if raw.get("may_query") is not None:
            raw["may_query"] = frozenset(raw["may_query"])
        raw["routes"] = tuple(LiveRoute(**r) for r in raw["routes"])
        raw["entities"] = tuple(LiveEntity(**e) for e in raw["entities"])
        raw["limits"] = tuple(_limit(each) for each in raw.get("limits", ()))
        return cls(**raw)


def _limit(raw: dict[str, Any]) -> LiveLimit:
    people = raw.pop("people")
    return LiveLimit(**raw, people=None if people is None else frozenset(people))


@dataclass(frozen=True)
class LiveToken:
    """Who a bearer token speaks for. `expires_at_s` is seconds since the epoch, 0 for never."""

    token_id: str
    workspace_id: str
    requester: str
    expires_at_s: float = 0.0
    user_id: str = ""
    """What `LiveEndpoint.may_query` knows a person by."""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return cls(**orjson.loads(data))


@dataclass(frozen=True)
class LiveReplica:
    """A replica that answers: its own queue, and the node that holds it."""

    replica_id: str
    queue: str
    node: str
    pid: int
    draining: bool = False
    """True while it finishes what it was sent and takes nothing new."""
    device: str = "cpu"
    """Where it computes: `cpu` or `cuda:<index>`."""

    def to_json(self) -> bytes:
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        return cls(**orjson.loads(data))


def endpoint_key(workspace_id: str, name: str) -> str:
    return f"live:endpoint:{workspace_id}:{name}"


def token_key(sha256: str) -> str:
    return f"live:token:{sha256}"


def replicas_key(entity_id: str) -> str:
    return f"live:replicas:{entity_id}"


def failure_key(entity_id: str) -> str:
    return f"live:failures:{entity_id}"


def idle_key(entity_id: str) -> str:
    return f"live:idle:{entity_id}"


# --- the control plane's side (synchronous) ------------------------------------------------------


def publish_endpoint(redis: Any, endpoint: LiveEndpoint) -> None:
    """Make this the config that gateways route by; they see it at once."""
    redis.set(endpoint.key, endpoint.to_json())
    redis.publish(CHANNEL, endpoint.key)


def withdraw_endpoint(redis: Any, workspace_id: str, name: str) -> None:
    """Forget the endpoint; the next invocation answers 404."""
    redis.delete(endpoint_key(workspace_id, name))
    redis.publish(CHANNEL, endpoint_key(workspace_id, name))


def publish_token(redis: Any, sha256: str, token: LiveToken) -> None:
    redis.set(token_key(sha256), token.to_json())
    redis.publish(CHANNEL, token_key(sha256))


def withdraw_token(redis: Any, sha256: str) -> None:
    redis.delete(token_key(sha256))
    redis.publish(CHANNEL, token_key(sha256))


def replicas(redis: Any, entity_id: str) -> list[LiveReplica]:
    """The replicas that take requests: ready, not draining, not reported gone."""
    found = [LiveReplica.from_json(value) for value in redis.hvals(replicas_key(entity_id))]
    return [replica for replica in found if not replica.draining]


def failure(redis: Any, entity_id: str) -> str:
    """Why the entity's replica could not start or kept crashing; empty when it did not."""
    data = redis.get(failure_key(entity_id))
    return str(orjson.loads(data)["message"]) if data else ""


def last_invocation_s(redis: Any, entity_id: str) -> float | None:
    """Seconds since the epoch of the entity's last invocation; None when it never had one."""
    value = redis.get(idle_key(entity_id))
    return float(value) if value else None
