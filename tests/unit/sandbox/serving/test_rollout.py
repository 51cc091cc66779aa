"""The reconciler: what it does next, that it may be called again, and that the old config serves until the new one can."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sandbox import live, service_logs
from sandbox.catalog import lineage, system_tables
from sandbox.catalog.lineage import Kind, Node
from sandbox.replicas.messages import NODE_START
from sandbox.serving import operations, rollout, tick
from sandbox.serving.models import BuildStatus, Endpoint, EndpointConfig, ModelBuild, ServedEntity
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_config
from sandbox.workspaces.members import Caller
from tests.unit.sandbox.serving.rollouts import (
    SHA,
    config,
    create,
    deploy,
    entity_of,
    event_types,
    give_builds,
    published,
    run_clock_since,
    state,
)


def test_it_works(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    endpoint = create(workspace, body=config(1, 2, percentages=(80, 20)))
    assert state(workspace) == ("NOT_READY", "IN_PROGRESS")
    waiting = published(redis, workspace)
    assert waiting is not None
    assert "not ready yet" in waiting.not_ready_message

    assert control.run() == ["serving.reconcile"]
    started = node.started()
    assert len(started) == 2
    node.announce(started[0])
    control.run()
    assert state(workspace) == ("NOT_READY", "IN_PROGRESS")
    node.announce(started[1])
    control.run()

    assert state(workspace) == ("READY", "NOT_UPDATING")
    snapshot = published(redis, workspace)
    assert snapshot is not None
    assert (snapshot.config_version, snapshot.not_ready_message) == (1, "")
    assert snapshot.routes == (live.LiveRoute("churn-1", 80), live.LiveRoute("churn-2", 20))
    assert [(e.name, e.runtime, e.model_sha256) for e in snapshot.entities] == [
        ("churn-1", "onnx", SHA),
        ("churn-2", "onnx", SHA),
    ]
    assert snapshot.inference_table == "main.default.churn_payload"
    assert sorted(e.entity_id for e in snapshot.entities) == sorted(started)
    assert event_types(endpoint) == ["ENDPOINT_CREATED", "DEPLOYMENT_READY", "DEPLOYMENT_READY", "CONFIG_UPDATE_FINISHED"]


def test_calling_again_does_nothing_again(workspace: Any, node: Any, control: Any) -> None:
    endpoint = create(workspace)
    control.run()
    for _ in range(3):
        rollout.reconcile(endpoint.id)
    assert len(node.started()) == 1
    events = event_types(endpoint)
    for _ in range(3):
        tick.tick()
    assert event_types(endpoint) == events


def test_the_old_config_serves_until_the_new_one_is_ready(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    endpoint = deploy(workspace, node, control)
    old = entity_of(endpoint, 1)

    operations.update_config(workspace, "churn", read_config(config(2)))
    give_builds(workspace)
    control.run()
    assert state(workspace) == ("READY", "IN_PROGRESS")
    snapshot = published(redis, workspace)
    assert snapshot is not None
    assert [e.entity_id for e in snapshot.entities] == [old.id]
    new = entity_of(endpoint, 2)
    assert node.orders() == [(NODE_START, new.id)]

    node.announce(new.id)
    control.run()

    snapshot = published(redis, workspace)
    assert snapshot is not None
    assert (snapshot.config_version, [e.entity_id for e in snapshot.entities]) == (2, [new.id])
    assert node.stopped() == [old.id]
    assert state(workspace) == ("READY", "NOT_UPDATING")


def test_a_failed_update_leaves_the_active_config_alone(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    endpoint = deploy(workspace, node, control)
    before = published(redis, workspace)
    operations.update_config(workspace, "churn", read_config(config(2, 3, percentages=(50, 50))))
    give_builds(workspace)
    ModelBuild.objects.filter(entity_version="3").update(
        status=BuildStatus.FAILED, message="No module named 'lightning'.", log="line 1"
    )
    control.run()

    assert state(workspace) == ("READY", "UPDATE_FAILED")
    assert published(redis, workspace) == before
    body = detailed(operations.get_endpoint(workspace, "churn"), workspace)
    assert body["config"]["config_version"] == 1
    pending = body["pending_config"]
    assert pending["config_version"] == 2
    assert [(e["name"], e["state"]["deployment"]) for e in pending["served_entities"]] == [
        ("churn-2", "DEPLOYMENT_ABORTED"),
        ("churn-3", "DEPLOYMENT_FAILED"),
    ]
    assert pending["served_entities"][1]["state"]["deployment_state_message"] == "No module named 'lightning'."
    orders = node.orders()
    ids = {e.name: e.id for e in ServedEntity.objects.filter(config__endpoint=endpoint, config__config_version=2)}
    assert orders[0] == (NODE_START, ids["churn-2"])
    assert {entity_id for _, entity_id in orders[1:]} == {ids["churn-2"]}
    assert "CONFIG_UPDATE_FAILED" in event_types(endpoint)

    operations.update_config(workspace, "churn", read_config(config(4)))
    assert state(workspace) == ("READY", "IN_PROGRESS")


def test_an_idle_entity_goes_to_zero_and_a_call_wakes_it(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    endpoint = deploy(workspace, node, control, body=config(1, scale_to_zero_enabled=True))
    entity = entity_of(endpoint, 1)
    tick.tick()
    assert node.stopped() == []

    ten_seconds_ago = timezone.now() - timedelta(seconds=10)
    redis.set(live.idle_key(entity.id), ten_seconds_ago.timestamp())
    ServedEntity.objects.filter(id=entity.id).update(state_changed_at=ten_seconds_ago)
    run_clock_since(ten_seconds_ago, workspace, factor=170.0)  # 28 minutes
    tick.tick()
    assert node.stopped() == []
    run_clock_since(ten_seconds_ago, workspace, factor=190.0)  # 32 minutes
    tick.tick()
    assert node.stopped() == [entity.id]
    entity.refresh_from_db()
    assert (entity.is_at_zero, entity.deployment, entity.deployment_state_message) == (True, "DEPLOYMENT_READY", "Scaled to zero")
    assert state(workspace) == ("READY", "NOT_UPDATING")
    node.lose(entity.id)
    control.run()
    assert node.orders() == []

    rollout.wake(entity.id)
    rollout.wake(entity.id)
    assert node.started() == [entity.id]
    tick.tick()
    assert state(workspace) == ("READY", "NOT_UPDATING")
    node.announce(entity.id)
    control.run()
    tick.tick()
    assert node.orders() == []
    assert event_types(endpoint)[-2:] == ["SCALED_TO_ZERO", "SCALED_FROM_ZERO"]


def test_an_entity_without_scale_to_zero_stays(workspace: Any, node: Any, control: Any) -> None:
    deploy(workspace, node, control)
    ServedEntity.objects.update(state_changed_at=timezone.now() - timedelta(days=1))
    tick.tick()
    assert node.orders() == []


def test_waking_what_is_not_active_does_nothing(workspace: Any, node: Any, control: Any) -> None:
    endpoint = create(workspace)
    rollout.wake(entity_of(endpoint, 1).id)
    rollout.wake("0" * 32)
    assert node.orders() == []


def test_deleting_takes_everything_away(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    endpoint = deploy(workspace, node, control)
    entity = entity_of(endpoint, 1)
    service_logs.append(redis, entity.id, [service_logs.LogLine(1.0, "r1", "printed")])
    operations.delete_endpoint(workspace, "churn")

    assert published(redis, workspace) is None
    assert node.stopped() == [entity.id]
    assert service_logs.lines(redis, entity.id) == []
    assert ServedEntity.objects.count() == 0
    assert create(workspace, built=False).name == "churn"


@pytest.mark.parametrize("moment", ["published", "stopped"])
def test_a_process_that_dies_after_activating_is_finished_by_the_next(
    workspace: Any, node: Any, control: Any, redis: Any, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    endpoint = deploy(workspace, node, control)
    old = entity_of(endpoint, 1)
    operations.update_config(workspace, "churn", read_config(config(2)))
    give_builds(workspace)
    control.run()
    new = entity_of(endpoint, 2)
    node.announce(new.id)
    node.orders()

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            rollout.snapshot if moment == "published" else rollout.nodes, "sync" if moment == "published" else "stop", die
        )
        with pytest.raises(KeyboardInterrupt):
            rollout.reconcile(endpoint.id)
    row = Endpoint.objects.get(id=endpoint.id)
    assert (row.active_version, row.published_version) == (2, None)

    tick.tick()
    snapshot = published(redis, workspace)
    assert snapshot is not None
    assert [e.entity_id for e in snapshot.entities] == [new.id]
    assert node.stopped() == [old.id]
    assert EndpointConfig.objects.get(endpoint=endpoint, config_version=1).retired_at is not None


def test_who_reads_ready_may_call_at_once(
    workspace: Any, node: Any, control: Any, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of what follows the change of the row is needed for an answer."""
    create(workspace)
    control.run()
    node.announce(node.started()[0])
    with monkeypatch.context() as patch:
        patch.setattr(rollout, "settle", lambda _: None)
        control.run()
    assert state(workspace) == ("READY", "NOT_UPDATING")
    snapshot = published(redis, workspace)
    assert snapshot is not None
    assert (snapshot.config_version, snapshot.not_ready_message) == (1, "")


