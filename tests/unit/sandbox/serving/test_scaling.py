"""Replicas in number: what a size asks for, what load changes, where they run, and what is said when a site cannot."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sandbox import live, metrics
from sandbox.measures import Load
from sandbox.serving import nodes, operations, sweep, tick
from sandbox.serving.models import BuildStatus, DeploymentEvent, Endpoint, ModelBuild, ServedEntity
from sandbox.serving.serializers import read_config, read_endpoint
from sandbox.workspaces.models import Workspace

SHA = "b" * 64
GIB = 1024**3


@pytest.fixture(autouse=True)
def many_replicas(settings: Any) -> None:
    settings.REPLICAS_PER_ENTITY_MAX = 8


def body(**entity: Any) -> dict[str, Any]:
    return {"served_entities": [{"entity_name": "main.default.churn", "entity_version": "1", **entity}]}


def give_build(workspace: Any) -> None:
    """What the build worker would have written by now."""
    waiting = ModelBuild.objects.filter(workspace=workspace, status=BuildStatus.WAITING)
    waiting.update(status=BuildStatus.READY, model_sha256=SHA)


def settle(control: Any, *all_nodes: Any) -> None:
    """Until nobody has anything to say any more."""
    for _ in range(5):
        control.run()
        for node in all_nodes:
            node.obey()


def deploy(workspace: Any, control: Any, *all_nodes: Any, **entity: Any) -> ServedEntity:
    operations.create_endpoint(workspace, "ada", read_endpoint({"name": "churn", "config": body(**entity)}))
    give_build(workspace)
    settle(control, *all_nodes)
    return now()


def now() -> ServedEntity:
    return ServedEntity.objects.select_related("config__endpoint").get(config__config_version=1)


def put_load(redis: Any, entity: ServedEntity, requests: int) -> None:
    pipe = redis.pipeline()
    metrics.write_load(pipe, entity.id, "gateway", Load(requests, 0, 0.0), time.time())
    pipe.execute()


def events(kind: str) -> list[str]:
    return list(DeploymentEvent.objects.filter(type=kind).values_list("message", flat=True))


@pytest.mark.parametrize(
    ("entity", "expected"),
    [
        ({"workload_size": "Small"}, 1),
        ({"workload_size": "Medium"}, 2),
        ({"workload_size": "Large"}, 4),
        ({"workload_size": "Large", "scale_to_zero_enabled": True}, 1),
        ({"min_provisioned_concurrency": 12, "max_provisioned_concurrency": 16}, 3),
    ],
)
def test_a_config_starts_with_the_lowest_number(
    workspace: Any, node: Any, control: Any, entity: dict[str, Any], expected: int
) -> None:
    found = deploy(workspace, control, node, **entity)
    assert found.deployment == "DEPLOYMENT_READY"
    assert node.counts == {found.id: expected}
    assert len(nodes.running(found.id, nodes.living_nodes())) == expected


def test_a_config_is_ready_when_all_its_replicas_are(workspace: Any, node: Any, control: Any) -> None:
    operations.create_endpoint(workspace, "ada", read_endpoint({"name": "churn", "config": body(workload_size="Medium")}))
    give_build(workspace)
    control.run()
    (entity_id,) = node.started()
    node.announce(entity_id, 1)
    control.run()
    assert now().deployment == "DEPLOYMENT_CREATING"
    node.announce(entity_id, 2)
    control.run()
    assert now().deployment == "DEPLOYMENT_READY"
    assert Endpoint.objects.get().active_version == 1


def test_load_scales_up_at_once_and_down_after_five_minutes_of_the_workspace(
    workspace: Any, node: Any, control: Any, redis: Any
) -> None:
    entity = deploy(workspace, control, node, min_provisioned_concurrency=4, max_provisioned_concurrency=32)
    put_load(redis, entity, 17)
    tick.tick()
    settle(control, node)
    assert node.counts == {entity.id: 5}
    assert len(nodes.running(entity.id, nodes.living_nodes())) == 5
    assert events("SCALED_UP") == ["Provisioned concurrency 4 → 20: 17 requests at the same time."]

    redis.delete(metrics.load_key(entity.id), metrics.ACTIVE_KEY)
    tick.tick()
    settle(control, node)
    assert node.counts == {entity.id: 5}
    a_second_ago = timezone.now() - timedelta(seconds=1)
    Workspace.objects.update(clock_set_at=a_second_ago, clock_set_to=a_second_ago, clock_factor=600)
    ServedEntity.objects.update(window_started_at=a_second_ago)  # ten minutes by the workspace's clock
    tick.tick()  # in the first window 5 were needed
    assert now().asked_replicas == 5
    ServedEntity.objects.update(window_started_at=a_second_ago)
    tick.tick()
    settle(control, node)
    assert node.counts == {entity.id: 1}
    assert len(nodes.running(entity.id, nodes.living_nodes())) == 1
    assert events("SCALED_DOWN") == ["Provisioned concurrency 20 → 4: less was needed for five minutes."]
    assert now().deployment == "DEPLOYMENT_READY"
    node.orders()
    tick.tick()
    assert node.orders() == []


def test_one_size_is_never_looked_at(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    entity = deploy(workspace, control, node, workload_size="Small")
    put_load(redis, entity, 500)
    tick.tick()
    assert node.orders() == []
    assert events("SCALED_UP") == []


def test_a_small_machine_runs_fewer_and_says_so(workspace: Any, node: Any, control: Any, settings: Any) -> None:
    settings.REPLICAS_PER_ENTITY_MAX = 2
    entity = deploy(workspace, control, node, workload_size="Large")
    assert node.counts == {entity.id: 2}
    assert entity.deployment == "DEPLOYMENT_READY"
    assert entity.deployment_state_message == (
        "4 replicas (provisioned concurrency 16) are asked for; this site runs at most 2 of one served entity."
    )


def test_a_gpu_without_a_device_is_emulated_and_says_so(workspace: Any, node: Any, control: Any) -> None:
    entity = deploy(workspace, control, node, workload_size="Small", workload_type="GPU_SMALL")
    sentence = "GPU_SMALL: emulated, no CUDA device on any node; it runs on the CPU."
    assert entity.deployment_state_message == sentence
    assert events("DEPLOYMENT_READY") == [sentence]
    assert node.specs[entity.id]["device"] == "cpu"


def test_a_gpu_goes_to_the_node_with_the_device(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    other = type(node)(redis, "node-2")
    other.live("one", cuda=[{"index": 0, "name": "A10G", "memory_bytes": 24 * GIB}])
    entity = deploy(workspace, control, node, other, workload_size="Medium", workload_type="GPU_SMALL")
    assert (node.counts, other.counts) == ({}, {entity.id: 2})
    assert other.specs[entity.id]["device"] == "cuda"
    assert "could not use it" in entity.deployment_state_message  # the replicas of this test say that they are on the CPU
    for number in (1, 2):
        other.announce(entity.id, number, device="cuda:0")
    control.run()
    assert now().deployment_state_message == ""


def test_compute_types_set_the_memory(workspace: Any, node: Any, control: Any) -> None:
    entity = deploy(workspace, control, node, workload_size="Small", workload_type="CPU_LARGE")
    assert node.specs[entity.id]["memory_limit_bytes"] == 16 * GIB


def test_replicas_spread_over_two_nodes_and_move_when_one_dies(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    other = type(node)(redis, "node-2")
    entity = deploy(workspace, control, node, other, workload_size="Medium")
    assert (node.counts[entity.id], other.counts[entity.id]) == (1, 1)
    other.die()
    tick.tick()
    settle(control, node)
    assert node.counts[entity.id] == 2
    found = live.replicas(redis, entity.id)
    assert sorted(replica.node for replica in found) == ["node-1", "node-1"]
    assert events("DEPLOYMENT_RECOVERING") == []  # one replica went on answering


def test_one_lost_replica_of_two_is_asked_for_again(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    entity = deploy(workspace, control, node, workload_size="Medium")
    redis.hdel(live.replicas_key(entity.id), f"r-{entity.id[:8]}-node-1-2")
    tick.tick()
    assert node.started() == [entity.id]
    assert node.counts == {entity.id: 2}
    assert now().deployment == "DEPLOYMENT_READY"


def test_a_model_without_room_waits_and_says_so(workspace: Any, node: Any, control: Any) -> None:
    node.live("one", memory_bytes=100 * 1024**2)
    entity = deploy(workspace, control, node, workload_size="Small")
    assert (entity.deployment, node.counts) == ("DEPLOYMENT_CREATING", {})
    assert "No node has room" in entity.deployment_state_message
    node.live("one", memory_bytes=GIB)
    tick.tick()
    settle(control, node)
    assert now().deployment == "DEPLOYMENT_READY"


def test_what_had_no_room_is_placed_by_the_sweep(workspace: Any, node: Any, control: Any) -> None:
    node.live("one", memory_bytes=200 * 1024**2)
    entity = deploy(workspace, control, node, workload_size="Medium")
    assert (entity.deployment, node.counts) == ("DEPLOYMENT_READY", {entity.id: 1})  # as many as there is room for
    node.live("one", memory_bytes=GIB)
    sweep.sweep()
    settle(control, node)
    assert node.counts == {entity.id: 2}


def test_replicas_that_two_processes_started_at_once_are_stopped(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    other = type(node)(redis, "node-2")
    entity = deploy(workspace, control, node, other, workload_size="Small")
    stray = other if entity.id in node.counts else node
    stray.announce(entity.id, 7)
    tick.tick()
    assert stray.stopped() == [entity.id]


def test_an_update_starts_at_the_lowest_number_again(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    entity = deploy(workspace, control, node, min_provisioned_concurrency=4, max_provisioned_concurrency=32)
    put_load(redis, entity, 30)
    tick.tick()
    settle(control, node)
    operations.update_config(workspace, "churn", read_config(body(workload_size="Medium")))
    give_build(workspace)
    settle(control, node)
    new = ServedEntity.objects.get(config__config_version=2)
    assert node.counts == {entity.id: 0, new.id: 2}


def test_scaled_to_zero_and_woken_it_starts_with_one(workspace: Any, node: Any, control: Any, redis: Any) -> None:
    from sandbox.serving import rollout

    entity = deploy(workspace, control, node, workload_size="Large", scale_to_zero_enabled=True)
    put_load(redis, entity, 30)
    tick.tick()
    settle(control, node)
    assert node.counts == {entity.id: 8}
    rollout.scale_to_zero(now())
    settle(control, node)
    found = now()
    assert (found.placement, found.asked_replicas, node.counts) == ({}, 0, {entity.id: 0})
    rollout.wake(entity.id)
    settle(control, node)
    assert node.counts == {entity.id: 1}
    assert now().deployment_state_message == ""


def test_a_node_without_the_model_is_sent_it(redis: Any, data_dir: Any) -> None:
    from sandbox.builds import store
    from sandbox.replicas.messages import model_key

    sha256, _ = store.put(data_dir / "models", b"a model")
    nodes.send_model(sha256)
    assert redis.get(model_key(sha256)) == b"a model"
    assert 0 < redis.ttl(model_key(sha256)) <= nodes.MODEL_ON_ITS_WAY_S
    nodes.send_model("c" * 64)
    assert redis.get(model_key("c" * 64)) == b""
