"""What happens to workspaces and access tokens, one function for each operation."""

import hashlib
import logging
import secrets
from datetime import timedelta
from functools import partial

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from redis.exceptions import RedisError

from sandbox import live
from sandbox.connections import redis_client
from sandbox.errors import InvalidParameterValue, ResourceDoesNotExist
from sandbox.workspaces.models import Member, Token, User, Workspace

log = logging.getLogger(__name__)

TOKEN_PREFIX = "dapi"  # noqa: S105 - the public prefix of Databricks tokens
TOKEN_BYTES = 32
LAST_USED_STEP = timedelta(minutes=1)
MAX_LIFETIME_S = 10 * 365 * 24 * 3600


def open_workspace(user: User) -> Workspace:
    """The person's own workspace, made on first use; every role may have one."""
    workspace, _ = Workspace.objects.get_or_create(owner=user, defaults={"name": user.username})
    return workspace


def system_workspace() -> Workspace:
    """The workspace of the preconfigured foundation endpoints; nobody owns it."""
    workspace, _ = Workspace.objects.get_or_create(id=live.SYSTEM_WORKSPACE, defaults={"name": "system"})
    return workspace


def person(user: User) -> str:
    """How the REST API names someone: the e-mail address, else the user name (`creator`, `requester`, `userName`)."""
    return user.email or user.username


def issue_token(workspace: Workspace, user: User, comment: str = "", lifetime_s: int | None = None) -> tuple[Token, str]:
    """A new token and its plain text, which is not kept and cannot be shown again.

    `lifetime_s` None: it does not expire.
    """
    if lifetime_s is not None and not 0 < lifetime_s <= MAX_LIFETIME_S:
        raise InvalidParameterValue(
            f"lifetime_seconds must be between 1 and {MAX_LIFETIME_S}, not {lifetime_s}; leave it out for no expiry."
        )
    plain = TOKEN_PREFIX + secrets.token_hex(TOKEN_BYTES)
    with transaction.atomic():
        token = Token.objects.create(
            workspace=workspace,
            user=user,
            sha256=digest(plain),
            comment=comment,
            expires_at=timezone.now() + timedelta(seconds=lifetime_s) if lifetime_s is not None else None,
        )
        transaction.on_commit(lambda: publish_or_leave_to_sweep(token))
    return token, plain


def list_tokens(workspace: Workspace, user: User | None = None) -> QuerySet[Token]:
    """The workspace's tokens that still open something, the newest first; of one person, or of everybody."""
    found = usable_tokens().filter(workspace=workspace).order_by("-created_at")
    return found if user is None else found.filter(user=user)


def revoke_token(workspace: Workspace, token_id: str, user: User | None = None) -> None:
    """End the token at once: the database refuses it when this returns, gateways are told in the same moment.

    With `user` only a token of that person is found. Raises ResourceDoesNotExist.
    """
    if not list_tokens(workspace, user).filter(id=token_id).order_by().update(revoked_at=timezone.now()):
        raise ResourceDoesNotExist(f"Token with id {token_id} does not exist.")
    sha256 = Token.objects.values_list("sha256", flat=True).get(id=token_id)
    transaction.on_commit(lambda: _withdraw(sha256))


def revoke_all_tokens(workspace: Workspace, user: User) -> None:
    """End every token that the person has for the workspace, expired ones too."""
    tokens = Token.objects.filter(workspace=workspace, user=user, revoked_at=None)
    digests = list(tokens.values_list("sha256", flat=True))
    tokens.update(revoked_at=timezone.now())
    for sha256 in digests:
        transaction.on_commit(partial(_withdraw, sha256))


def authenticate(plain: str) -> Token | None:
    """The token that `plain` is, with its user and workspace; None when unknown, expired or revoked."""
    token = next(iter(Token.objects.select_related("workspace", "user").filter(sha256=digest(plain))), None)
    if token is None or not _is_usable(token):
        return None
    _note_use(token)
    return token


def usable_tokens() -> QuerySet[Token]:
    """Neither revoked nor expired, and of somebody who belongs to the workspace.

    The last part is for a token that is made in the moment in which its person is removed.
    """
    member = Member.objects.filter(workspace=OuterRef("workspace"), user=OuterRef("user"))
    belongs = Q(workspace__owner=None) | Q(workspace__owner=F("user")) | Exists(member)
    return Token.objects.filter(belongs, Q(expires_at=None) | Q(expires_at__gt=timezone.now()), revoked_at=None)


def _is_usable(token: Token) -> bool:
    """The rule of `usable_tokens` for one token that is read already: half the time of asking the database for all of it."""
    owner_id = token.workspace.owner_id
    return (
        token.revoked_at is None
        and (token.expires_at is None or token.expires_at > timezone.now())
        and token.user.is_active
        and (
            owner_id is None
            or owner_id == token.user_id
            or Member.objects.filter(workspace=token.workspace_id, user=token.user_id).exists()
        )
    )


def digest(plain: str) -> str:
    """Tokens carry 256 random bits, so a plain SHA-256 cannot be searched."""
    return hashlib.sha256(plain.encode()).hexdigest()


def live_token(sha256: str) -> live.LiveToken | None:
    """For a gateway that does not find the token in Redis: what the database knows of it."""
    token = usable_tokens().select_related("workspace", "user").filter(sha256=sha256, user__is_active=True).first()
    return None if token is None else _as_live(token)


def _as_live(token: Token) -> live.LiveToken:
    return live.LiveToken(
        token_id=token.id,
        workspace_id=token.workspace_id,
        requester=person(token.user),
        expires_at_s=token.expires_at.timestamp() if token.expires_at else 0.0,
        user_id=str(token.user_id),
    )


def publish(token: Token) -> None:
    """Tell gateways of the token. A revocation that happened meanwhile wins."""
    redis = redis_client()
    live.publish_token(redis, token.sha256, _as_live(token))
    if not usable_tokens().filter(id=token.id, user__is_active=True).exists():
        live.withdraw_token(redis, token.sha256)


def publish_or_leave_to_sweep(token: Token) -> None:
    """A token is issued even while Redis is away; the control plane's sweep publishes it when Redis is back."""
    try:
        publish(token)
    except RedisError as error:
        log.warning("token %s will be published by the sweep: %s", token.id, error)


def _withdraw(sha256: str) -> None:
    try:
        live.withdraw_token(redis_client(), sha256)
    except RedisError as error:
        log.warning("a revoked token will be withdrawn by the sweep: %s", error)


def _note_use(token: Token) -> None:
    """Keep the last use to the minute, without a write for each request."""
    moment = timezone.now()
    if token.last_used_at is None or moment - token.last_used_at > LAST_USED_STEP:
        Token.objects.filter(id=token.id).update(last_used_at=moment)
        token.last_used_at = moment
