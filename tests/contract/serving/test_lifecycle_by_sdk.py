"""Stop, start, cancel and the states in between, as databricks-sdk sees them."""

from datetime import timedelta
from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.service import serving

from tests.contract.serving.endpoints import activate, config, deployments, entity, states

ROOT = "/api/2.0/serving-endpoints"


def do(w: Any, name: str, what: str) -> Any:
    """What people call stop and start with: the SDK has no method for them."""
    return w.api_client.do("POST", f"{ROOT}/{name}/config:{what}")


def test_it_stops_and_starts_with_a_new_config_version(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1, 2, churn_1=70, churn_2=30))
    activate("churn")

    stopped = do(w, "churn", "stop")
    assert stopped["state"] == {"ready": "NOT_READY", "config_update": "NOT_UPDATING", "suspend": "STOPPED"}
    got = w.serving_endpoints.get("churn")
    assert deployments(got.config) == [("DEPLOYMENT_ABORTED", "The endpoint is stopped.")] * 2
    assert got.config.config_version == 1
    assert do(w, "churn", "stop")["state"]["suspend"] == "STOPPED"

    started = do(w, "churn", "start")
    assert started["state"] == {"ready": "NOT_READY", "config_update": "IN_PROGRESS", "suspend": "NOT_SUSPENDED"}
    got = w.serving_endpoints.get("churn")
    assert got.pending_config.config_version == 2
    assert [(e.name, e.entity_version, e.workload_size) for e in got.pending_config.served_entities] == [
        ("churn-1", "1", "Small"),
        ("churn-2", "2", "Small"),
    ]
    assert [(r.served_entity_name, r.traffic_percentage) for r in got.pending_config.traffic_config.routes] == [
        ("churn-1", 70),
        ("churn-2", 30),
    ]
    activate("churn")
    ready = w.serving_endpoints.wait_get_serving_endpoint_not_updating("churn", timeout=timedelta(seconds=90))
    assert (states(ready), ready.config.config_version) == (("READY", "NOT_UPDATING"), 2)


