"""What the pages show of an endpoint, read from the same answer that the REST API gives."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

Kind = Literal["custom", "foundation", "external"]
KIND_WORDS: dict[str, str] = {"custom": "Custom model", "foundation": "Foundation model", "external": "External model"}
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
    is_mine: bool
    """Whether this workspace may change it; the preconfigured endpoints belong to nobody."""

    @property
    def kind_word(self) -> str:
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


def endpoint_view(answer: Mapping[str, Any]) -> EndpointView:
    """A page's view of one `ServingEndpointDetailed`."""
    config = _config_view(answer.get("config"))
    pending = _config_view(answer.get("pending_config"))
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
        is_mine=answer.get("permission_level") == "CAN_MANAGE",
    )


def _config_view(raw: Mapping[str, Any] | None) -> ConfigView | None:
    """None when there is no such config or it serves nothing."""
    entities = (raw or {}).get("served_entities") or []
    if raw is None or not entities:
        return None
    shares = _shares(raw)
    rows = (_entity_row(entity, shares, position) for position, entity in enumerate(entities))
    return ConfigView(int(raw.get("config_version", 0)), tuple(rows))


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
    )


def _model_words(raw: Mapping[str, Any], external: Mapping[str, Any] | None, foundation: Mapping[str, Any] | None) -> str:
    if external:
        return f"{external['provider']} / {external['name']}"
    return str(raw.get("entity_name") or (foundation or {}).get("display_name") or "")


def _moment(epoch_ms: int | None) -> datetime | None:
    return None if epoch_ms is None else datetime.fromtimestamp(epoch_ms / 1000, tz=UTC)
