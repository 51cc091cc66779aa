"""The reconciler: what it does next, that it may be called again, and that the old config serves until the new one can."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from sandbox import live, service_logs
from sandbox.catalog import lineage, system_tables
from sandbox.catalog.lineage import Kind, Node
from sandbox.replicas.messages import NODE_START
from sandbox.serving import operations, rollout, sweep, tick
from sandbox.serving.models import BuildStatus, DeploymentEvent, Endpoint, EndpointConfig, ModelBuild, ServedEntity
from sandbox.serving.representation import detailed
from sandbox.serving.serializers import read_config, read_endpoint
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import Workspace

SHA = "a" * 64


def config(*versions: int, percentages: tuple[int, ...] = (), **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "served_entities": [
            {"entity_name": "main.default.churn", "entity_version": str(v), "workload_size": "Small", **changes} for v in versions
        ]
    }
    if percentages:
        body["traffic_config"] = {
            "routes": [
                {"served_entity_name": f"churn-{v}", "traffic_percentage": p} for v, p in zip(versions, percentages, strict=True)
            ]
        }
    return body


def create(workspace: Any, name: str = "churn", *, built: bool = True, body: dict[str, Any] | None = None) -> Endpoint:
    endpoint = operations.create_endpoint(
        workspace, "ada@example.org", read_endpoint({"name": name, "config": body or config(1)})
    )
    if built:
        give_builds(workspace)
    return endpoint


def give_builds(workspace: Any, **facts: Any) -> None:
    """What the build worker would have written by now, for every entity whose build has not begun."""
    built = {"status": BuildStatus.READY, "model_sha256": SHA, **facts}
    ModelBuild.objects.filter(workspace=workspace, status=BuildStatus.WAITING).update(**built)
    for entity in ServedEntity.objects.filter(build=None, config__endpoint__workspace=workspace):
        build, _ = ModelBuild.objects.get_or_create(
            workspace=workspace,
            entity_name=entity.entity_name,
            entity_version=entity.entity_version,
            source="models:/m-1",
            defaults=built,
        )
        ServedEntity.objects.filter(id=entity.id).update(build=build)


def published(redis: Any, workspace: Any, name: str = "churn") -> live.LiveEndpoint | None:
    data = redis.get(live.endpoint_key(workspace.id, name))
    return live.LiveEndpoint.from_json(data) if data else None


def state(workspace: Any, name: str = "churn") -> tuple[str, str]:
    found = detailed(operations.get_endpoint(workspace, name), workspace)["state"]
    return found["ready"], found["config_update"]


def deploy(workspace: Any, node: Any, control: Any, **create_arguments: Any) -> Endpoint:
    """An endpoint that is READY."""
    endpoint = create(workspace, **create_arguments)
    control.run()
    for entity_id in node.started():
        node.announce(entity_id)
    control.run()
    assert state(workspace, endpoint.name) == ("READY", "NOT_UPDATING")
    return operations.get_endpoint(workspace, endpoint.name)


def entity_of(endpoint: Endpoint, version: int) -> ServedEntity:
    return ServedEntity.objects.select_related("config").get(config__endpoint=endpoint, config__config_version=version)


def run_clock_since(moment: datetime, workspace: Any, factor: float) -> None:
    Workspace.objects.filter(id=workspace.id).update(clock_set_at=moment, clock_set_to=moment, clock_factor=factor)


def event_types(endpoint: Endpoint) -> list[str]:
    return list(DeploymentEvent.objects.filter(endpoint=endpoint).values_list("type", flat=True))


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


def test_a_replica_that_comes_up_after_the_end_is_stopped(workspace: Any, node: Any, control: Any) -> None:
    create(workspace)
    control.run()
    (entity_id,) = node.started()
    operations.delete_endpoint(workspace, "churn")
    node.orders()
    node.announce(entity_id)
    control.run()
    assert node.stopped() == [entity_id]


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


def test_after_a_wipe_of_redis_everything_is_published_again(
    workspace: Any, learner: Any, node: Any, control: Any, redis: Any
) -> None:
    from sandbox.workspaces.operations import digest, issue_token

    endpoint = deploy(workspace, node, control)
    _, plain = issue_token(workspace, learner)
    before = published(redis, workspace)
    tick.tick()
    redis.flushall()
    node.live("one")
    node.announce(entity_of(endpoint, 1).id)

    tick.tick()
    assert published(redis, workspace) == before
    assert live.LiveToken.from_json(redis.get(live.token_key(digest(plain)))).workspace_id == workspace.id


def test_the_sweep_takes_away_what_nobody_needs(workspace: Any, learner: Any, node: Any, control: Any, redis: Any) -> None:
    from sandbox.workspaces.models import Token
    from sandbox.workspaces.operations import digest, issue_token

    endpoint = deploy(workspace, node, control)
    entity = entity_of(endpoint, 1)
    token, plain = issue_token(workspace, learner)
    Token.objects.filter(id=token.id).update(revoked_at=timezone.now())  # by a process that died before it told gateways
    Endpoint.objects.filter(id=endpoint.id).delete()
    sweep.sweep()

    assert published(redis, workspace) is None
    assert node.stopped() == [entity.id]
    assert redis.exists(live.token_key(digest(plain))) == 0


def test_the_sweep_takes_away_tokens_of_deleted_people_and_expired_ones(workspace: Any, learner: Any, redis: Any) -> None:
    from sandbox.workspaces.members import add_member
    from sandbox.workspaces.models import Token, User
    from sandbox.workspaces.operations import digest, issue_token

    bob = User.objects.create_user("bob", password="a long pass phrase")
    add_member(workspace, "bob")
    kept, of_bob, old = (issue_token(workspace, user)[1] for user in (learner, bob, learner))
    Token.objects.filter(sha256=digest(old)).update(expires_at=timezone.now() - timedelta(seconds=1))
    bob.delete()
    sweep.sweep()
    assert [redis.exists(live.token_key(digest(plain))) for plain in (kept, of_bob, old)] == [1, 0, 0]


def test_the_sweep_forgets_tokens_that_ended_long_ago(workspace: Any, learner: Any) -> None:
    from sandbox.workspaces.models import Token
    from sandbox.workspaces.operations import issue_token

    usable, lately, revoked, expired = (issue_token(workspace, learner)[0].id for _ in range(4))
    long_ago = timezone.now() - sweep.ENDED_TOKENS_KEPT - timedelta(minutes=1)
    Token.objects.filter(id=lately).update(revoked_at=timezone.now())
    Token.objects.filter(id=revoked).update(revoked_at=long_ago)
    Token.objects.filter(id=expired).update(expires_at=long_ago)
    sweep.sweep()
    assert set(Token.objects.values_list("id", flat=True)) == {usable, lately}


def test_a_start_without_an_answer_is_given_up(workspace: Any, node: Any, control: Any) -> None:
    endpoint = create(workspace)
    control.run()
    ServedEntity.objects.update(state_changed_at=timezone.now() - timedelta(minutes=6))
    tick.tick()
    assert state(workspace) == ("NOT_READY", "UPDATE_FAILED")
    assert "within 5 minutes" in entity_of(endpoint, 1).deployment_state_message


def test_one_bad_endpoint_does_not_stall_the_others(workspace: Any, node: Any, control: Any) -> None:
    bad = create(workspace, "bad")
    create(workspace, "good")
    Endpoint.objects.filter(id=bad.id).update(kind="nonsense")
    control.redis.delete("control")
    tick.tick()
    assert len(node.started()) >= 1


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
