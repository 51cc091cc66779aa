"""What the control worker carries besides its tasks: a schedule in memory and a heartbeat."""

import redis

from config.control_worker import merged_schedule
from config.health import CONTROL_HEARTBEAT_KEY
from tests.stack import ROOT, Stack, wait_for


def test_the_schedules_of_all_services_are_merged_and_no_tick_outlives_its_use() -> None:
    merged = merged_schedule()
    assert {entry["task"] for entry in merged.values()} >= {"serving.tick", "serving.sweep", "inference_tables.drain"}
    assert all(entry["options"]["expires"] > 0 for entry in merged.values())


def test_it_beats_and_its_scheduler_keeps_no_file(stack: Stack) -> None:
    with redis.Redis(unix_socket_path=str(stack.data_dir / "run" / "redis.sock")) as client:
        first = float(client.get(CONTROL_HEARTBEAT_KEY))
        wait_for(lambda: float(client.get(CONTROL_HEARTBEAT_KEY)) > first + 1, 60, "it beat only once")
    assert list(ROOT.glob("celerybeat-schedule*")) == []
