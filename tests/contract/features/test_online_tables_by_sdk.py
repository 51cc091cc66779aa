"""Online tables and stores by the unmodified SDK, filled from Delta tables into a real Redis; syncs run in the test's process."""

import math
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pyarrow as pa
import pytest
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.service import catalog, ml

from sandbox.catalog import delta, table_rows, table_schema, tables
from sandbox.catalog.column_types import Column
from sandbox.catalog.delta import RowChanges
from sandbox.connections import redis_client
from sandbox.features import schedule, source, sync, sync_lock, tasks
from sandbox.features.encoding import pointer_key, rows_key
from sandbox.features.models import OnlineTable, Sync
from sandbox.workspaces import clock
from sandbox.workspaces.members import Caller
from sandbox.workspaces.models import User
from sandbox.workspaces.operations import issue_token, open_workspace

SOURCE, ONLINE = "main.default.customers", "main.default.customers_online"
CDF = {"delta.enableChangeDataFeed": "true"}
COLUMNS = [Column("id", "bigint"), Column("name", "string"), Column("score", "double")]


@pytest.fixture
def ada(w: Any) -> Caller:
    user = User.objects.get(username="ada")
    return Caller(open_workspace(user), user)


@pytest.fixture
def customers(ada: Caller) -> str:
    """Three rows with a change data feed; one score is no number, one is null."""
    rows = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"], "score": pa.array([0.5, math.nan, None])})
    tables.create_table(ada, SOURCE, COLUMNS, rows=rows, primary_key=["id"], properties=CDF)
    return SOURCE


def online(mode: str = "run_triggered", **more: Any) -> catalog.OnlineTable:
    policies: dict[str, Any] = {
        "run_triggered": catalog.OnlineTableSpecTriggeredSchedulingPolicy(),
        "run_continuously": catalog.OnlineTableSpecContinuousSchedulingPolicy(),
    }
    spec = {"primary_key_columns": ["id"], "source_table_full_name": SOURCE, mode: policies[mode], **more}
    return catalog.OnlineTable(name=ONLINE, spec=catalog.OnlineTableSpec(**spec))


def carry_out() -> list[str]:
    """Run what is queued, as control does; the kinds of the syncs that were run."""
    kinds = []
    for waiting in Sync.objects.filter(state=Sync.State.QUEUED).order_by("created_at"):
        assert sync.run(waiting.pk)
        waiting.refresh_from_db()
        kinds.append(waiting.kind if waiting.state == Sync.State.COMPLETED else waiting.message)
    return kinds


def rows_in_redis() -> dict[str, Any]:
    """Key as JSON text -> the other columns."""
    table = OnlineTable.objects.get(full_name=ONLINE)
    pointer = sync.current_pointer(table.pk)
    assert pointer is not None
    kept = redis_client().hgetall(rows_key(table.pk, pointer.generation))
    assert pointer.rows == len(kept) == OnlineTable.objects.get(full_name=ONLINE).synced_rows
    return {key.decode(): orjson.loads(value) for key, value in kept.items()}


def change(ada: Caller, **changes: Any) -> None:
    before = table_rows.snapshot(ada, SOURCE)
    table_rows.change_rows(ada, SOURCE, before, RowChanges(**changes), "MERGE")


def test_from_creation_over_changes_to_deletion(w: Any, ada: Caller, customers: str) -> None:
    made = w.online_tables.create(online()).response
    assert (made.name, made.unity_catalog_provisioning_state.value) == (ONLINE, "PROVISIONING")
    assert made.status.detailed_state.value == "PROVISIONING_PIPELINE_RESOURCES"
    assert carry_out() == ["FULL"]
    got = w.online_tables.get(ONLINE)
    assert (got.unity_catalog_provisioning_state.value, got.status.detailed_state.value) == ("ACTIVE", "ONLINE_NO_PENDING_UPDATE")
    assert got.status.triggered_update_status.last_processed_commit_version == 0
    assert (got.spec.primary_key_columns, got.spec.source_table_full_name) == (["id"], SOURCE)
    assert rows_in_redis() == {"[1]": ["a", 0.5], "[2]": ["b", "NaN"], "[3]": ["c", None]}

    [file] = table_rows.snapshot(ada, SOURCE).files
    change(
        ada,
        deleted={file.name: [0]},
        updated={file.name: [1]},
        after=pa.table({"id": [2], "name": ["B"], "score": [2.5]}),
        inserted=pa.table({"id": [4], "name": ["d"], "score": [4.0]}),
    )
    assert rows_in_redis()["[1]"] == ["a", 0.5], "a triggered table changes when it is told to"
    update = w.pipelines.start_update(got.spec.pipeline_id)
    assert carry_out() == ["INCREMENTAL"]
    done = Sync.objects.get(pk=update.update_id)
    assert (done.from_version, done.to_version, done.done_rows, done.deleted_rows) == (0, 1, 4, 2)
    assert rows_in_redis() == {"[2]": ["B", 2.5], "[3]": ["c", None], "[4]": ["d", 4.0]}
    assert w.pipelines.get(got.spec.pipeline_id).latest_updates[0].update_id == update.update_id

    w.online_tables.delete(ONLINE)
    assert redis_client().keys("feat:table:*") == []
    with pytest.raises(errors.NotFound, match="does not exist"):
        w.online_tables.get(ONLINE)


