"""What the steps of a scene share, and the placeholders that their arguments may hold."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quizzes.proofs.client import ProofClient
from quizzes.proofs.facts import parsed

Step = Mapping[str, Any]
POLL_S = 0.1


@dataclass
class Scene:
    """What the steps share: the endpoint, the facts so far, and how many rows its inference table must come to have."""

    client: ProofClient
    name: str
    facts: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    logged_calls: int = 0
    left_behind: list[tuple[str, str, Any]] = field(default_factory=list)
    """Requests (method, path, body) that take away what the steps registered."""

    @property
    def table(self) -> str:
        return f"main.default.`{self.name}_payload`"

    def report(self, step: Step, **facts: Any) -> None:
        """Keep the facts of a step as `<as>.<fact>`; a step without `as` reports nothing."""
        if label := step.get("as"):
            self.facts |= {f"{label}.{name}": value for name, value in facts.items()}

    def tidy(self) -> None:
        """Take away what the steps registered; endpoints are removed by the client's own `clean_up`."""
        with self.client.unrecorded():
            for method, path, body in reversed(self.left_behind):
                self.client.http(method, path, body)


def fill(scene: Scene, text: str) -> str:
    """`{name}` and `{id}` of the endpoint, `{other}` for a second one of this run."""
    filled = text.replace("{name}", scene.name).replace("{other}", scene.client.endpoint_name("other"))
    return filled.replace("{id}", str(endpoint(scene).get("id", ""))) if "{id}" in filled else filled


def fill_body(scene: Scene, body: Any) -> Any:
    """The body with `{name}` and `{other}` filled in."""
    if body is None:
        return None
    return json.loads(json.dumps(body).replace("{name}", scene.name).replace("{other}", scene.client.endpoint_name("other")))


def endpoint(scene: Scene) -> dict[str, Any]:
    """The endpoint as its GET shows it, outside of the record; empty when it is not there."""
    with scene.client.unrecorded():
        return parsed(scene.client.http("GET", f"/api/2.0/serving-endpoints/{scene.name}")) or {}


def shares_of(config: Mapping[str, Any]) -> dict[str, int]:
    """Percentages by the name of the served entity."""
    routes = (config.get("traffic_config") or {}).get("routes") or []
    return {route["served_entity_name"]: route["traffic_percentage"] for route in routes}
