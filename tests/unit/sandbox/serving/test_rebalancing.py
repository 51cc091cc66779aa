"""Moves of replicas to an emptier node: the new one is there before the old one goes, one at a time, and not again at once."""

import time
from typing import Any

import pytest

from sandbox import metrics
from sandbox.serving import operations, rebalancing, tick
from sandbox.serving.models import DeploymentEvent, ServedEntity
from tests.unit.sandbox.serving.rollouts import config, create, deploy, state

NAMES = ("one", "three", "two")


@pytest.fixture
def crowded(workspace: Any, node: Any, control: Any) -> list[ServedEntity]:
    """Three endpoints, all on node-1."""
    found = []
    for name in NAMES:
        endpoint = deploy(workspace, node, control, name=name)
        found.append(ServedEntity.objects.get(config__endpoint=endpoint))
    tick.tick()  # their arrival is noted
    return found


def places(entity: ServedEntity) -> dict[str, int]:
    entity.refresh_from_db()
    return {address.partition("/")[0]: number for address, number in entity.placement.items()}


def moves(entity: ServedEntity) -> list[str]:
    return list(
        DeploymentEvent.objects.filter(
            endpoint=entity.config.endpoint, type="REPLICA_MOVES", served_entity_name=entity.name
        ).values_list("message", flat=True)
    )


def test_a_lone_node_moves_nothing(crowded: list[ServedEntity], node: Any, redis: Any) -> None:
    tick.tick()
    assert node.orders() == []
    assert not redis.exists(rebalancing.MOVE_KEY)


def test_the_new_one_is_ready_before_the_old_one_goes(crowded: list[ServedEntity], node: Any, control: Any, redis: Any) -> None:
    other = type(node)(redis, "node-2")
    tick.tick()
    (moving,) = (entity for entity in crowded if len(places(entity)) == 2)
    assert other.started() == [moving.id]
    assert node.orders() == []
    assert moves(moving) == ["A replica moves from node-1 to node-2, which has less to do."]
    tick.tick()
    assert (node.orders(), other.orders()) == ([], []), "asked for once, and one move at a time"

    other.announce(moving.id)
    control.run()

    assert (node.stopped(), other.orders()) == ([moving.id], [])
    assert places(moving) == {"node-2": 1}
    assert not redis.exists(rebalancing.MOVE_KEY)


def test_moves_end_when_the_nodes_have_alike_to_do(crowded: list[ServedEntity], node: Any, control: Any, redis: Any) -> None:
    other = type(node)(redis, "node-2")
    for _ in range(6):
        tick.tick()
        node.obey()
        other.obey()
        control.run()
    assert sorted(str(places(entity)) for entity in crowded) == ["{'node-1': 1}", "{'node-1': 1}", "{'node-2': 1}"]
    assert sum(len(moves(entity)) for entity in crowded) == 1


def test_one_that_does_not_come_up_is_given_up(crowded: list[ServedEntity], node: Any, control: Any, redis: Any) -> None:
    other = type(node)(redis, "node-2")
    tick.tick()
    (moving,) = (entity for entity in crowded if len(places(entity)) == 2)
    other.orders()
    redis.delete(rebalancing.MOVE_KEY)  # its time is over
    tick.tick()

    assert places(moving) == {"node-1": 1}
    assert other.stopped() == [moving.id]
    assert node.orders() == []
    assert redis.exists(rebalancing.RESTING_KEY.format(entity_id=moving.id))
    tick.tick()
    (next_one,) = (entity for entity in crowded if len(places(entity)) == 2)
    assert next_one.id != moving.id, "not the same one again"


def test_two_replicas_of_a_full_node_are_spread(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    endpoint = deploy_wide(workspace, node, control)
    entity = ServedEntity.objects.get(config__endpoint=endpoint)
    assert places(entity) == {"node-1": 2}
    other = type(node)(redis, "node-2")
    for _ in range(3):
        tick.tick()
        node.obey()
        other.obey()
        control.run()
    assert places(entity) == {"node-1": 1, "node-2": 1}


def test_what_is_called_moves_first(crowded: list[ServedEntity], node: Any, redis: Any) -> None:
    busy = sorted(crowded, key=lambda entity: entity.id)[-1]
    redis.zadd(metrics.ACTIVE_KEY, {busy.id: time.time()})
    other = type(node)(redis, "node-2")
    tick.tick()
    assert other.started() == [busy.id]


def deploy_wide(workspace: Any, node: Any, control: Any) -> Any:
    create(workspace, "wide", body=config(1, workload_size="Medium"))
    for _ in range(3):
        control.run()
        node.obey()
    control.run()
    tick.tick()
    assert state(workspace, "wide") == ("READY", "NOT_UPDATING")
    return operations.get_endpoint(workspace, "wide")
