"""The processes of the kill -9 test: `drain SOCKET ROOT` and `produce SOCKET NAME` (prints what was acknowledged)."""

import itertools
import os
import sys
import time
from pathlib import Path

import redis

from sandbox.inference_tables import capture, delta
from sandbox.inference_tables.drain import Drain

TABLES = tuple(f"main.default.t{number}_payload" for number in range(3))
STOP_KEY = "test:stop"


def drain(socket: str, root: str) -> None:
    # often enough that some kills hit the upkeep
    delta.CHECKPOINT_EVERY_VERSIONS = 4
    delta.MAX_SMALL_FILES = 3
    worker = Drain(redis.Redis(unix_socket_path=socket), Path(root), lambda ids: ids)
    while True:
        drained = worker.run(budget_s=0.2)
        for workspace_id, name in drained.maintenance_due:
            delta.maintain(name.folder(Path(root), workspace_id))
        time.sleep(0.005)


def produce(socket: str, name: str) -> None:
    client = redis.Redis(unix_socket_path=socket)
    for number in itertools.count():
        if client.exists(STOP_KEY):
            return
        records = [_record(f"{name}-{number}-{table}", table) for table in TABLES[: 1 + number % 3]]
        capture.append(client, records)
        os.write(1, "".join(f"{r['table']} {r['id']}\n" for r in records).encode())
        time.sleep(0.001)


def _record(request_id: str, table: str) -> capture.CaptureRecord:
    return {
        "id": request_id,
        "client": None,
        "ws": "ws1",
        "table": table,
        "t": time.time(),
        "status": 200,
        "ms": 0.4,
        "req": '{"inputs": [[1]]}',
        "resp": '{"predictions": [1]}',
        "entity": "e1",
        "who": "learner",
    }


if __name__ == "__main__":
    if sys.argv[1] == "drain":
        drain(*sys.argv[2:4])
    else:
        produce(*sys.argv[2:4])