def test_what_cannot_be_stopped_or_started(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    with pytest.raises(errors.ResourceConflict, match="Endpoint churn is currently updating"):
        do(w, "churn", "stop")
    activate("churn")
    with pytest.raises(errors.InvalidState, match="Endpoint churn is not stopped"):
        do(w, "churn", "start")

    model = serving.ExternalModel(
        provider=serving.ExternalModelProvider.OPENAI,
        name="gpt-4o-mini",
        task="llm/v1/chat",
        openai_config=serving.OpenAiConfig(openai_api_key_plaintext="sk-pasted"),
    )
    chat = serving.ServedEntityInput(name="chat", external_model=model)
    w.serving_endpoints.create(name="chat", config=serving.EndpointCoreConfigInput(name="chat", served_entities=[chat]))
    activate("chat")
    with pytest.raises(errors.InvalidParameterValue, match="Only custom models can be stopped"):
        do(w, "chat", "stop")
    for what in ("stop", "start", "cancel"):
        with pytest.raises(errors.ResourceDoesNotExist, match="Serving endpoint with name nothing not found"):
            do(w, "nothing", what)


def test_a_cancelled_update_leaves_the_active_config(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    with pytest.raises(errors.InvalidState, match="has no update in progress"):
        do(w, "churn", "cancel")

    waiter = w.serving_endpoints.update_config("churn", served_entities=[entity(2)])
    do(w, "churn", "cancel")
    with pytest.raises(errors.OperationFailed, match="UPDATE_CANCELED"):
        waiter.result(timeout=timedelta(seconds=90))
    got = w.serving_endpoints.get("churn")
    assert states(got) == ("READY", "UPDATE_CANCELED")
    assert (got.config.config_version, got.config.served_entities[0].entity_version) == (1, "1")
    assert deployments(got.config) == [("DEPLOYMENT_READY", "")]
    assert got.pending_config.config_version == 2
    assert deployments(got.pending_config) == [("DEPLOYMENT_ABORTED", "The update was cancelled.")]

    again = w.serving_endpoints.update_config("churn", served_entities=[entity(3)]).response
    assert (again.pending_config.config_version, states(again)) == (3, ("READY", "IN_PROGRESS"))


def test_a_cancelled_start_is_stopped_again(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    do(w, "churn", "stop")
    do(w, "churn", "start")
    assert do(w, "churn", "cancel")["state"] == {
        "ready": "NOT_READY",
        "config_update": "UPDATE_CANCELED",
        "suspend": "STOPPED",
    }
    assert do(w, "churn", "start")["pending_config"]["config_version"] == 3


def test_a_stopped_endpoint_takes_another_config(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    do(w, "churn", "stop")
    w.serving_endpoints.update_config("churn", served_entities=[entity(2)])
    activate("churn")
    got = w.serving_endpoints.get("churn")
    assert (states(got), got.config.served_entities[0].entity_version) == (("READY", "NOT_UPDATING"), "2")


def test_a_failed_update_names_the_failure_and_leaves_the_active_config(w: Any) -> None:
    from sandbox.serving import rollout
    from sandbox.serving.models import Endpoint, ModelBuild, ServedEntity

    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    percentages = [serving.Route(served_entity_name=n, traffic_percentage=50) for n in ("churn-2", "churn-3")]
    w.serving_endpoints.update_config(
        "churn", served_entities=[entity(2), entity(3)], traffic_config=serving.TrafficConfig(routes=percentages)
    )
    endpoint = Endpoint.objects.get()
    failed = ModelBuild.objects.create(
        workspace=endpoint.workspace, entity_name="main.default.churn", entity_version="2", source="m",
        status="failed", message="An error occurred while loading the model. No module named 'shap'.",
    )  # fmt: skip
    ServedEntity.objects.filter(name="churn-1").update(is_at_zero=True)  # no node: else it would be missed
    ServedEntity.objects.filter(name="churn-2").update(build=failed)
    rollout.reconcile(endpoint.id)

    got = w.serving_endpoints.get("churn")
    assert states(got) == ("READY", "UPDATE_FAILED")
    assert (got.config.config_version, deployments(got.config)) == (1, [("DEPLOYMENT_READY", "")])
    assert deployments(got.pending_config) == [
        ("DEPLOYMENT_FAILED", "An error occurred while loading the model. No module named 'shap'."),
        ("DEPLOYMENT_ABORTED", "Stopped because churn-2 failed."),
    ]
    listed = next(iter(w.serving_endpoints.list()))
    assert (states(listed), listed.config.served_entities[0].entity_version) == (("READY", "UPDATE_FAILED"), "1")


def test_the_list_is_whole_when_another_config_becomes_active_meanwhile(w: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading the rows and reading their configs the update ends: both must be of one time."""
    from django.db.models import query

    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    w.serving_endpoints.update_config("churn", served_entities=[entity(2)])
    prefetch = query.prefetch_related_objects
    pending = [True]

    def in_between(*arguments: Any, **more: Any) -> Any:
        if pending.pop() if pending else False:
            activate("churn")
        return prefetch(*arguments, **more)

    monkeypatch.setattr(query, "prefetch_related_objects", in_between)
    listed = list(w.serving_endpoints.list())
    assert not pending
    assert [(states(e), e.config.served_entities[0].entity_version) for e in listed] == [(("READY", "NOT_UPDATING"), "2")]


def test_delete_takes_everything_and_frees_the_name(w: Any) -> None:
    w.serving_endpoints.create(name="churn", config=config(1))
    activate("churn")
    do(w, "churn", "stop")
    w.serving_endpoints.delete("churn")
    with pytest.raises(errors.ResourceDoesNotExist):
        w.serving_endpoints.delete("churn")
    assert w.serving_endpoints.create(name="churn", config=config(1)).response.pending_config.config_version == 1
