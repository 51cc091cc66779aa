"""What the pages show of an endpoint, read from the same answer that the REST API gives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["custom", "foundation", "external"]
KIND_WORDS: dict[str, str] = {"custom": "Custom model", "foundation": "Foundation model", "external": "External model"}
FEATURES_WORDS = "Feature serving"
"""A custom endpoint that serves feature specs alone."""
KIND_ICONS: dict[str, str] = {"custom": "package", "foundation": "brain", "external": "world"}
TONES = 6
"""Colours in site.css (`tone-1` … `tone-6`) that tell the served entities of one picture apart."""


@dataclass(frozen=True)
class EntityRow:
    """One served entity: what it is, how it fares, and its share of the traffic in percent."""

    name: str
    kind: Kind
    model: str
    version: str
    size: str
    workload_type: str
    scale_to_zero: bool
    state: str
    message: str
    traffic_percentage: int
    tone: int
    lowest_concurrency: int | None = None
    highest_concurrency: int | None = None
    """Provisioned concurrency where it was given in numbers instead of a size."""
    environment_vars: tuple[str, ...] = ()
    """Their names."""
    entity_id: str = ""
    """`ServedEntity.id`, by which measurements and logs know it."""

    @property
    def is_feature_spec(self) -> bool:
        return self.kind == "custom" and not self.version

    @property
    def size_words(self) -> str:
        if self.highest_concurrency is None:
            return self.size
        return f"Concurrency {self.lowest_concurrency}–{self.highest_concurrency}"


@dataclass(frozen=True)
class ConfigView:
    """A numbered config and its entities."""

    version: int
    entities: tuple[EntityRow, ...]

    @property
    def traffic_words(self) -> str:
        """The split as a sentence, for whoever does not see the picture."""
        return ", ".join(f"{entity.name} {entity.traffic_percentage} %" for entity in self.entities)


@dataclass(frozen=True)
class EndpointView:
    """An endpoint with its active config (None until one is ready) and the one that is rolling out or failed last."""

    name: str
    endpoint_id: str
    kind: Kind
    task: str
    description: str
    creator: str
    created_at: datetime | None
    ready: str
    config_update: str
    config: ConfigView | None
    pending: ConfigView | None
    level: str
    """What the person may do: CAN_VIEW, CAN_QUERY or CAN_MANAGE."""
    is_stopped: bool = False
    tags: tuple[Mapping[str, str], ...] = ()
    email_notifications: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_preconfigured: bool = False
    """One that all workspaces share; what others do with it is not shown."""
    sees_table: bool = True
    """Whether the person may read the workspace's inference tables."""

    @property
    def can_query(self) -> bool:
        return self.level in {"CAN_QUERY", "CAN_MANAGE"}

    @property
    def can_manage(self) -> bool:
        return self.level == "CAN_MANAGE"

    @property
    def can_stop(self) -> bool:
        """Whether stopping would be taken now [serving.lifecycle]."""
        return self.can_manage and self.kind == "custom" and self.is_settled and self.config is not None and not self.is_stopped

    @property
    def can_start(self) -> bool:
        return self.can_manage and self.is_stopped and self.is_settled

    @property
    def can_edit(self) -> bool:
        """Those of the kinds that people create."""
        return self.can_manage and self.kind != "foundation" and self.shown_config is not None

    @property
    def said(self) -> str:
        """The state as a sentence, for whoever does not see the page change."""
        if self.config_update == "IN_PROGRESS":
            return f"{self.name} is updating."
        if self.config_update == "UPDATE_FAILED":
            return f"The update of {self.name} failed."
        if self.config_update == "UPDATE_CANCELED":
            return f"The update of {self.name} was cancelled."
        if self.is_stopped:
            return f"{self.name} is stopped."
        version = f" Config {self.config.version} is active." if self.config else ""
        return f"{self.name} is {'ready' if self.ready == 'READY' else 'not ready'}.{version}"

    @property
    def is_emulated(self) -> bool:
        """Whether an entity says that its workload type is only emulated."""
        shown = [config for config in (self.config, self.pending) if config is not None]
        return any("emulated" in entity.message for config in shown for entity in config.entities)

    @property
    def kind_word(self) -> str:
        entities = self.shown_config.entities if self.shown_config else ()
        if entities and all(entity.is_feature_spec for entity in entities):
            return FEATURES_WORDS
        return KIND_WORDS[self.kind]

    @property
    def kind_icon(self) -> str:
        return KIND_ICONS[self.kind]

    @property
    def is_settled(self) -> bool:
        """Nothing is under way: the page may refresh rarely."""
        return self.config_update != "IN_PROGRESS"

    @property
    def shown_config(self) -> ConfigView | None:
        """What the list names: the active config, or the first one while it rolls out."""
        return self.config or self.pending


