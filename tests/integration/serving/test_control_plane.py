"""The control plane against replicas that answer: stop and start, permissions at the gateway, fifty updates at once."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from databricks.sdk import errors
from databricks.sdk.service.serving import (
    EmailNotifications,
    EndpointCoreConfigInput,
    ServedEntityInput,
    ServingEndpointAccessControlRequest,
    ServingEndpointPermissionLevel,
)
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.deployed import workspace_client
from tests.stack import Stack, wait_for

GOOD = {"dataframe_records": [{"a": 1.0, "b": 2.0, "c": 3.5}]}
SUM = {"predictions": [pytest.approx(6.5)]}
NAME = "controlled"
UPDATES_AT_ONCE = 50


def entity(name: str | None = None) -> ServedEntityInput:
    return ServedEntityInput(
        name=name, entity_name="main.default.adder", entity_version="1", workload_size="Small", scale_to_zero_enabled=False
    )


@pytest.fixture(scope="module")
def controlled(sdk: Any, adder: str) -> Iterator[str]:
    """An endpoint of its own with a model that is built already."""
    sdk.serving_endpoints.create_and_wait(
        name=NAME,
        config=EndpointCoreConfigInput(name=NAME, served_entities=[entity()]),
        email_notifications=EmailNotifications(on_update_success=["learner@example.org"]),
    )
    yield NAME
    sdk.serving_endpoints.delete(NAME)


def ask(http: httpx.Client) -> httpx.Response:
    return http.post(f"/serving-endpoints/{NAME}/invocations", json=GOOD)


def test_a_stopped_endpoint_answers_400_until_it_is_started(sdk: Any, http: httpx.Client, controlled: str) -> None:
    assert ask(http).json() == SUM
    path = f"/api/2.0/serving-endpoints/{controlled}"
    sdk.api_client.do("POST", f"{path}/config:stop")
    refused = ask(http)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "INVALID_STATE")
    assert refused.json()["message"] == "Endpoint controlled is stopped. Start it, and wait until its state is READY."
    assert sdk.serving_endpoints.get(controlled).state.ready.value == "NOT_READY"

    sdk.api_client.do("POST", f"{path}/config:start")
    started = sdk.serving_endpoints.wait_get_serving_endpoint_not_updating(controlled)
    assert (started.state.ready.value, started.config.config_version) == ("READY", 2)
    assert ask(http).json() == SUM


def test_gateways_let_through_who_may_query(stack: Stack, sdk: Any, controlled: str) -> None:
    instructor = next(user for user in [sdk.users.create(user_name="instructor")])
    try:
        token = stack.manage("issue_token", "instructor", "--workspace", "learner").splitlines()[-1]
        with httpx.Client(base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as hers:
            refused = ask(hers)
            assert (refused.status_code, refused.json()) == (
                403,
                {
                    "error_code": "PERMISSION_DENIED",
                    "message": "User does not have permission 'Query' on Endpoint controlled.",
                },
            )
            assert controlled not in hers.get("/serving-endpoints/models").text
            endpoint_id = sdk.serving_endpoints.get(controlled).id
            for level, status in (("CAN_VIEW", 403), ("CAN_QUERY", 200), ("CAN_MANAGE", 200)):
                given = ServingEndpointAccessControlRequest(
                    user_name=instructor.user_name, permission_level=ServingEndpointPermissionLevel(level)
                )
                sdk.serving_endpoints.update_permissions(endpoint_id, access_control_list=[given])
                wait_for(lambda status=status: ask(hers).status_code == status, 60, f"{level} was not seen by the gateway")
            assert controlled in hers.get("/serving-endpoints/models").text
            sdk.serving_endpoints.set_permissions(endpoint_id)
            wait_for(lambda: ask(hers).status_code == 403, 60, "the gateway did not see that permissions were taken")
        other = stack.token("instructor")
        with pytest.raises(errors.NotFound):
            workspace_client(stack, other).serving_endpoints.query(name=controlled, inputs=[[1, 2, 3]])
    finally:
        sdk.users.delete(instructor.id)
    with pytest.raises(errors.Unauthenticated):
        workspace_client(stack, token).serving_endpoints.query(name=controlled, inputs=[[1, 2, 3]])


def test_of_fifty_updates_at_once_one_wins_at_a_time(sdk: Any, http: httpx.Client, controlled: str) -> None:
    before = sdk.serving_endpoints.get(controlled).config.config_version
    answers: list[tuple[int, Any]] = []
    asked: list[int] = []
    done = threading.Event()

    def update(number: int) -> None:
        body = {"served_entities": [entity(f"writer-{number}").as_dict()]}
        answer = http.put(f"/api/2.0/serving-endpoints/{controlled}/config", json=body)
        answers.append((answer.status_code, answer.json()))

    def keep_asking() -> None:
        while not done.is_set():
            asked.append(ask(http).status_code)

    asking = threading.Thread(target=keep_asking)
    writers = [threading.Thread(target=update, args=(number,)) for number in range(UPDATES_AT_ONCE)]
    asking.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    settled = sdk.serving_endpoints.wait_get_serving_endpoint_not_updating(controlled)
    done.set()
    asking.join()

    won = [body for status, body in answers if status == 200]
    lost = [body for status, body in answers if status != 200]
    assert Counter(status for status, _ in answers).keys() <= {200, 409}
    assert len(won) >= 1
    assert {body["error_code"] for body in lost} == {"RESOURCE_CONFLICT"}
    versions = sorted(body["pending_config"]["config_version"] for body in won)
    assert versions == list(range(before + 1, before + 1 + len(won)))
    assert settled.config.config_version == versions[-1]
    last = next(body for body in won if body["pending_config"]["config_version"] == versions[-1])
    assert settled.config.served_entities[0].name == last["pending_config"]["served_entities"][0]["name"]
    assert (settled.state.ready.value, settled.pending_config) == ("READY", None)
    assert set(asked) == {200}


def test_the_success_is_told_and_metrics_count_the_calls(stack: Stack, sdk: Any, http: httpx.Client, controlled: str) -> None:
    def mails() -> list[str]:
        return [path.read_text() for path in (stack.data_dir / "mail").glob("*.log")]

    told = {"Subject: Serving endpoint controlled is updated", "To: learner@example.org"}
    wait_for(lambda: any(told <= set(mail.splitlines()) for mail in mails()), 90, "no e-mail was written", lambda: str(mails()))

    served = sdk.serving_endpoints.get(controlled).config.served_entities[0].name

    def counted() -> float:
        text = sdk.serving_endpoints.export_metrics(controlled).contents.read().decode()
        latency = next(f for f in text_string_to_metric_families(text) if f.name == "request_latency_ms")
        return sum(s.value for s in latency.samples if s.name.endswith("_count") and s.labels["served_entity_name"] == served)

    before = counted()
    for _ in range(7):
        assert ask(http).status_code == 200
    wait_for(lambda: counted() >= before + 7, 90, "the calls were not counted")
    document = httpx.get(
        f"{stack.url}/api/2.0/serving-endpoints/{controlled}/openapi", headers=dict(http.headers), timeout=30
    ).json()
    assert list(document["paths"]) == [f"/served-models/{served}/invocations"]
    assert "DEPLOYMENT_READY" in sdk.serving_endpoints.logs(controlled, served).logs
    assert sdk.serving_endpoints.build_logs(controlled, served).logs
