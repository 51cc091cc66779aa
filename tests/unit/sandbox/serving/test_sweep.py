"""What the control plane mends and takes away, whatever was lost: a wiped Redis, leftovers, starts without an answer."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from sandbox import live
from sandbox.serving import sweep, tick
from sandbox.serving.models import Endpoint, ServedEntity
from tests.unit.sandbox.serving.rollouts import create, deploy, entity_of, published, state


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