def test_an_endpoint_deleted_at_the_last_moment_stays_deleted(
    workspace: Any, node: Any, control: Any, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(workspace)
    control.run()
    node.announce(node.started()[0])
    announce = rollout.snapshot.announce

    def announce_after_deletion(endpoint: Endpoint, config: EndpointConfig) -> None:
        operations.delete_endpoint(workspace, "churn")
        announce(endpoint, config)

    monkeypatch.setattr(rollout.snapshot, "announce", announce_after_deletion)
    control.run()
    assert published(redis, workspace) is None


def test_a_reader_with_an_old_row_does_not_stop_a_newer_config(workspace: Any, node: Any, control: Any) -> None:
    endpoint = deploy(workspace, node, control)
    Endpoint.objects.filter(id=endpoint.id).update(published_version=None)
    stale = Endpoint.objects.select_related("workspace").get(id=endpoint.id)
    operations.update_config(workspace, "churn", read_config(config(2)))
    rollout.settle(stale)
    assert node.stopped() == []
    assert EndpointConfig.objects.get(endpoint=endpoint, config_version=2).retired_at is None


def test_an_active_config_leaves_lineage_and_rows_of_served_entities(workspace: Any, node: Any, control: Any) -> None:
    endpoint = deploy(workspace, node, control)
    entity = entity_of(endpoint, 1)
    around = lineage.around(workspace, Node(Kind.ENDPOINT, "churn"))
    assert [(source.name, target.name) for source, target in around.edges] == [
        ("churn", "main.default.churn_payload"),
        ("main.default.churn/1", "churn"),
    ]
    caller = Caller(workspace, workspace.owner)
    rows = system_tables.read(caller, "system.serving.served_entities")
    assert rows is not None
    shown = rows.select(["served_entity_id", "endpoint_name", "entity_name", "entity_version", "custom_model_config"]).to_pylist()
    assert shown == [
        {
            "served_entity_id": entity.id,
            "endpoint_name": "churn",
            "entity_name": "main.default.churn",
            "entity_version": "1",
            "custom_model_config": {"min_concurrency": 4, "max_concurrency": 4, "compute_type": "CPU"},
        }
    ]
    operations.delete_endpoint(workspace, "churn")
    assert lineage.around(workspace, Node(Kind.ENDPOINT, "churn")) == around
