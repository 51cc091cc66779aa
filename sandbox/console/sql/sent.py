"""What the page sent: the text and place of a person's last statements, which the history has only once they have ended."""

from dataclasses import asdict, dataclass

import orjson

from sandbox.connections import redis_client
from sandbox.sql.kept import KEEP_PER_PERSON, KEEP_S
from sandbox.workspaces.members import Caller


@dataclass(frozen=True)
class Sent:
    """A statement as the page sent it."""

    statement_id: str
    text: str
    scope: str
    """`catalog.schema`, which completes names."""
    submitted_ms: int


def remember(caller: Caller, sent: Sent) -> None:
    """Keep it for as long as the results are kept, and as many."""
    pipeline = redis_client().pipeline()
    pipeline.lpush(_key(caller), orjson.dumps(asdict(sent)))
    pipeline.ltrim(_key(caller), 0, KEEP_PER_PERSON - 1)
    pipeline.expire(_key(caller), KEEP_S)
    pipeline.execute()


def last(caller: Caller) -> list[Sent]:
    """The newest first."""
    return [Sent(**orjson.loads(each)) for each in redis_client().lrange(_key(caller), 0, KEEP_PER_PERSON - 1)]


def _key(caller: Caller) -> str:
    return f"sql:sent:{caller.workspace.id}:{caller.user.pk}"