def test_a_snapshot_is_copied_whole(w: Any, ada: Caller, customers: str) -> None:
    w.online_tables.create(online(perform_full_copy=True))
    carry_out()
    table = OnlineTable.objects.get()
    before = sync.current_pointer(table.pk)
    table_rows.append(ada, SOURCE, pa.table({"id": [9], "name": ["z"], "score": [9.0]}))
    w.pipelines.start_update(table.pipeline_id)
    assert carry_out() == ["FULL"]
    after = sync.current_pointer(table.pk)
    assert before is not None
    assert after is not None
    assert after.generation != before.generation
    assert 0 < redis_client().ttl(rows_key(table.pk, before.generation)) <= sync.GENERATION_KEPT_S
    assert len(rows_in_redis()) == 4


def test_a_time_series_keeps_the_latest_row_of_each_key(w: Any, ada: Caller) -> None:
    columns = [Column("id", "bigint"), Column("day", "date"), Column("score", "double")]
    days = pa.array([3, 1, 2, 2, 9, 2], pa.int32()).cast(pa.date32())
    rows = pa.table({"id": [1, 1, 1, 2, 3, 2], "day": days, "score": [3.0, 1.0, 2.0, 20.0, 30.0, 21.0]})
    tables.create_table(ada, SOURCE, columns, rows=rows, primary_key=["id", "day"], timeseries=["day"], properties=CDF)
    w.online_tables.create(online(primary_key_columns=["id", "day"], timeseries_key="day"))
    carry_out()
    assert rows_in_redis() == {"[1]": [3, 3.0], "[2]": [2, 21.0], "[3]": [9, 30.0]}
    later = pa.array([2], pa.int32()).cast(pa.date32())
    table_rows.append(ada, SOURCE, pa.table({"id": [1], "day": later, "score": [99.0]}))  # late, and not the latest
    w.pipelines.start_update(OnlineTable.objects.get().pipeline_id)
    assert carry_out() == ["FULL"]
    assert rows_in_redis()["[1]"] == [3, 3.0]


def test_a_continuous_table_follows_on_the_workspaces_clock(w: Any, ada: Caller, customers: str) -> None:
    clock.set_factor(ada.workspace, 10_000.0)
    w.online_tables.create(online("run_continuously"))
    carry_out()
    assert w.online_tables.get(ONLINE).status.detailed_state.value == "ONLINE_CONTINUOUS_UPDATE"
    schedule.look()
    assert carry_out() == [], "nothing has changed"
    table_rows.append(ada, SOURCE, pa.table({"id": [9], "name": ["z"], "score": [9.0]}))
    schedule.look()
    assert carry_out() == ["INCREMENTAL"]
    assert rows_in_redis()["[9]"] == ["z", 9.0]
    clock.set_factor(ada.workspace, 1.0)
    table_rows.append(ada, SOURCE, pa.table({"id": [10], "name": ["y"], "score": [9.0]}))
    schedule.look()
    assert carry_out() == [], "15 s of the workspace's time have not gone by"


