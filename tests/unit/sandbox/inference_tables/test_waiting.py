"""Waiting for rows: there at once, there when the drain has come, or not in time; never those of another workspace."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.inference_tables import waiting
from tests.unit.sandbox.inference_tables.test_operations import TABLE, write


@pytest.fixture
def asked(tmp_path: Path, settings: Any, redis: Any) -> Callable[[], list[str]]:
    """The tasks in the control worker's queue."""
    settings.DELTA_DIR = tmp_path
    return lambda: [json.loads(message)["headers"]["task"] for message in redis.lrange("control", 0, -1)]


def test_rows_that_are_there_need_no_drain(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    write(tmp_path, [1, 2, 3], 1)
    assert waiting.wait_for_rows("ws1", TABLE, 3, 0.0)
    assert asked() == []


def test_rows_that_come_end_the_wait(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    def come() -> None:
        while not asked():
            time.sleep(0.01)
        write(tmp_path, [1, 2], 1)

    drain = threading.Thread(target=come)
    drain.start()
    assert waiting.wait_for_rows("ws1", TABLE, 2, 60.0)
    drain.join()
    assert set(asked()) == {"inference_tables.drain"}


def test_others_rows_are_not_waited_for(tmp_path: Path, asked: Callable[[], list[str]]) -> None:
    write(tmp_path, [1, 2, 3], 1, "ws2")
    assert not waiting.wait_for_rows("ws1", TABLE, 1, 0.5)
    assert set(asked()) == {"inference_tables.drain"}
