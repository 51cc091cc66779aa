"""kill -9 of the drain at random instants: what was acknowledged is in the tables, each record once."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import redis

from sandbox.inference_tables import capture, delta
from sandbox.inference_tables.drain import Drain
from tests.integration.inference_tables import processes

KILLS = 15
ROOT = Path(__file__).resolve().parents[3]


def _start(*arguments: str, **options: object) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"}
    return subprocess.Popen([sys.executable, processes.__file__, *arguments], env=environment, **options)  # type: ignore[call-overload,no-any-return]


def _versions(root: Path) -> int:
    return len(list(root.rglob("_delta_log/*.json")))


def _wait_for_another_version(root: Path) -> None:
    """So that each kill hits a drain that is at work."""
    before = _versions(root)
    deadline = time.monotonic() + 60
    while _versions(root) == before:
        assert time.monotonic() < deadline, "the drain does not write"
        time.sleep(0.01)


def _ids_in(table: Path) -> list[str]:
    ids: list[str] = []
    for file in delta.data_files(table):
        ids += pq.read_table(file.path, columns=["databricks_request_id"]).column(0).to_pylist()
    return ids


@pytest.mark.timeout(600)
def test_no_record_is_lost_or_doubled(redis_socket: Path, redis_client: redis.Redis, tmp_path: Path) -> None:
    draw = random.Random(7)
    acknowledged: list[bytes] = []
    drain = _start("drain", str(redis_socket), str(tmp_path))
    producers = [_start("produce", str(redis_socket), f"p{n}", stdout=subprocess.PIPE) for n in range(2)]
    readers = [threading.Thread(target=lambda p=p: acknowledged.append(p.stdout.read())) for p in producers]
    for reader in readers:
        reader.start()
    for _ in range(KILLS):
        _wait_for_another_version(tmp_path)
        time.sleep(draw.uniform(0.0, 0.4))
        drain.kill()
        drain.wait()
        redis_client.delete("capture:lock")  # waiting for its expiry is tested elsewhere
        drain = _start("drain", str(redis_socket), str(tmp_path))
    redis_client.set(processes.STOP_KEY, 1)
    for reader in readers:
        reader.join()
    for producer in producers:
        assert producer.wait() == 0
        producer.stdout.close()  # type: ignore[union-attr]
    drain.kill()
    drain.wait()
    redis_client.delete("capture:lock")
    last = Drain(redis_client, tmp_path, lambda ids: ids)
    while not last.run().is_empty:
        pass

    expected = Counter(line for output in acknowledged for line in output.decode().splitlines())
    found = Counter[str]()
    for table in processes.TABLES:
        found.update(f"{table} {i}" for i in _ids_in(tmp_path / "ws1" / "main" / "default" / table.split(".")[2]))
    print(
        f"kills {KILLS}, acknowledged {expected.total()}, found {found.total()}, lost {(expected - found).total()}, "
        f"doubled {(found - expected).total()}, table versions {_versions(tmp_path)}"
    )
    assert expected.total() > 5_000
    assert found == expected
    assert redis_client.xlen(capture.STREAM) == 0
    assert redis_client.xlen(capture.REJECTED_STREAM) == 0
