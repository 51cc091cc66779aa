"""Waits until an inference table holds what was captured, and has the drain come for it now instead of with its next tick."""

import logging
import time

from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from sandbox.errors import ResourceDoesNotExist
from sandbox.inference_tables.operations import row_count
from sandbox.inference_tables.tasks import DRAIN

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.03
ASK_EVERY_S = 0.3
"""A drain that was under way when it was asked for may have begun before the rows were there."""


def wait_for_rows(workspace_id: str, table: str, wanted: int, timeout_s: float) -> bool:
    """Whether the table came to hold at least `wanted` rows in time."""
    now_s = time.monotonic()
    give_up_s, ask_s = now_s + timeout_s, now_s
    while _rows(workspace_id, table) < wanted:
        now_s = time.monotonic()
        if now_s > give_up_s:
            return False
        if now_s >= ask_s:
            _ask_for_drain()
            ask_s = now_s + ASK_EVERY_S
        time.sleep(LOOK_EVERY_S)
    return True


def _rows(workspace_id: str, table: str) -> int:
    """0 for a table that nothing was written to yet."""
    try:
        return row_count(workspace_id, table)
    except ResourceDoesNotExist:
        return 0


def _ask_for_drain() -> None:
    """Without a broker the rows come with the schedule, once it is back."""
    try:
        current_app.send_task(DRAIN, exchange="", routing_key="control", retry=False, ignore_result=True, expires=2.0)
    except (OperationalError, RedisError, OSError) as error:
        logger.warning("the drain could not be asked for: %s", error)
