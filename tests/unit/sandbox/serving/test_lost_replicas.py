"""Replicas and nodes that go: others take their place, or the entity says why not."""

from typing import Any

from sandbox import live
from sandbox.serving import operations, tick
from tests.unit.sandbox.serving.rollouts import create, deploy, entity_of, published, state


def test_a_replica_that_cannot_start_fails_the_endpoint(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    create(workspace)
    control.run()
    node.fail(node.started()[0], "The model uses an operator that is not allowed: Loop.")
    control.run()

    assert state(workspace) == ("NOT_READY", "UPDATE_FAILED")
    snapshot = published(redis, workspace)
    assert snapshot is not None
    assert "could not be deployed" in snapshot.not_ready_message


def test_a_lost_replica_is_recovered(workspace: Any, node: Any, control: Any) -> None:
    endpoint = deploy(workspace, node, control)
    entity = entity_of(endpoint, 1)
    node.lose(entity.id)
    control.run()

    entity.refresh_from_db()
    assert entity.deployment == "DEPLOYMENT_RECOVERING"
    assert state(workspace) == ("NOT_READY", "NOT_UPDATING")
    assert node.started() == [entity.id]

    node.announce(entity.id)
    control.run()
    assert state(workspace) == ("READY", "NOT_UPDATING")


def test_replicas_of_a_dead_node_move_to_another(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    endpoint = deploy(workspace, node, control)
    entity = entity_of(endpoint, 1)
    other = type(node)(redis, "node-2")
    node.die()
    tick.tick()

    assert other.started() == [entity.id]
    assert redis.hlen(live.replicas_key(entity.id)) == 0
    entity.refresh_from_db()
    assert entity.deployment == "DEPLOYMENT_RECOVERING"


def test_without_a_node_it_waits_and_says_so(workspace: Any, node: Any, control: Any) -> None:
    node.die()
    endpoint = create(workspace)
    control.run()
    assert entity_of(endpoint, 1).deployment_state_message == "No node is running that could start a replica."

    node.live("two")
    tick.tick()
    assert node.started() == [entity_of(endpoint, 1).id]


def test_a_node_that_came_back_is_asked_again_at_once(workspace: Any, node: Any, control: Any) -> None:
    endpoint = create(workspace)
    control.run()
    assert len(node.started()) == 1
    tick.tick()
    assert node.started() == []

    node.live("two")
    tick.tick()
    assert node.started() == [entity_of(endpoint, 1).id]


def test_a_replica_that_comes_up_after_the_end_is_stopped(workspace: Any, node: Any, control: Any) -> None:
    create(workspace)
    control.run()
    (entity_id,) = node.started()
    operations.delete_endpoint(workspace, "churn")
    node.orders()
    node.announce(entity_id)
    control.run()
    assert node.stopped() == [entity_id]