def test_a_killed_sync_changes_nothing_and_the_next_one_is_whole(
    w: Any, ada: Caller, customers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    w.online_tables.create(online())
    carry_out()
    before = rows_in_redis()
    more = pa.table({"id": range(100, 50_100), "name": ["n"] * 50_000, "score": [1.0] * 50_000})
    table_rows.append(ada, SOURCE, more)
    w.pipelines.start_update(OnlineTable.objects.get().pipeline_id)
    batches = source.rows_by_key

    def dying(*arguments: Any) -> Iterator[Any]:
        yield from (batch for number, batch in enumerate(batches(*arguments)) if number < 3)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(source, "rows_by_key", dying)
        with pytest.raises(KeyboardInterrupt):
            carry_out()
    assert {key: value for key, value in rows_in_redis().items() if key in before} == before
    assert len(rows_in_redis()) == 3
    half = [key for key in redis_client().keys("feat:rows:*") if redis_client().ttl(key) > 0]
    assert len(half) == 1, "what was half written ends by itself"
    [unfinished] = Sync.objects.exclude(state=Sync.State.COMPLETED)
    assert unfinished.state == Sync.State.RUNNING
    assert sync.run(unfinished.pk)  # the message comes again
    assert len(rows_in_redis()) == 50_003


def test_two_processes_do_not_sync_one_table_at_once(w: Any, customers: str) -> None:
    w.online_tables.create(online())
    [waiting] = Sync.objects.all()
    with sync_lock.lock(waiting.table_id) as holder:
        assert holder
        assert not sync.run(waiting.pk)
        schedule.look()
        assert redis_client().llen("control") == 1, "it is at work: nothing is sent again"
    assert carry_out() == ["FULL"]


def test_a_redis_that_came_back_empty_is_filled_and_says_so(w: Any, customers: str) -> None:
    w.online_tables.create(online())
    carry_out()
    redis_client().flushdb()
    schedule.look()
    status = w.online_tables.get(ONLINE).status
    assert (status.detailed_state.value, status.message) == ("PROVISIONING_INITIAL_SNAPSHOT", schedule.REBUILDING)
    assert carry_out() == ["FULL"]
    assert rows_in_redis()["[1]"] == ["a", 0.5]
    schedule.look()
    assert carry_out() == []


def test_a_source_that_is_dropped_is_said_and_the_rows_stay(w: Any, ada: Caller, customers: str) -> None:
    w.online_tables.create(online())
    carry_out()
    tables.drop_table(ada, SOURCE)
    w.pipelines.start_update(OnlineTable.objects.get().pipeline_id)
    [message] = carry_out()
    assert "does not exist any more" in message
    got = w.online_tables.get(ONLINE)
    assert (got.unity_catalog_provisioning_state.value, got.status.detailed_state.value) == ("DEGRADED", "ONLINE_PIPELINE_FAILED")
    assert got.status.message == message
    assert rows_in_redis()["[1]"] == ["a", 0.5]
    tables.create_table(ada, SOURCE, COLUMNS, primary_key=["id"], properties=CDF)
    w.pipelines.start_update(OnlineTable.objects.get().pipeline_id)
    assert "was dropped and created anew" in carry_out()[0]


def test_a_new_column_comes_over(w: Any, ada: Caller, customers: str) -> None:
    w.online_tables.create(online())
    carry_out()
    table_schema.add_columns(ada, SOURCE, [Column("city", "string")])
    w.pipelines.start_update(OnlineTable.objects.get().pipeline_id)
    assert carry_out() == ["FULL"]
    assert rows_in_redis()["[1]"] == ["a", 0.5, None]


def test_stores_and_publishing(w: Any, ada: Caller, customers: str, client_of: Callable[..., Any]) -> None:
    made = w.feature_store.create_online_store(ml.OnlineStore(name="shop", capacity="CU_1"))
    assert (made.state.value, made.creator, made.read_replica_count) == ("AVAILABLE", "ada@example.org", 0)
    assert [each.name for each in w.feature_store.list_online_stores()] == ["shop"]
    wider = w.feature_store.update_online_store("shop", ml.OnlineStore(name="shop", capacity="CU_4"), "capacity")
    assert wider.capacity == "CU_4"
    spec = ml.PublishSpec("shop", ONLINE, ml.PublishSpecPublishMode.TRIGGERED)
    published = w.feature_store.publish_table(SOURCE, spec)
    assert published.online_table_name == ONLINE
    carry_out()
    table_rows.append(ada, SOURCE, pa.table({"id": [9], "name": ["z"], "score": [9.0]}))
    assert w.feature_store.publish_table(SOURCE, spec).pipeline_id == published.pipeline_id
    assert carry_out() == ["INCREMENTAL"]
    assert len(rows_in_redis()) == 4
    with pytest.raises(errors.BadRequest, match="has published tables"):
        w.feature_store.delete_online_store("shop")
    w.feature_store.delete_online_table(ONLINE)
    w.feature_store.delete_online_store("shop")
    assert list(w.feature_store.list_online_stores()) == []
    with pytest.raises(errors.NotFound, match="does not exist"):
        client_of("eve").feature_store.get_online_store("shop")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"source_table_full_name": "main.default.no_such"}, "does not exist"),
        ({"primary_key_columns": ["name"]}, "is not the primary key"),
        ({"timeseries_key": "score"}, "no column of the primary key"),
    ],
)
def test_what_cannot_be_is_refused(w: Any, customers: str, spec: dict[str, Any], words: str) -> None:
    with pytest.raises(errors.DatabricksError, match=words):
        w.online_tables.create(online(**spec))
    assert not OnlineTable.objects.exists()


