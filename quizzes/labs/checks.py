"""The checks of labs by name: each looks at the state of a workspace and says what it expected and what it found; pure."""

from collections import Counter
from collections.abc import Callable

from quizzes.labs.outcomes import LabState, Outcome, failed, not_run, passed
from quizzes.labs.statistics import binomial_range
from sandbox.public import EndpointSummary, EntitySummary

CHAMPION_PERCENTAGE = 80
CHALLENGER_PERCENTAGE = 20
REQUESTS_WANTED = 100
NO_ENDPOINT = "Not checked: there is no such endpoint yet."


def endpoint_ready(state: LabState) -> Outcome:
    """The endpoint exists, is READY and has no update under way."""
    expected = "An endpoint of the lab's name with state READY and NOT_UPDATING."
    if state.endpoint is None:
        return failed(expected, "There is no endpoint of this name in your workspace.")
    got = f"{state.endpoint.name} is {state.endpoint.ready} and {state.endpoint.config_update}."
    is_ready = state.endpoint.ready == "READY" and state.endpoint.config_update == "NOT_UPDATING"
    return passed(expected, got) if is_ready else failed(expected, got)


def two_versions(state: LabState) -> Outcome:
    """Exactly the champion's and the challenger's version are served."""
    wanted = sorted([f"{state.model} version {state.champion_version}", f"{state.model} version {state.challenger_version}"])
    expected = f"Two served entities: {wanted[0]} and {wanted[1]}."
    if state.endpoint is None:
        return not_run(expected, NO_ENDPOINT)
    found = sorted(f"{entity.entity_name} version {entity.entity_version}" for entity in state.endpoint.entities)
    got = f"Served: {', '.join(found) or 'nothing'}."
    return passed(expected, got) if found == wanted else failed(expected, got)


def split_80_20(state: LabState) -> Outcome:
    """The champion's route has 80 percent, the challenger's 20."""
    expected = f"{CHAMPION_PERCENTAGE} percent for the champion, {CHALLENGER_PERCENTAGE} percent for the challenger."
    if state.endpoint is None:
        return not_run(expected, NO_ENDPOINT)
    shares = _shares_by_version(state.endpoint)
    shown = ", ".join(f"version {version} of {model}: {share} percent" for (model, version), share in sorted(shares.items()))
    wanted = {
        (state.model, state.champion_version): CHAMPION_PERCENTAGE,
        (state.model, state.challenger_version): CHALLENGER_PERCENTAGE,
    }
    got = f"{shown or 'No route'}."
    return passed(expected, got) if shares == wanted else failed(expected, got)


def traffic_observed(state: LabState) -> Outcome:
    """Enough requests were answered by the current entities, and the champion's share is believable for 80/20."""
    expected = f"At least {REQUESTS_WANTED} answered requests, about {CHAMPION_PERCENTAGE} percent of them by the champion."
    if state.endpoint is None:
        return not_run(expected, NO_ENDPOINT)
    champion = _entity(state, state.endpoint, state.champion_version)
    challenger = _entity(state, state.endpoint, state.challenger_version)
    if champion is None or challenger is None:
        return not_run(expected, "Not checked: the endpoint does not serve both versions.")
    answered = _answered_by(state)
    by_champion, by_challenger = answered[champion.entity_id], answered[challenger.entity_id]
    total = by_champion + by_challenger
    got = f"{total} answered requests: {by_champion} by the champion, {by_challenger} by the challenger."
    if total < REQUESTS_WANTED:
        return failed(expected, f"{got} Rows arrive some seconds after the answer.")
    low, high = binomial_range(total, CHAMPION_PERCENTAGE / 100)
    expected = f"{expected} Of {total}, {low} to {high} are believable."
    fits = by_challenger > 0 and by_champion > 0 and low <= by_champion <= high
    return passed(expected, got) if fits else failed(expected, got)


def _shares_by_version(endpoint: EndpointSummary) -> dict[tuple[str, str], int]:
    """Percentage by (model, version); entities without traffic are left out."""
    versions = {entity.name: (entity.entity_name, entity.entity_version) for entity in endpoint.entities}
    shares: Counter[tuple[str, str]] = Counter()
    for route in endpoint.routes:
        shares[versions.get(route.served_entity_name, ("an unknown entity", "?"))] += route.traffic_percentage
    return {version: share for version, share in shares.items() if share}


def _entity(state: LabState, endpoint: EndpointSummary, version: str) -> EntitySummary | None:
    """The entity that serves this version of the lab's model."""
    matches = (e for e in endpoint.entities if (e.entity_name, e.entity_version) == (state.model, version))
    return next(matches, None)


def _answered_by(state: LabState) -> Counter[str | None]:
    """Number of requests answered with 200, each request id counted once, by served entity id."""
    answers = {r.databricks_request_id: r.served_entity_id for r in state.requests if r.status_code == 200}
    return Counter(answers.values())


CHECKS: dict[str, Callable[[LabState], Outcome]] = {
    "endpoint_ready": endpoint_ready,
    "two_versions": two_versions,
    "split_80_20": split_80_20,
    "traffic_observed": traffic_observed,
}
