"""States of a workspace for the checks of the champion and challenger lab."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from quizzes.labs.outcomes import LabState
from sandbox.public import CapturedRequest, EndpointSummary, EntitySummary, RouteSummary

MODEL = "main.default.churn"
STARTED = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def entity(name: str, version: str, model: str = MODEL) -> EntitySummary:
    return EntitySummary(
        entity_id=f"id-of-{name}", name=name, entity_name=model, entity_version=version, deployment="DEPLOYMENT_READY"
    )


def routes(**shares: int) -> tuple[RouteSummary, ...]:
    return tuple(RouteSummary(served_entity_name=name, traffic_percentage=share) for name, share in shares.items())


def endpoint(**changes: Any) -> EndpointSummary:
    right = EndpointSummary(
        name="churn-ab",
        ready="READY",
        config_update="NOT_UPDATING",
        config_version=1,
        entities=(entity("champion", "1"), entity("challenger", "2")),
        routes=routes(champion=80, challenger=20),
    )
    return replace(right, **changes)


def calls(entity_name: str, count: int, *, status: int = 200, first_id: int = 0) -> list[CapturedRequest]:
    return [
        CapturedRequest(
            databricks_request_id=f"{entity_name}-{first_id + number}",
            client_request_id=None,
            request_time=STARTED + timedelta(seconds=number),
            status_code=status,
            execution_duration_ms=1,
            served_entity_id=f"id-of-{entity_name}",
        )
        for number in range(count)
    ]


def solved(**changes: Any) -> LabState:
    """The reference solution: both versions at 80/20 and 120 answered requests."""
    state = LabState(
        endpoint=endpoint(),
        requests=(*calls("champion", 97), *calls("challenger", 23)),
        model=MODEL,
        champion_version="1",
        challenger_version="2",
    )
    return replace(state, **changes)
