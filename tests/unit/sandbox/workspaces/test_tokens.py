"""Access tokens: what opens, for how long, and that only a fingerprint is kept."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from sandbox import live
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.workspaces.models import Token
from sandbox.workspaces.operations import authenticate, digest, issue_token, list_tokens, open_workspace, revoke_token


def test_it_works(workspace: Any, learner: Any, redis: Any) -> None:
    token, plain = issue_token(workspace, learner, "laptop")

    assert plain.startswith("dapi")
    assert len(plain) == 4 + 64
    found = authenticate(plain)
    assert found is not None
    assert (found.id, found.workspace_id, found.user.username) == (token.id, workspace.id, "ada")
    published = live.LiveToken.from_json(redis.get(live.token_key(digest(plain))))
    assert published == live.LiveToken(token.id, workspace.id, "ada@example.org", 0.0, str(learner.pk))


def test_only_a_fingerprint_is_kept(workspace: Any, learner: Any, redis: Any) -> None:
    token, plain = issue_token(workspace, learner)

    row = " ".join(str(value) for value in Token.objects.filter(id=token.id).values().get().values())
    assert plain not in row
    assert plain.removeprefix("dapi") not in row
    assert not [key for key in redis.keys("*") if plain.encode() in key or plain.encode() in (redis.get(key) or b"")]


def test_it_ends_at_its_expiry(workspace: Any, learner: Any) -> None:
    lifetime, before = timedelta(seconds=60), timezone.now()
    token, plain = issue_token(workspace, learner, lifetime_s=60)
    assert token.expires_at is not None
    assert before + lifetime <= token.expires_at <= timezone.now() + lifetime

    Token.objects.filter(id=token.id).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert authenticate(plain) is None
    assert list(list_tokens(workspace)) == []


def test_revoking_ends_it_at_once_for_gateways_too(workspace: Any, learner: Any, redis: Any) -> None:
    token, plain = issue_token(workspace, learner)
    subscriber = redis.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(live.CHANNEL)
    subscriber.get_message(timeout=60)

    revoke_token(workspace, token.id)

    assert authenticate(plain) is None
    assert redis.exists(live.token_key(digest(plain))) == 0
    heard = subscriber.get_message(timeout=60)
    assert heard is not None
    assert heard["data"] == live.token_key(digest(plain)).encode()
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        revoke_token(workspace, token.id)


def test_nobody_revokes_another_workspaces_token(workspace: Any, learner: Any, stranger: Any) -> None:
    token, plain = issue_token(workspace, learner)

    with pytest.raises(ResourceDoesNotExist) as refusal:
        revoke_token(open_workspace(stranger), token.id)

    assert refusal.value.message == f"Token with id {token.id} does not exist."
    assert authenticate(plain) is not None


def test_a_deactivated_person_is_not_let_in(workspace: Any, learner: Any) -> None:
    _, plain = issue_token(workspace, learner)
    learner.is_active = False
    learner.save()

    assert authenticate(plain) is None


def test_a_wrong_token_opens_nothing(workspace: Any, learner: Any) -> None:
    _, plain = issue_token(workspace, learner)
    for wrong in ("", "dapi", plain[:-1], plain.upper(), plain + "0"):
        assert authenticate(wrong) is None


@pytest.mark.parametrize("lifetime_s", [0, -1, 10**10])
def test_it_refuses_a_senseless_lifetime(workspace: Any, learner: Any, lifetime_s: int) -> None:
    with pytest.raises(InvalidParameterValue, match="lifetime_seconds must be between 1 and"):
        issue_token(workspace, learner, lifetime_s=lifetime_s)
    assert Token.objects.count() == 0


def test_the_last_use_is_kept_to_the_minute(workspace: Any, learner: Any) -> None:
    token, plain = issue_token(workspace, learner)
    authenticate(plain)
    first = Token.objects.get(id=token.id).last_used_at
    assert first is not None
    authenticate(plain)
    assert Token.objects.get(id=token.id).last_used_at == first

    Token.objects.filter(id=token.id).update(last_used_at=first - timedelta(minutes=2))
    authenticate(plain)
    second = Token.objects.get(id=token.id).last_used_at
    assert second is not None
    assert second >= first


def test_the_command_prints_one(workspace: Any, learner: Any) -> None:
    out = StringIO()
    call_command("issue_token", "ada", lifetime_s=3600, stdout=out)

    found = authenticate(out.getvalue().strip())
    assert found is not None
    assert (found.workspace_id, found.comment) == (workspace.id, "issued from the command line")
    with pytest.raises(CommandError, match=r"There is no user 'nobody'\. There is: ada\."):
        call_command("issue_token", "nobody")


def test_every_role_may_have_a_workspace(workspace: Any, instructor: Any) -> None:
    own = open_workspace(instructor)
    assert own == open_workspace(instructor)
    assert own.id != workspace.id
    assert own.owner == instructor
