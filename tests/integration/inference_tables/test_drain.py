"""From the stream into Delta tables: every value arrives, once, and a bad record holds nobody up."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import redis

from sandbox.inference_tables import bodies, capture, delta
from sandbox.inference_tables.bodies import KEPT_S
from sandbox.inference_tables.drain import EPOCH_KEY, Drain, Drained
from sandbox.inference_tables.drain_lock import LOCK_KEY, LOCK_MS, DrainLock, LockLost
from sandbox.inference_tables.entries import read_batch
from sandbox.replicas.commits import Commits
from sandbox.replicas.requests import Pending, RequestAnswer
from tests.integration.inference_tables.conftest import record
from tests.stack import wait_for

DrainAll = Callable[[], Drained]


def rows_in(root: Path, table: str = "main.default.churn_payload", workspace_id: str = "ws1") -> list[dict[str, Any]]:
    files = delta.data_files(root.joinpath(workspace_id, *table.split(".")))
    if not files:
        return []
    tables = [pq.read_table(file.path) for file in files]
    return sorted(pa.concat_tables(tables).to_pylist(), key=lambda row: row["databricks_request_id"])


def test_it_works(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    capture.append(redis_client, [record("r1", client="mine"), record("r2", status=400, ms=0.2, resp=None, entity=None)])
    assert drain_all().rows == 2
    first, second = rows_in(tmp_path)
    assert first == {
        "databricks_request_id": "r1",
        "client_request_id": "mine",
        "request_date": dt.date(2026, 9, 21),
        "request_time": dt.datetime(2026, 9, 21, 14, 13, 20, 250_000, tzinfo=dt.UTC),
        "status_code": 200,
        "sampling_fraction": 1.0,
        "execution_duration_ms": 4,
        "request": '{"inputs": [[1]]}',
        "response": '{"predictions": [1]}',
        "served_entity_id": "e1",
        "requester": "learner",
        "logging_error_codes": [],
    }
    assert (second["status_code"], second["execution_duration_ms"], second["response"]) == (400, 0, None)
    assert redis_client.xlen(capture.STREAM) == 0


def answered(redis_client: redis.Redis, *requests: Pending) -> None:
    """As a gateway and a replica do it: bodies are stored, then the answers are committed."""
    text = b"".join(request.body.encode() for request in requests)
    redis_client.set("bodies:reply:1:e1.1", text, ex=KEPT_S)
    start = 0
    for request in requests:
        request.answer = RequestAnswer(200, '{"predictions": [1]}')
        request.bodies_key, request.body_at = "bodies:reply:1:e1.1", (start, start + len(request.body.encode()))
        start = request.body_at[1]
    Commits(redis_client).commit("reply:1", "e1.1", requests, "e1")


def pending(request_id: str, body: str, table: str = "main.default.churn_payload") -> Pending:
    return Pending(request_id, body, "ws1", table, "learner", 1_790_000_000.25, 2e9)


def test_bodies_beside_the_stream_arrive_once_and_go(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    answered(redis_client, pending("r1", "ü" * 9), pending("r2", "not logged", ""), pending("r3", '{"inputs": [[2]]}'))
    ((entry_id, fields),) = redis_client.xrange(capture.STREAM)
    assert (redis_client.ttl("bodies:reply:1:e1.1"), redis_client.hvals(bodies.HELD_KEY)) == (-1, [b"45"])
    assert b"inputs" not in fields[capture.FIELD]
    text = redis_client.get("bodies:reply:1:e1.1")
    assert drain_all().rows == 2
    assert [row["request"] for row in rows_in(tmp_path)] == ["ü" * 9, '{"inputs": [[2]]}']
    assert set(redis_client.keys("bodies:*")) | set(redis_client.hkeys(bodies.HELD_KEY)) == set()
    # as after a kill between the append and the trim: entry and bodies are there again
    redis_client.delete(capture.STREAM)
    redis_client.xadd(capture.STREAM, fields, id=entry_id)
    redis_client.mset({"bodies:reply:1:e1.1": text})
    assert (drain_all().rows, len(rows_in(tmp_path)), redis_client.keys("bodies:*")) == (0, 2, [])


def test_of_bodies_that_are_too_large_or_not_logged_nothing_stays(redis_client: redis.Redis, drain_all: DrainAll) -> None:
    answered(redis_client, pending("r1", "x" * (capture.LOGGED_PAYLOAD_LIMIT_BYTES + 1)))
    ((_, fields),) = redis_client.xrange(capture.STREAM)
    (logged,) = orjson.loads(fields[capture.FIELD])
    assert (logged["req"], logged["err"], "at" in logged) == (None, [capture.MAX_REQUEST_SIZE_EXCEEDED], False)
    assert (drain_all().rows, redis_client.keys("bodies:*")) == (1, [])
    answered(redis_client, pending("r2", "not logged", ""))
    assert (redis_client.xlen(capture.STREAM), redis_client.keys("bodies:*")) == (0, [])


def test_a_faster_writer_costs_one_more_look_at_the_table(redis_client: redis.Redis, tmp_path: Path) -> None:
    one, other = (Drain(redis_client, tmp_path, lambda ids: ids) for _ in range(2))
    one.run()  # the first tick makes the epoch
    for drain, name in ((one, "r1"), (other, "r2"), (one, "r3"), (other, "r4")):
        capture.append(redis_client, [record(name)])
        assert drain.run().rows == 1, "its handle is as old as its last turn"
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["r1", "r2", "r3", "r4"]


def test_the_table_has_the_documented_columns_and_its_change_feed_on(
    redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path
) -> None:
    capture.append(redis_client, [record("r1")])
    drain_all()
    log = tmp_path / "ws1/main/default/churn_payload/_delta_log/00000000000000000000.json"
    metadata = next(json.loads(line)["metaData"] for line in log.read_text().splitlines() if "metaData" in json.loads(line))
    fields = [(field["name"], field["type"]) for field in json.loads(metadata["schemaString"])["fields"]]
    assert fields == [
        ("databricks_request_id", "string"),
        ("client_request_id", "string"),
        ("request_date", "date"),
        ("request_time", "timestamp"),
        ("status_code", "integer"),
        ("sampling_fraction", "double"),
        ("execution_duration_ms", "long"),
        ("request", "string"),
        ("response", "string"),
        ("served_entity_id", "string"),
        ("requester", "string"),
        ("logging_error_codes", {"type": "array", "elementType": "string", "containsNull": True}),
    ]
    assert metadata["configuration"]["delta.enableChangeDataFeed"] == "true"


def test_bodies_over_1_mib_are_null_with_their_code(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    large = "x" * (1024 * 1024 + 1)
    capture.append(
        redis_client, [record("r1", req=large), record("r2", resp=large), record("r3", req=large[1:], resp="é" * 600_000)]
    )
    drain_all()
    both = [(row["request"], row["response"], row["logging_error_codes"]) for row in rows_in(tmp_path)]
    assert both[0] == (None, '{"predictions": [1]}', ["MAX_REQUEST_SIZE_EXCEEDED"])
    assert both[1] == ('{"inputs": [[1]]}', None, ["MAX_RESPONSE_SIZE_EXCEEDED"])
    assert both[2] == (large[1:], None, ["MAX_RESPONSE_SIZE_EXCEEDED"])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{not json", "not a JSON list of records"),
        (b'{"id": "r"}', "not a JSON list of records"),
        (b"[1]", "not a JSON list of records"),
        (orjson.dumps([record("bad", ws="nobody")]), "ws is not a workspace"),
        (orjson.dumps([record("bad", table="../../etc/x.y.z")]), "is not a table name"),
        (orjson.dumps([record("bad", status="200")]), "status is not an HTTP status"),
        (orjson.dumps([record("bad", t=None)]), "t is not a time"),
        (orjson.dumps([{"ws": "ws1", "table": "a.b.c"}]), "the record lacks 'id'"),
    ],
)
def test_a_bad_entry_is_moved_aside_and_holds_nobody_up(
    redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path, body: bytes, reason: str
) -> None:
    capture.append(redis_client, [record("before")])
    bad_id = redis_client.xadd(capture.STREAM, {capture.FIELD: body})
    capture.append(redis_client, [record("after")])
    drained = drain_all()
    assert (drained.rows, drained.rejected) == (2, 1)
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["after", "before"]
    ((rejected_id, fields),) = redis_client.xrange(capture.REJECTED_STREAM)
    assert rejected_id == bad_id
    assert reason in fields[b"reason"].decode()
    assert orjson.loads(fields[b"b"]) == orjson.loads(body) if body != b"{not json" else fields[b"b"] == body


def test_the_neighbours_of_a_bad_record_in_one_entry_arrive(
    redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path
) -> None:
    capture.append(redis_client, [record("r1"), record("r2", ms=-1), record("r3")])
    drain_all()
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["r1", "r3"]


def test_an_answer_that_was_captured_twice_is_one_row(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    capture.append(redis_client, [record("r1", resp="first")])
    capture.append(redis_client, [record("r1", resp="second"), record("r1", table="main.default.other")])
    assert drain_all().rows == 2
    assert [row["response"] for row in rows_in(tmp_path)] == ["first"]
    assert len(rows_in(tmp_path, "main.default.other")) == 1


def test_workspaces_have_tables_of_their_own(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    capture.append(redis_client, [record("r1"), record("r2", ws="ws2")])
    drain_all()
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["r1"]
    assert [row["databricks_request_id"] for row in rows_in(tmp_path, workspace_id="ws2")] == ["r2"]


def test_what_a_table_holds_already_is_skipped(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    capture.append(redis_client, [record("r1")])
    ((entry_id, fields),) = redis_client.xrange(capture.STREAM)
    drain_all()
    redis_client.delete(capture.STREAM)  # as after a kill between the append and the trim: the entry is there again
    redis_client.xadd(capture.STREAM, fields, id=entry_id)
    capture.append(redis_client, [record("r2")])
    assert drain_all().rows == 1
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["r1", "r2"]


def test_a_redis_that_was_wiped_starts_a_new_count(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    redis_client.xadd(capture.STREAM, {capture.FIELD: orjson.dumps([record("r1")])}, id="8000000000000-5")
    drain_all()
    redis_client.flushall()
    capture.append(redis_client, [record("r2")])  # its id is lower than the one that the table remembers
    drain_all()
    assert redis_client.exists(EPOCH_KEY)
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["r1", "r2"]


def test_a_broken_table_holds_the_others_up_for_a_few_ticks_only(
    redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path
) -> None:
    log = tmp_path / "ws1/main/default/broken/_delta_log"
    log.mkdir(parents=True)
    (log / "00000000000000000000.json").write_text("this is no log")
    capture.append(redis_client, [record("lost", table="main.default.broken"), record("kept")])
    drain = Drain(redis_client, tmp_path, lambda ids: ids)
    for _ in range(9):
        with pytest.raises(delta.TableBroken):
            drain.run()
        assert redis_client.xlen(capture.STREAM) == 1
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["kept"]
    assert drain.run().rejected == 1
    ((_, fields),) = redis_client.xrange(capture.REJECTED_STREAM)
    assert orjson.loads(fields[b"b"])[0][0] == "lost"
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["kept"]
    assert redis_client.xlen(capture.STREAM) == 0


def test_a_name_that_the_file_system_does_not_take_holds_the_others_up_for_a_few_ticks_only(
    redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path
) -> None:
    capture.append(redis_client, [record("lost", table=f"main.{'漢' * 100}.churn_payload"), record("kept")])
    drain = Drain(redis_client, tmp_path, lambda ids: ids)
    for _ in range(9):
        with pytest.raises(delta.TableBroken, match="File name too long"):
            drain.run()
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["kept"]
    assert drain.run().rejected == 1
    assert redis_client.xlen(capture.STREAM) == 0


def test_a_deleted_table_is_made_again(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    capture.append(redis_client, [record("r1")])
    drain_all()
    for file in sorted(tmp_path.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    capture.append(redis_client, [record("r2")])
    drain_all()
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == ["r2"]


def test_upkeep_keeps_every_row_and_what_was_applied(
    redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in earnest, with a tenth of the files."""
    monkeypatch.setattr(delta, "MAX_SMALL_FILES", 20)
    monkeypatch.setattr(delta, "CHECKPOINT_EVERY_VERSIONS", 10)
    path = tmp_path / "ws1/main/default/churn_payload"
    table = delta.CaptureTable.open(path)
    due = 0
    for number in range(delta.MAX_SMALL_FILES + 1):
        before = table.version
        capture.append(redis_client, [record(f"r{number:03}")])
        due += len(drain_all().maintenance_due)
        table = delta.CaptureTable.open(path)
        assert table.version == before + 1
    assert due == 2
    app_id = "capture-" + (redis_client.get(EPOCH_KEY) or b"").decode()
    applied = table.applied(app_id)
    assert applied > 0
    assert delta.maintain(path) is True
    assert len(delta.data_files(path)) == 1
    assert delta.CaptureTable.open(path).applied(app_id) == applied
    assert [row["databricks_request_id"] for row in rows_in(tmp_path)] == [f"r{n:03}" for n in range(delta.MAX_SMALL_FILES + 1)]
    capture.append(redis_client, [record("r999")])
    assert drain_all().rows == 1
    assert delta.maintain(path) is False
    assert len(rows_in(tmp_path)) == delta.MAX_SMALL_FILES + 2


def test_one_drain_at_a_time_and_a_lost_lock_frees_itself(redis_client: redis.Redis, drain_all: DrainAll, tmp_path: Path) -> None:
    killed = DrainLock(redis_client)
    assert killed.acquire()
    capture.append(redis_client, [record("r1")])
    assert Drain(redis_client, tmp_path, lambda ids: ids).run().rows == 0
    assert 0 < redis_client.pttl(LOCK_KEY) <= LOCK_MS
    wait_for(DrainLock(redis_client).acquire, 60, "the lock did not free itself")
    with pytest.raises(LockLost):
        killed.extend()
    killed.release()
    assert redis_client.exists("capture:lock"), "the lock of the next holder was released"


def test_batches_are_bounded(redis_client: redis.Redis) -> None:
    for number in range(300):
        redis_client.xadd(capture.STREAM, {capture.FIELD: b"x" * 1000}, id=f"{number + 1}-0")
    assert len(read_batch(redis_client, max_entries=100)) == 100
    by_bytes = read_batch(redis_client, max_bytes=150_000)
    assert 150 <= len(by_bytes) < 200
    assert [entry.transaction for entry in by_bytes] == [(n + 1) << 20 for n in range(len(by_bytes))]
    assert len(read_batch(redis_client)) == 300
