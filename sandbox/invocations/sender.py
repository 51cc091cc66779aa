"""The gateway's connection for messages to replicas: they are written at once, Redis's word on them is read when it has come."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import redis

from sandbox.replicas.predict_message import Command

SETTLE_AT = 16
"""So many messages are written before Redis's word on them is read; besides, somebody calls `settle` a few times a second."""


class Sender:
    """To wait for Redis after each message, as redis-py's client does, would hold up every request of the gateway meanwhile."""

    def __init__(self, client: redis.Redis) -> None:
        self._connection: Any = client.connection_pool.make_connection()
        self._unconfirmed: deque[str] = deque()
        """The message's id for each command that was written, in order."""
        self._lost: list[str] = []

    def send(self, message_id: str, commands: Sequence[Command]) -> None:
        """Write the commands that send one message. Raises redis.RedisError when Redis is away."""
        if not 0 < len(self._unconfirmed) < SETTLE_AT:  # at rest, to see whether the connection has ended meanwhile
            self.settle()
        packed = [piece for command in commands for piece in self._connection.pack_command(*command)]
        try:
            self._connection.send_packed_command(packed)
        except redis.RedisError:  # Redis carries out no command that came in part, and the last one sends the message
            self._forget()
            self._connection.send_packed_command(packed)
        self._unconfirmed.extend([message_id] * len(commands))

    def settle(self) -> None:
        """Read what Redis has said meanwhile."""
        if not self._connection.is_connected:
            return
        try:
            while self._connection.can_read(0):
                self._connection.read_response()
                self._unconfirmed.popleft()
        except (redis.RedisError, IndexError):  # IndexError: something came that nobody waits for
            self._forget()

    def take_lost(self) -> list[str]:
        """The ids of messages of which it is unknown whether Redis took them; each is told once."""
        lost, self._lost = list(dict.fromkeys(self._lost)), []
        return lost

    def _forget(self) -> None:
        self._lost += self._unconfirmed
        self._unconfirmed.clear()
        self._connection.disconnect()