def test_what_a_source_needs_is_said(w: Any, ada: Caller) -> None:
    tables.create_table(ada, SOURCE, COLUMNS)
    with pytest.raises(errors.BadRequest, match="has no primary key"):
        w.online_tables.create(online())
    table_schema.change_column(ada, SOURCE, "id", nullable=False)
    table_schema.add_primary_key(ada, SOURCE, ["id"])
    with pytest.raises(errors.BadRequest, match=r"SET TBLPROPERTIES \(delta.enableChangeDataFeed = true\)"):
        w.online_tables.create(online())
    w.online_tables.create(online(perform_full_copy=True))
    assert carry_out() == ["FULL"]
    with pytest.raises(errors.ResourceAlreadyExists, match="already exists"):
        w.online_tables.create(online(perform_full_copy=True))


def test_a_pipeline_is_seen_by_who_may_read_its_source(
    w: Any, ada: Caller, customers: str, client_of: Callable[..., Any]
) -> None:
    w.online_tables.create(online())
    pipeline_id = OnlineTable.objects.get().pipeline_id
    client_of("bob")
    w.users.create(user_name="bob@example.org")
    bob_user = User.objects.get(username="bob")
    bob = WorkspaceClient(host=w.config.host, token=issue_token(ada.workspace, bob_user)[1])
    for call in (lambda: bob.pipelines.get(pipeline_id), lambda: bob.pipelines.start_update(pipeline_id)):
        with pytest.raises(errors.PermissionDenied, match="does not have SELECT"):
            call()
    grant = catalog.PermissionsChange(principal="bob@example.org", add=[catalog.Privilege.SELECT])
    w.grants.update("table", SOURCE, changes=[grant])
    assert bob.pipelines.get(pipeline_id).creator_user_name == "ada@example.org"
    with pytest.raises(errors.PermissionDenied, match="Only its creator or an admin"):
        bob.pipelines.start_update(pipeline_id)


def test_another_workspace_finds_nothing(w: Any, customers: str, client_of: Callable[..., Any]) -> None:
    w.online_tables.create(online())
    eve = client_of("eve")
    for call in (
        lambda: eve.online_tables.get(ONLINE),
        lambda: eve.online_tables.delete(ONLINE),
        lambda: eve.pipelines.get(OnlineTable.objects.get().pipeline_id),
        lambda: eve.pipelines.start_update(OnlineTable.objects.get().pipeline_id),
        lambda: eve.online_tables.create(online()),
    ):
        with pytest.raises(errors.NotFound, match="does not exist"):
            call()
    assert OnlineTable.objects.count() == 1
    assert delta.exists(source.folder_of(OnlineTable.objects.get()))


