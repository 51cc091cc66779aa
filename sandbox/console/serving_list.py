"""Which endpoints the Serving list shows: what was searched for and chosen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sandbox.console.endpoint_pages import KIND_WORDS, EndpointView

PER_PAGE = 25
STATE_WORDS = {
    "ready": "Ready",
    "updating": "Updating",
    "failed": "Update failed",
    "stopped": "Stopped",
    "not_ready": "Not ready",
}


@dataclass(frozen=True)
class Choices:
    """What the pickers offer: only what is there."""

    states: list[tuple[str, str]]
    kinds: list[tuple[str, str]]
    tags: list[str]
    creators: list[str]


@dataclass(frozen=True)
class Filters:
    """Every part may be empty, for all."""

    q: str = ""
    state: str = ""
    kind: str = ""
    tag: str = ""
    creator: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "Filters":
        return cls(**{name: (query.get(name) or "").strip()[:200] for name in ("q", "state", "kind", "tag", "creator")})

    @property
    def is_set(self) -> bool:
        return self != Filters()

    def of_these(self, found: Iterable[EndpointView]) -> list[EndpointView]:
        return [endpoint for endpoint in found if self._fits(endpoint)]

    def _fits(self, endpoint: EndpointView) -> bool:
        return (
            all(word in _words(endpoint) for word in self.q.lower().split())
            and self.state in {"", state_of(endpoint)}
            and self.kind in {"", endpoint.kind}
            and (not self.tag or self.tag in map(tag_words, endpoint.tags))
            and self.creator in {"", endpoint.creator}
        )


def choices(found: list[EndpointView]) -> Choices:
    states, kinds = {state_of(e) for e in found}, {e.kind for e in found}
    return Choices(
        states=[(key, words) for key, words in STATE_WORDS.items() if key in states],
        kinds=[(key, words) for key, words in KIND_WORDS.items() if key in kinds],
        tags=sorted({tag_words(tag) for e in found for tag in e.tags}),
        creators=sorted({e.creator for e in found if e.creator}),
    )


def state_of(endpoint: EndpointView) -> str:
    """One word for an endpoint: what is under way or went wrong goes before whether it answers."""
    if endpoint.config_update == "IN_PROGRESS":
        return "updating"
    if endpoint.config_update == "UPDATE_FAILED":
        return "failed"
    if endpoint.is_stopped:
        return "stopped"
    return "ready" if endpoint.ready == "READY" else "not_ready"


def tag_words(tag: Mapping[str, str]) -> str:
    return f"{tag['key']}: {tag['value']}" if tag.get("value") else tag["key"]


def _words(endpoint: EndpointView) -> str:
    """Everything that a search looks at: names, models, creator, tags."""
    entities = endpoint.shown_config.entities if endpoint.shown_config else ()
    parts = [endpoint.name, endpoint.creator, endpoint.description, *map(tag_words, endpoint.tags)]
    parts += [f"{entity.name} {entity.model} {entity.version}" for entity in entities]
    return " ".join(parts).lower()
