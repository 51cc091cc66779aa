"""The checks of the lab: the reference passes, nothing fails, and planted wrong solutions are caught by the right check."""

import pytest

from quizzes.labs.checks import CHECKS
from quizzes.labs.outcomes import LabState
from tests.unit.quizzes.lab_states import calls, endpoint, entity, routes, solved

EMPTY = solved(endpoint=None, requests=())
SAME_VERSION_TWICE = endpoint(entities=(entity("champion", "1"), entity("challenger", "1")))
ONE_ENTITY = endpoint(entities=(entity("champion", "1"),), routes=routes(champion=100))
THREE_ENTITIES = endpoint(
    entities=(entity("champion", "1"), entity("challenger", "2"), entity("third", "1", "main.default.fraud")),
    routes=routes(champion=80, challenger=20, third=0),
)
OTHER_MODEL = endpoint(entities=(entity("champion", "1", "main.default.fraud"), entity("challenger", "2", "main.default.fraud")))

MUTANTS: dict[str, tuple[LabState, set[str]]] = {
    "the endpoint is not ready": (solved(endpoint=endpoint(ready="NOT_READY")), {"endpoint_ready"}),
    "an update is under way": (solved(endpoint=endpoint(config_update="IN_PROGRESS")), {"endpoint_ready"}),
    "the last update failed": (solved(endpoint=endpoint(config_update="UPDATE_FAILED")), {"endpoint_ready"}),
    "only the champion is served": (solved(endpoint=ONE_ENTITY), {"two_versions", "split_80_20"}),
    "the champion is served twice": (solved(endpoint=SAME_VERSION_TWICE), {"two_versions", "split_80_20"}),
    "another model is served": (solved(endpoint=OTHER_MODEL), {"two_versions", "split_80_20"}),
    "a third entity is served": (solved(endpoint=THREE_ENTITIES), {"two_versions"}),
    "the shares are exchanged": (solved(endpoint=endpoint(routes=routes(champion=20, challenger=80))), {"split_80_20"}),
    "the split is 50/50": (solved(endpoint=endpoint(routes=routes(champion=50, challenger=50))), {"split_80_20"}),
    "the split is 81/19": (solved(endpoint=endpoint(routes=routes(champion=81, challenger=19))), {"split_80_20"}),
    "the challenger gets no traffic": (solved(endpoint=endpoint(routes=routes(champion=100, challenger=0))), {"split_80_20"}),
    "one request is missing": (solved(requests=(*calls("champion", 80), *calls("challenger", 19))), {"traffic_observed"}),
    "nothing was sent": (solved(requests=()), {"traffic_observed"}),
    "every request was refused": (
        solved(requests=(*calls("champion", 97, status=400), *calls("challenger", 23, status=400))),
        {"traffic_observed"},
    ),
    "only the champion was called directly": (solved(requests=tuple(calls("champion", 120))), {"traffic_observed"}),
    "only the challenger was called directly": (solved(requests=tuple(calls("challenger", 120))), {"traffic_observed"}),
    "the calls were shared out evenly by hand": (
        solved(requests=(*calls("champion", 60), *calls("challenger", 60))),
        {"traffic_observed"},
    ),
    "another endpoint's entities answered": (solved(requests=tuple(calls("stranger", 300))), {"traffic_observed"}),
    "one answer was logged a hundred times": (
        solved(requests=tuple(calls("champion", 1) * 97 + calls("challenger", 23))),
        {"traffic_observed"},
    ),
}


def verdicts(state: LabState) -> dict[str, str]:
    return {name: check(state).verdict for name, check in CHECKS.items()}


def test_the_reference_solution_passes() -> None:
    assert set(verdicts(solved()).values()) == {"pass"}


def test_an_empty_workspace_fails() -> None:
    found = verdicts(EMPTY)
    assert found == {"endpoint_ready": "fail", "two_versions": "not-run", "split_80_20": "not-run", "traffic_observed": "not-run"}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_wrong_solution_is_caught_by_the_check_it_breaks(name: str) -> None:
    state, broken = MUTANTS[name]
    assert {check for check, verdict in verdicts(state).items() if verdict == "fail"} == broken


def test_entities_may_have_any_names_and_stand_in_any_order() -> None:
    turned = endpoint(entities=(entity("b", "2"), entity("a", "1")), routes=routes(b=20, a=80))
    assert set(verdicts(solved(endpoint=turned, requests=(*calls("a", 97), *calls("b", 23)))).values()) == {"pass"}


def test_the_versions_are_those_that_the_aliases_point_to() -> None:
    assert verdicts(solved(champion_version="2", challenger_version="1"))["split_80_20"] == "fail"


@pytest.mark.parametrize(("by_champion", "verdict"), [(65, "fail"), (66, "pass"), (80, "pass"), (92, "pass"), (93, "fail")])
def test_the_observed_share_must_be_believable(by_champion: int, verdict: str) -> None:
    requests = (*calls("champion", by_champion), *calls("challenger", 100 - by_champion))
    assert verdicts(solved(requests=requests))["traffic_observed"] == verdict


def test_a_check_says_what_it_expected_and_what_it_got() -> None:
    outcome = CHECKS["split_80_20"](solved(endpoint=endpoint(routes=routes(champion=50, challenger=50))))
    assert outcome.expected == "80 percent for the champion, 20 percent for the challenger."
    assert outcome.got == "version 1 of main.default.churn: 50 percent, version 2 of main.default.churn: 50 percent."