def test_the_memory_of_a_workspace_is_limited(w: Any, ada: Caller, customers: str, settings: Any) -> None:
    w.online_tables.create(online())
    assert carry_out() == ["FULL"]
    kept = OnlineTable.objects.get().synced_bytes
    assert kept == redis_client().memory_usage(next(iter(redis_client().keys("feat:rows:*"))), samples=sync.SAMPLED_ROWS) > 100
    settings.ONLINE_TABLES_QUOTA_BYTES = 10 * kept
    names = [f"name-{n}" for n in range(1_000)]
    more = pa.table({"id": pa.array(range(100, 1_100)), "name": names, "score": [1.0] * 1_000})
    table_rows.append(ada, SOURCE, more)
    w.pipelines.start_update(OnlineTable.objects.get().pipeline_id)
    [message] = carry_out()
    assert message.startswith(f"The rows of {ONLINE} do not fit: the online tables of this workspace may take")
    assert w.online_tables.get(ONLINE).status.message == message
    assert len(rows_in_redis()) == 3, "what was there stays"
    full_copy = online(perform_full_copy=True)
    full_copy.name = f"{ONLINE}_2"
    w.online_tables.create(full_copy)
    assert carry_out()[0].startswith(f"The rows of {ONLINE}_2 do not fit")
    assert w.online_tables.get(f"{ONLINE}_2").status.detailed_state.value == "OFFLINE_FAILED"
    assert len(redis_client().keys("feat:rows:*")) == 1, "nothing half-written is left"
    settings.ONLINE_TABLES_QUOTA_BYTES = kept
    full_copy.name = f"{ONLINE}_3"
    with pytest.raises(errors.DatabricksError, match="The online tables of this workspace take"):
        w.online_tables.create(full_copy)


def test_a_sync_goes_on_at_once_when_its_process_has_died(w: Any, customers: str) -> None:
    w.online_tables.create(online())
    [waiting] = Sync.objects.all()
    Sync.objects.update(state=Sync.State.RUNNING)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        redis_client().set(f"feat:lock:{waiting.table_id}", f"{socket.gethostname()}|{ended.pid}|1|x", ex=30)
    redis_client().delete("control")
    schedule.look()
    schedule.look()
    assert redis_client().llen("control") == 1, "it is sent again, once"
    assert sync.run(waiting.pk)
    assert rows_in_redis()["[1]"] == ["a", 0.5]
    redis_client().set(f"feat:lock:{waiting.table_id}", "another-machine|1|1|x", ex=30)
    assert not sync.run(w_sync(w).pk), "of another machine nothing is known before the lock ends"


def w_sync(w: Any) -> Sync:
    update = w.pipelines.start_update(OnlineTable.objects.get().pipeline_id)
    return Sync.objects.get(pk=update.update_id)


def test_a_store_that_came_back_without_the_last_changes_gets_them_again(w: Any, ada: Caller, customers: str) -> None:
    w.online_tables.create(online())
    carry_out()
    table = OnlineTable.objects.get()
    before = redis_client().get(pointer_key(table.pk))
    table_rows.append(ada, SOURCE, pa.table({"id": [9], "name": ["z"], "score": [9.0]}))
    w_sync(w)
    carry_out()
    redis_client().set(pointer_key(table.pk), before)  # what was not on its disk yet
    redis_client().hdel(rows_key(table.pk, sync.current_pointer(table.pk).generation), b"[9]")
    schedule.look()
    assert carry_out() == ["INCREMENTAL"]
    assert rows_in_redis()["[9]"] == ["z", 9.0]


def test_a_lock_that_was_lost_lets_nothing_be_written(w: Any, ada: Caller, customers: str) -> None:
    w.online_tables.create(online())
    table = OnlineTable.objects.get()
    with sync_lock.lock(table.pk) as holder:
        assert holder is not None
        redis_client().delete(f"feat:lock:{table.pk}")
        with pytest.raises(sync_lock.Overtaken):
            sync_lock.transact(table.pk, holder, lambda pipeline: pipeline.set(pointer_key(table.pk), b"{}"))
    assert redis_client().get(pointer_key(table.pk)) is None


def test_what_changes_during_a_sync_comes_with_the_next_one(w: Any, ada: Caller, customers: str) -> None:
    w.online_tables.create(online())
    [first] = Sync.objects.all()
    Sync.objects.update(state=Sync.State.RUNNING)  # it has read the source by now
    table_rows.append(ada, SOURCE, pa.table({"id": [9], "name": ["z"], "score": [9.0]}))
    second = w_sync(w)
    assert (second.pk, w_sync(w).pk) == (w_sync(w).pk, second.pk), "one that waits is enough"
    redis_client().delete("control")
    tasks.sync_task(first.pk)
    first.refresh_from_db()
    assert first.state == Sync.State.COMPLETED
    assert redis_client().llen("control") == 1, "the one that waits is sent"
    tasks.sync_task(second.pk)
    second.refresh_from_db()
    assert (second.kind, second.state, second.done_rows) == ("INCREMENTAL", Sync.State.COMPLETED, 0), "nothing is new"
    assert rows_in_redis()["[9]"] == ["z", 9.0]