EntityIds = Mapping[tuple[int, str], str]
"""(config version, name of the served entity) -> its id, which the REST API does not show."""


def endpoint_view(answer: Mapping[str, Any], entity_ids: EntityIds | None = None, **more: Any) -> EndpointView:
    """A page's view of one `ServingEndpointDetailed`; `more` are fields that are not in it."""
    config = _config_view(answer.get("config"), entity_ids or {})
    pending = _config_view(answer.get("pending_config"), entity_ids or {})
    entities = (config or pending or ConfigView(0, ())).entities
    state = answer.get("state", {})
    return EndpointView(
        name=answer["name"],
        endpoint_id=answer.get("id", ""),
        kind=entities[0].kind if entities else "custom",
        task=answer.get("task", ""),
        description=answer.get("description", ""),
        creator=answer.get("creator", ""),
        created_at=_moment(answer.get("creation_timestamp")),
        ready=state.get("ready", "NOT_READY"),
        config_update=state.get("config_update", "NOT_UPDATING"),
        config=config,
        pending=pending,
        level=answer.get("permission_level", "CAN_VIEW"),
        is_stopped=state.get("suspend") == "STOPPED",
        tags=tuple(answer.get("tags") or ()),
        email_notifications=answer.get("email_notifications") or {},
        **more,
    )


def _config_view(raw: Mapping[str, Any] | None, entity_ids: EntityIds) -> ConfigView | None:
    """None when there is no such config or it serves nothing."""
    entities = (raw or {}).get("served_entities") or []
    if raw is None or not entities:
        return None
    shares = _shares(raw)
    version = int(raw.get("config_version", 0))
    rows = (_entity_row(entity, shares, position) for position, entity in enumerate(entities))
    return ConfigView(version, tuple(replace(row, entity_id=entity_ids.get((version, row.name), "")) for row in rows))


def _shares(raw: Mapping[str, Any]) -> dict[str, int]:
    routes = (raw.get("traffic_config") or {}).get("routes") or []
    return {route["served_entity_name"]: int(route["traffic_percentage"]) for route in routes}


def _entity_row(raw: Mapping[str, Any], shares: Mapping[str, int], position: int) -> EntityRow:
    external, foundation = raw.get("external_model"), raw.get("foundation_model")
    kind: Kind = "external" if external else "foundation" if foundation else "custom"
    state = raw.get("state") or {}
    return EntityRow(
        name=raw.get("name", ""),
        kind=kind,
        model=_model_words(raw, external, foundation),
        version=str(raw.get("entity_version", "")),
        size=raw.get("workload_size", ""),
        workload_type=raw.get("workload_type", ""),
        scale_to_zero=bool(raw.get("scale_to_zero_enabled")),
        state=state.get("deployment", ""),
        message=state.get("deployment_state_message", ""),
        traffic_percentage=shares.get(raw.get("name", ""), 0),
        tone=position % TONES + 1,
        lowest_concurrency=raw.get("min_provisioned_concurrency"),
        highest_concurrency=raw.get("max_provisioned_concurrency"),
        environment_vars=tuple(raw.get("environment_vars") or ()),
    )


def _model_words(raw: Mapping[str, Any], external: Mapping[str, Any] | None, foundation: Mapping[str, Any] | None) -> str:
    if external:
        return f"{external['provider']} / {external['name']}"
    return str(raw.get("entity_name") or (foundation or {}).get("display_name") or "")


def _moment(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
