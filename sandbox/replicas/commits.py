"""How a replica answers: one transaction puts a message's records onto the capture stream and its answers onto a reply list."""

import logging
import threading
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

import orjson
import redis

from sandbox.inference_tables import capture
from sandbox.replicas.requests import Pending

logger = logging.getLogger(__name__)
RETRY_S = 30.0
REPLIES_KEPT_S = 120
COMMIT_KNOWN_S = 60
"""For so long a gateway can see that a message was committed whose replica died."""


class Commits:
    """The replica's own connection for its transactions; `commit` may be called from several threads.

    redis-py's pipeline costs more than writing and reading the transaction does (a third of a replica's time, measured), so the
    packed commands are sent as one piece.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._connection: Any = client.connection_pool.make_connection()
        self._lock = threading.Lock()

    def commit(self, reply_list: str, message_id: str, requests: Sequence[Pending], entity_id: str) -> None:
        """Captured and answered in one transaction: an answered request is in the stream, exactly once."""
        reply = orjson.dumps([message_id, [[each.answer.status, each.answer.body] for each in requests]])
        records = [_record(each, entity_id) for each in requests if each.table]
        key = f"committed:{reply_list}:{message_id}"
        commands: list[tuple[Any, ...]] = [
            ("MULTI",),
            *([("XADD", capture.STREAM, "*", capture.FIELD, capture.encode(records))] if records else []),
            ("LPUSH", reply_list, reply),
            ("EXPIRE", reply_list, REPLIES_KEPT_S),
            ("SET", key, b"1", "EX", COMMIT_KNOWN_S),
            ("EXEC",),
        ]
        give_up_s = time.monotonic() + RETRY_S
        first = True
        while True:
            try:
                if first or not self._client.exists(key):
                    with self._lock:
                        self._transact(commands)
                return
            except redis.RedisError as error:
                # Redis is restarting. Whether EXEC took effect is unknown: the commit key tells.
                if time.monotonic() > give_up_s:
                    raise
                logger.warning("commit of %s waits for Redis: %s", message_id, error)
                first = False
                time.sleep(0.1)

    def _transact(self, commands: list[tuple[Any, ...]]) -> None:
        """Send the commands, of which the last is EXEC, and read every reply. Raises redis.RedisError."""
        connection = self._connection
        try:
            connection.send_packed_command([b"".join(chain.from_iterable(connection.pack_command(*each) for each in commands))])
            for _ in commands:
                replies = connection.read_response()
        except BaseException:
            connection.disconnect()  # what is still to be read must not be taken for the next one's
            raise
        for each in replies:
            if isinstance(each, redis.RedisError):
                raise each


def _record(request: Pending, entity_id: str) -> capture.CaptureRecord:
    return {
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
