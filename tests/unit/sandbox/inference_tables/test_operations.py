"""Reading tables: newest first across files and row groups, and never another workspace's."""

import datetime as dt
import random
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import ResourceDoesNotExist
from sandbox.inference_tables import delta, operations
from sandbox.inference_tables.rows import arrow_table, row_of

TABLE = "main.default.churn_payload"
START_S = 1_790_000_000


def write(root: Path, numbers: list[int], transaction: int, workspace_id: str = "ws1") -> None:
    table = delta.CaptureTable.open(root / workspace_id / "main" / "default" / "churn_payload")
    rows = [
        row_of(
            {
                "id": f"r{n}",
                "client": None,
                "t": START_S + n,
                "status": 200 if n % 4 else 500,
                "ms": n % 3,
                "req": f"request {n}",
                "resp": None,
                "entity": f"e{n % 2}",
                "who": "me",
            }
        )
        for n in numbers
    ]
    table.append(arrow_table(rows), "test", transaction)
    table.make_durable()


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    """100 rows in 5 files, in no order; another workspace has one of its own."""
    settings.DELTA_DIR = tmp_path
    numbers = list(range(100))
    random.Random(3).shuffle(numbers)
    for part in range(5):
        write(tmp_path, numbers[part * 20 : part * 20 + 20], part)
    write(tmp_path, [7], 1, "ws2")
    return tmp_path


def test_newest_first(root: Path) -> None:
    rows = operations.read_rows("ws1", TABLE, 3)
    assert [row.databricks_request_id for row in rows] == ["r99", "r98", "r97"]
    assert rows[0].request is None, "bodies are not read for a list"
    assert [row.databricks_request_id for row in operations.read_rows("ws1", TABLE, 5, 40)] == ["r59", "r58", "r57", "r56", "r55"]
    assert len(operations.read_rows("ws1", TABLE, 500)) == 100
    assert operations.read_rows("ws1", TABLE, 5, 100) == []


def test_no_rows_of_a_table_that_has_some(root: Path) -> None:
    """A page whose table was empty when it was counted asks for no rows; rows may have come since."""
    assert operations.read_rows("ws1", TABLE, 0) == []


def test_one_row_has_its_bodies(root: Path) -> None:
    row = operations.read_row("ws1", TABLE, "r42")
    assert (row.request, row.response, row.status_code, row.served_entity_id) == ("request 42", None, 200, "e0")
    assert row.request_time == dt.datetime.fromtimestamp(START_S + 42, dt.UTC)
    with pytest.raises(ResourceDoesNotExist, match="no row"):
        operations.read_row("ws1", TABLE, "r100")


def test_rows_since(root: Path) -> None:
    since = dt.datetime.fromtimestamp(START_S + 97, dt.UTC)
    rows = operations.rows_since("ws1", TABLE, since)
    assert [row.databricks_request_id for row in rows] == ["r97", "r98", "r99"]
    assert rows[0].request is None, "bodies are not read for a list"
    assert operations.rows_since("ws1", "main.default.later_payload", since) == []


def test_counts(root: Path) -> None:
    counts = [(c.served_entity_id, c.status_code, c.requests) for c in operations.count_requests("ws1", TABLE)]
    assert counts == [("e1", 200, 50), ("e0", 200, 25), ("e0", 500, 25)]
    mean = sum(n % 3 for n in range(0, 100, 4)) / 25
    assert operations.count_requests("ws1", TABLE)[2].mean_duration_ms == pytest.approx(mean)


def test_describe(root: Path) -> None:
    description = operations.describe("ws1", TABLE)
    assert (str(description.name), description.rows) == (TABLE, 100)
    assert description.newest == dt.datetime.fromtimestamp(START_S + 99, dt.UTC)
    assert description.columns[3] == ("request_time", "TIMESTAMP")
    assert [str(name) for name in operations.tables("ws1")] == [TABLE]


@pytest.mark.parametrize(
    ("workspace_id", "table"), [("ws3", TABLE), ("ws1", "main.default.x"), ("ws1", "../ws2.main.x"), ("..", TABLE)]
)
def test_what_is_not_there_does_not_exist(root: Path, workspace_id: str, table: str) -> None:
    with pytest.raises(ResourceDoesNotExist, match="does not exist"):
        operations.describe(workspace_id, table)


def test_a_workspace_sees_its_own_rows_only(root: Path) -> None:
    assert [row.databricks_request_id for row in operations.read_rows("ws2", TABLE, 10)] == ["r7"]
    assert operations.tables("ws3") == []
