"""Refuses calls while the log of answered ones cannot be written down.

What is answered is in the capture stream, and nothing of it is lost; so while the control process does not drain the stream,
memory grows. Past MAX_BYTES calls of endpoints that are logged are refused (503) until there is room again; what was
accepted before is answered and logged.
"""

import asyncio
import logging
from typing import Any

from sandbox.errors import TemporarilyUnavailable
from sandbox.inference_tables import bodies, capture

logger = logging.getLogger(__name__)
MAX_BYTES = 512 * 1024 * 1024
ROOM_BYTES = MAX_BYTES * 4 // 5
LOOK_EVERY_S = 1.0
RETRY_AFTER_S = 5


class Backlog:
    """How full the capture stream is; one per gateway."""

    def __init__(self) -> None:
        self.is_full = False

    def refusal(self) -> TemporarilyUnavailable:
        return TemporarilyUnavailable(
            "Calls cannot be logged at the moment: too many wait to be written to their inference tables. Retry in a few "
            "seconds, or ask the operator whether the site's control process runs."
        )

    async def watch(self, redis: Any) -> None:
        """Look each second, for ever."""
        while True:
            try:
                await self.look(redis)
            except Exception as error:  # the loop must outlive every fault of Redis
                logger.warning("the capture stream could not be looked at: %s", error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self, redis: Any) -> None:
        """Read the size of the stream (Redis estimates it from a few entries) and of the bodies beside it, and decide."""
        size_bytes = int(await redis.memory_usage(capture.STREAM) or 0) + sum(map(int, await redis.hvals(bodies.HELD_KEY)))
        was_full, self.is_full = self.is_full, size_bytes > (ROOM_BYTES if self.is_full else MAX_BYTES)
        if self.is_full != was_full:
            logger.warning("capture stream: %d MB, calls are %s", size_bytes >> 20, "refused" if self.is_full else "taken again")
