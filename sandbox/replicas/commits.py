"""How a replica answers: one transaction puts a message's records onto the capture stream and its answers onto a reply list."""

import logging
import threading
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson
import redis

from sandbox.inference_tables import bodies, capture
from sandbox.replicas.messages import committed_key
from sandbox.replicas.requests import Pending

logger = logging.getLogger(__name__)
RETRY_S = 30.0
REPLIES_KEPT_S = 120
COMMIT_KNOWN_S = 60
"""For so long a gateway can see that a message was committed whose replica died."""


class Commits:
    """The replica's own connections for bodies and answers, one each; `fetch` and `commit` may be called from several threads.

    redis-py's pipeline costs more than writing and reading the transaction does (a third of a replica's time, measured), so the
    packed commands are sent as one piece. So does its client around a GET.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._reading = _Connection(client)
        self._writing = _Connection(client)

    def fetch(self, key: str) -> bytes | None:
        """What a gateway has stored there; None when Redis has lost it. Waits while Redis restarts. Raises redis.RedisError."""
        give_up_s = time.monotonic() + RETRY_S
        while True:
            try:
                found: bytes | None = self._reading.last_reply([("GET", key)])
                return found
            except redis.RedisError as error:
                _wait_for_redis(f"reading {key}", error, give_up_s)

    def commit(self, reply_list: str, message_id: str, requests: Sequence[Pending], entity_id: str) -> None:
        """Captured and answered in one transaction: an answered request is in the stream, exactly once."""
        commands = _commands(reply_list, message_id, requests, entity_id)
        key = committed_key(reply_list, message_id)
        give_up_s = time.monotonic() + RETRY_S
        first = True
        while True:
            try:
                if first or not self._client.exists(key):
                    self._transact(commands)
                return
            except redis.RedisError as error:
                # whether EXEC took effect is unknown: the commit key tells
                _wait_for_redis(f"commit of {message_id}", error, give_up_s)
                first = False

    def _transact(self, commands: list[tuple[Any, ...]]) -> None:
        """Carry out the commands, of which the last is EXEC. Raises redis.RedisError."""
        for each in self._writing.last_reply(commands):
            if isinstance(each, redis.RedisError):
                raise each


class _Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, client: redis.Redis) -> None:
        self._connection: Any = client.connection_pool.make_connection()
        self._lock = threading.Lock()

    def last_reply(self, commands: list[tuple[Any, ...]]) -> Any:
        """Send the commands in one piece and read every reply. Raises redis.RedisError."""
        connection = self._connection
        with self._lock:
            try:
                connection.send_packed_command(
                    [b"".join(chain.from_iterable(connection.pack_command(*each) for each in commands))]
                )
                for _ in commands:
                    reply = connection.read_response()
            except BaseException:
                connection.disconnect()  # what is still to be read must not be taken for the next one's
                raise
        return reply


def _wait_for_redis(what: str, error: redis.RedisError, give_up_s: float) -> None:
    """It is restarting; a pause before the next attempt. Raises `error` when it has been away for too long."""
    if time.monotonic() > give_up_s:
        raise error
    logger.warning("%s waits for Redis: %s", what, error)
    time.sleep(0.1)


def _commands(reply_list: str, message_id: str, requests: Sequence[Pending], entity_id: str) -> list[tuple[Any, ...]]:
    """The transaction, from MULTI to EXEC."""
    reply = orjson.dumps([message_id, [[each.answer.status, each.answer.body] for each in requests]])
    return [
        ("MULTI",),
        *_capture(requests, entity_id),
        ("LPUSH", reply_list, reply),
        ("EXPIRE", reply_list, REPLIES_KEPT_S),
        ("SET", committed_key(reply_list, message_id), b"1", "EX", COMMIT_KNOWN_S),
        ("EXEC",),
    ]


def _capture(requests: Sequence[Pending], entity_id: str) -> list[tuple[Any, ...]]:
    """Put the records onto the stream, and have the bodies that they point to stay until they are drained."""
    key = requests[0].bodies_key
    records = [_record(each, entity_id) for each in requests if each.table]
    if not records:
        return [("UNLINK", key)] if key else []
    entry = ("XADD", capture.STREAM, "*", capture.FIELD, capture.encode(records))
    if not key:
        return [entry]
    return [(*entry, capture.BODIES_FIELD, key), *bodies.keep_commands(key, requests[-1].body_at[1])]


def _record(request: Pending, entity_id: str) -> capture.CaptureRecord:
    record: capture.CaptureRecord = {
        "id": request.request_id,
        "client": request.client_request_id,
        "ws": request.workspace_id,
        "table": request.table,
        "t": request.received_s,
        "status": request.answer.status,
        "ms": request.execution_ms,
        "req": request.body,
        "resp": request.logged_response,
        "entity": entity_id,
        "who": request.requester,
    }
    if request.bodies_key:
        record["at"] = request.body_at
    return record
