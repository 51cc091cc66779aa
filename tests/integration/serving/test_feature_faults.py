"""Online tables on the running site while things go wrong: a look-up sees all old rows or all new ones, never a mixture."""

import shutil
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
import redis
from databricks.sdk.service import catalog
from databricks.sdk.service.serving import EndpointCoreConfigInput, ServedEntityInput

from sandbox.features.spec import Column, FeatureSpec, Lookup
from tests.integration.serving.test_feature_serving import create_spec, run, settled
from tests.stack import Stack, wait_for

pytestmark = pytest.mark.faults
ENDPOINT, TABLE, SPEC_NAME = "feature-faults", "main.default.fault_rows", "main.default.fault_features"
ONLINE = f"{TABLE}_online"
ROWS = 250_000
KEYS = [n * (ROWS // 40) for n in range(40)]
SPEC = FeatureSpec(
    columns=(Column("id", "data", "bigint"), Column("age", "lookup", "int")),
    lookups=(Lookup(TABLE, {"id": "id"}, {"age": "age"}),),
)
CREATE = f"CREATE OR REPLACE TABLE {TABLE} (id BIGINT NOT NULL, age INT, filler STRING, PRIMARY KEY (id))"


def fill(sdk: Any, age: int) -> None:
    """Let every row of the source say `age`."""
    run(sdk, f"INSERT OVERWRITE {TABLE} SELECT id, {age}, concat('row-', id) FROM range({ROWS})")


class Reader(threading.Thread):
    """Asks for rows from all over the table, again and again, until the block ends; what it saw must be of one piece."""

    def __init__(self, client: httpx.Client) -> None:
        super().__init__()
        self.client, self.is_over = client, threading.Event()
        self.answers: list[tuple[int, frozenset[Any] | str]] = []

    def run(self) -> None:
        while not self.is_over.wait(0.02):
            self.answers.append(ages(self.client))

    def __enter__(self) -> "Reader":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.join()

    def saw(self, status: int) -> set[Any]:
        """What the answers with this status said; those with one age in all rows say that age."""
        found = {said for seen, said in self.answers if seen == status}
        return {next(iter(said)) if isinstance(said, frozenset) and len(said) == 1 else said for said in found}


def ages(client: httpx.Client) -> tuple[int, frozenset[Any] | str]:
    answer = client.post(f"/serving-endpoints/{ENDPOINT}/invocations", json={"dataframe_records": [{"id": key} for key in KEYS]})
    if answer.status_code != 200:
        return answer.status_code, answer.json()["message"]
    return 200, frozenset(row["age"] for row in answer.json()["outputs"])


@pytest.fixture(scope="module")
def store(stack: Stack) -> Iterator[redis.Redis]:
    """The site's Redis."""
    client = redis.Redis(unix_socket_path=str(stack.data_dir / "run" / "redis.sock"))
    yield client
    client.close()


def state(sdk: Any) -> tuple[str, str]:
    status = sdk.online_tables.get(ONLINE).status
    return status.detailed_state.value, status.message


def wait_for_state(sdk: Any, stack: Stack, wanted: str) -> str:
    """The message beside it."""
    wait_for(lambda: state(sdk)[0] == wanted, 60, f"{ONLINE} did not become {wanted}", stack.log_tails)
    return state(sdk)[1]


def events(stack: Stack) -> list[str]:
    """The messages of the site's events about look-ups."""
    with closing(sqlite3.connect(f"file:{stack.data_dir / 'db.sqlite3'}?mode=ro", uri=True)) as database:
        found = database.execute("SELECT message FROM sandbox_deploymentevent WHERE type LIKE 'FEATURE_LOOKUPS_%' ORDER BY id")
        return [message for (message,) in found]


def sync(sdk: Any) -> None:
    sdk.pipelines.start_update(sdk.online_tables.get(ONLINE).spec.pipeline_id)


def wait_until_half_written(store: redis.Redis, stack: Stack) -> None:
    """Rows are there that nothing points to: the sync is at work on a new generation."""

    def half() -> bool:
        kept = [store.hlen(key) for key in store.scan_iter("feat:rows:*", count=1000) if 0 < store.ttl(key) > 60]
        return any(ROWS // 10 < rows < ROWS * 9 // 10 for rows in kept)

    wait_for(half, 60, "no sync was seen half-way", stack.log_tails)


@pytest.fixture(scope="module")
def endpoint(stack: Stack, sdk: Any, store: redis.Redis) -> str:
    """Made while the process that fills its online table for the first time is killed half-way."""
    run(sdk, CREATE)
    fill(sdk, 1)
    create_spec(sdk, SPEC_NAME, SPEC)
    spec = catalog.OnlineTableSpec(
        source_table_full_name=TABLE,
        primary_key_columns=["id"],
        perform_full_copy=True,
        run_triggered=catalog.OnlineTableSpecTriggeredSchedulingPolicy(),
    )
    sdk.online_tables.create(catalog.OnlineTable(name=ONLINE, spec=spec))
    pointers = set(store.scan_iter("feat:table:*"))
    served = ServedEntityInput(entity_name=SPEC_NAME, workload_size="Small", scale_to_zero_enabled=False)
    sdk.serving_endpoints.create(name=ENDPOINT, config=EndpointCoreConfigInput(name=ENDPOINT, served_entities=[served]))
    wait_until_half_written(store, stack)
    stack.wait_restarted("control", stack.kill("control"), timeout_s=90)
    assert state(sdk)[0].startswith("PROVISIONING")
    assert set(store.scan_iter("feat:table:*")) == pointers, "nothing points to half a table"
    settled(sdk, stack, ENDPOINT)
    return ENDPOINT


def test_a_publish_that_was_killed_ends_whole(sdk: Any, http: httpx.Client, stack: Stack, endpoint: str) -> None:
    message = wait_for_state(sdk, stack, "ONLINE_NO_PENDING_UPDATE")
    assert message.startswith(f"{ROWS} rows of version ")
    assert ages(http) == (200, frozenset({1}))


def test_a_sync_that_is_killed_half_way_is_never_half_visible(
    sdk: Any, http: httpx.Client, stack: Stack, store: redis.Redis, endpoint: str
) -> None:
    fill(sdk, 2)
    with Reader(http) as reader:
        sync(sdk)
        wait_until_half_written(store, stack)
        stack.wait_restarted("control", stack.kill("control"), timeout_s=90)
        assert ages(http) == (200, frozenset({1})), "the killed sync has changed nothing"
        wait_for(lambda: 2 in reader.saw(200), 60, "the new rows did not come", stack.log_tails)
    assert {status for status, _ in reader.answers} == {200}
    assert reader.saw(200) == {1, 2}
    seen = [said for _, said in reader.answers]
    assert seen == sorted(seen, key=max), "once new, always new"
    assert wait_for_state(sdk, stack, "ONLINE_NO_PENDING_UPDATE").startswith(f"{ROWS} rows of version ")


def test_a_store_that_restarts_empty_is_filled_again_and_says_so_meanwhile(
    sdk: Any, http: httpx.Client, stack: Stack, store: redis.Redis, endpoint: str
) -> None:
    stack.kill("redis", signal.SIGSTOP)  # so that it renames no file while they are removed
    shutil.rmtree(stack.data_dir / "redis" / "appendonlydir")
    stack.wait_restarted("redis", stack.kill("redis"), timeout_s=90)
    wait_for(lambda: ages(http)[0] in {200, 503} and stack.health().status_code == 200, 60, "it did not recover", stack.log_tails)
    with Reader(http) as reader:
        wait_for(lambda: 2 in reader.saw(200), 60, "the rows did not come again", stack.log_tails)
    assert reader.saw(200) == {2}
    refusals = [said for status, said in reader.answers if status != 200]
    sentence = f"No suitable online store found for feature tables: {TABLE}."
    assert all(str(said).startswith(sentence) for said in refusals), refusals
    wait_for_state(sdk, stack, "ONLINE_NO_PENDING_UPDATE")
    told = events(stack)
    assert any("lost its rows, which are being copied anew; until then requests are refused" in message for message in told), told
    assert any("has its rows again, and is kept up to date" in message for message in told), told


def test_a_source_that_is_dropped_during_a_sync(
    sdk: Any, http: httpx.Client, stack: Stack, store: redis.Redis, endpoint: str
) -> None:
    fill(sdk, 3)
    with Reader(http) as reader:
        sync(sdk)
        wait_until_half_written(store, stack)
        run(sdk, f"DROP TABLE {TABLE}")
        message = wait_for_state(sdk, stack, "ONLINE_PIPELINE_FAILED")
    assert message.startswith(f"The source table {TABLE} does not exist any more. The rows stay as they were last")
    assert {status for status, _ in reader.answers} == {200}
    assert reader.saw(200) <= {2, 3}, "all of one version"

    def beside_the_state() -> str:
        return str(sdk.serving_endpoints.get(ENDPOINT).config.served_entities[0].state.deployment_state_message)

    wait_for(lambda: "is not kept up to date: The source table" in beside_the_state(), 90, "nothing is said", beside_the_state)
